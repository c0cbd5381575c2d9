"""What can go wrong in the client.

ClientError
├── CredentialsError     credentials that cannot be used, or must not be sent
├── AccessError          the server does not know who asks, or does not allow it
├── RequestError         the server cannot use what was sent; names the field
├── NotFoundError        no such image, and no query image under this id any more
├── StaleError           the gallery is not what the call took it for: changed, or of another model
├── ExhaustedError       more than the server takes: a message too large, too many calls at once
├── UnavailableError     no server there, or it is still loading or stopping
├── DeadlineError        no answer in time
└── ServerError          anything else that the server reports
"""

from dataclasses import dataclass
from typing import cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class ClientError(Exception):
    """Base of every error that partlens.client raises on purpose.

    Attributes:
        reason: the server's word for it, as "REGION_INVALID" (docs/api.md lists them); "" where
            no partlens server said one.
        retry_seconds: after how long the same call may succeed; None where waiting does not help.
        request_id: what the server's log calls the call; "" if it did not get there.
    """

    reason: str = ""
    request_id: str = ""
    retry_seconds: float | None = None


class CredentialsError(ClientError, ValueError):
    """Credentials that cannot be used, or must not be sent like this."""


class AccessError(ClientError, PermissionError):
    """The server does not know who asks, or does not allow it."""


class RequestError(ClientError, ValueError):
    """The server cannot use what was sent.

    Attributes:
        field: path of the offending field in the request; "" where the server names none.
    """

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)


class NotFoundError(ClientError, LookupError):
    """No such image, or a query id that the server has forgotten or never gave."""


class StaleError(ClientError):
    """The gallery has changed since the page before, or is bound to another model."""


class ExhaustedError(ClientError):
    """More than the server takes: a message too large, too many calls at once or too often.

    Where the same call may succeed later, nothing was done of it and retry_seconds says when.
    """


class UnavailableError(ClientError, ConnectionError):
    """No server there, or it is still loading or stopping."""


class DeadlineError(ClientError, TimeoutError):
    """No answer in time."""


class ServerError(ClientError):
    """Anything else that the server reports.

    Attributes:
        code: the gRPC status.
    """

    def __init__(self, message: str, code: grpc.StatusCode) -> None:
        self.code = code
        super().__init__(message)


def from_rpc(error: grpc.RpcError, target: str) -> ClientError:
    """The typed error for what a call raised.

    Args:
        target: address of the server, for the message.
    """
    # The asyncio side's error has the same methods, and is no grpc.Call.
    if not isinstance(error, grpc.Call | grpc.aio.AioRpcError):
        return ServerError(str(error), grpc.StatusCode.UNKNOWN)
    details = _details(error)
    typed = _typed(error, details, target)
    typed.reason, typed.retry_seconds = details.reason, details.retry_seconds
    typed.request_id = str(dict(error.initial_metadata() or ()).get("x-request-id", ""))
    return typed


@dataclass
class _Details:
    """The google.rpc details that the server sends with a status."""

    reason: str = ""
    field: str = ""
    retry_seconds: float | None = None


def _typed(error: grpc.Call | grpc.aio.AioRpcError, details: _Details, target: str) -> ClientError:
    code, message = error.code(), error.details() or ""
    match code:
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.OUT_OF_RANGE:
            return RequestError(message, details.field)
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return AccessError(message)
        case grpc.StatusCode.NOT_FOUND:
            return NotFoundError(message)
        case grpc.StatusCode.FAILED_PRECONDITION:
            return StaleError(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED if details.reason:
            return ExhaustedError(message)
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return ExhaustedError(f"the server at {target} takes less: {message}")
        case grpc.StatusCode.UNAVAILABLE if details.reason:
            return UnavailableError(message)
        case grpc.StatusCode.UNAVAILABLE:
            return UnavailableError(f"no partlens server answers at {target}: {message}")
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return DeadlineError(f"the server at {target} did not answer in time")
        case _:
            return ServerError(f"{code.name}: {message}", code)


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
