"""Converts gRPC errors to the client's typed errors."""

from dataclasses import dataclass
from typing import cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from partlens.client.channel import Route
from partlens.client.errors import (
    AccessError,
    ClientError,
    DeadlineError,
    ExhaustedError,
    NotFoundError,
    RequestError,
    ServerError,
    StaleError,
    UnavailableError,
)


def from_rpc(error: grpc.RpcError, route: Route) -> ClientError:
    """The typed error for a gRPC error.

    Args:
        route: route to the server, for the message.
    """
    # The asyncio error has the same methods, but is not a grpc.Call.
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return ServerError(str(error), grpc.StatusCode.UNKNOWN)
    details = _details(error)
    typed = _typed(error, details, route)
    typed.reason, typed.retry_seconds = details.reason, details.retry_seconds
    typed.request_id = str(dict(error.initial_metadata() or ()).get("x-request-id", ""))
    return typed


@dataclass
class _Details:
    """The google.rpc details that the server sends with a status."""

    reason: str = ""
    field: str = ""
    retry_seconds: float | None = None


def _typed(error: grpc.Call | grpc.aio.AioRpcError, details: _Details, route: Route) -> ClientError:
    code, message = error.code(), error.details() or ""
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.OUT_OF_RANGE:
            return RequestError(message, details.field)
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return AccessError(f"{message} (answered by {route})")
        case grpc.StatusCode.NOT_FOUND:
            return NotFoundError(message)
        case grpc.StatusCode.FAILED_PRECONDITION:
            return StaleError(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED if details.reason:
            return ExhaustedError(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return ExhaustedError(f"over a limit of the server at {route}: {_explained(message)}")
        case grpc.StatusCode.UNAVAILABLE if details.reason:
            return UnavailableError(message)
        case grpc.StatusCode.UNAVAILABLE:
            return UnavailableError(route.explained(message))
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError(f"the server at {route} did not answer in time")
        case grpc.StatusCode.UNIMPLEMENTED if not details.reason:
            return ServerError(
                f"the server at {route} does not know this method ({message}): it is another gRPC"
                " server, or a different version of partlens",
                code,
            )
        case _:
            return ServerError(f"{code.name}: {message}", code)


def _explained(message: str) -> str:
    """What gRPC says about a message that is too large, with what to do."""
    if message.startswith("SERVER: Received message larger than max"):
        return f"{message}. Send smaller pictures, or raise limits.request_bytes of the server"
    return message


def _details(error: grpc.Call | grpc.aio.AioRpcError) -> _Details:
    found = _Details()
    try:
        status = rpc_status.from_call(cast("grpc.Call", error))
    except ValueError:  # details that do not belong to the status
        return found
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    for detail in status.details if status is not None else ():
        if _unpacked(detail, info):
            found.reason = info.reason
        elif _unpacked(detail, bad) and bad.field_violations:
            found.field = bad.field_violations[0].field
        elif _unpacked(detail, retry):
            found.retry_seconds = retry.retry_delay.ToTimedelta().total_seconds()
    return found


def _unpacked(detail: Message, into: Message) -> bool:
    return bool(detail.Is(into.DESCRIPTOR) and detail.Unpack(into))  # type: ignore[attr-defined]
