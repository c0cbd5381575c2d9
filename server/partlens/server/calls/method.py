"""The methods of a service, which transports look up here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message import Message
from google.protobuf.message_factory import GetMessageClass

Kind = Literal["unary", "server_stream", "bidi_stream"]


@dataclass(frozen=True, eq=False)
class Method:
    """One method.

    Attributes:
        path: such as "/partlens.v1.PartSearchService/SearchRegions".
        kind: "unary": answer(request) is awaited and gives the response. "server_stream":
            answer(request) gives an async generator of responses. "bidi_stream": answer(requests)
            takes an async iterator of requests and gives such a generator.
        request, response: message classes.
        answer: the handler.
    """

    path: str
    kind: Kind
    request: type[Message]
    response: type[Message]
    answer: Callable[..., Any]


def methods_of(
    service: ServiceDescriptor, handlers: Mapping[str, Callable[..., Any]]
) -> dict[str, Method]:
    """Path -> method, for every method of a service.

    Args:
        service: descriptor of the service.
        handlers: method name -> handler, one for each method.

    Raises:
        KeyError: a method has no handler.
    """
    found = (_method(service, each, handlers[each.name]) for each in service.methods)
    return {method.path: method for method in found}


def _method(
    service: ServiceDescriptor, described: MethodDescriptor, answer: Callable[..., Any]
) -> Method:
    kind: Kind = "server_stream" if described.server_streaming else "unary"
    return Method(
        f"/{service.full_name}/{described.name}",
        "bidi_stream" if described.client_streaming else kind,
        GetMessageClass(described.input_type),
        GetMessageClass(described.output_type),
        answer,
    )
