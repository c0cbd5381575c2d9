"""What can go wrong in the client.

ClientError
├── RequestError         the server cannot use what was sent; names the field
├── NotFoundError        no such image, query or page
├── UnavailableError     no server there, or it is still loading or stopping
├── DeadlineError        no answer in time
└── ServerError          anything else that the server reports
"""

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status


class ClientError(Exception):
    """Base of every error that partlens.client raises on purpose."""


class RequestError(ClientError, ValueError):
    """The server cannot use what was sent.

    Attributes:
        field: path of the offending field in the request; "" where the server names none.
    """

    def __init__(self, message: str, field: str = "") -> None:
        self.field = field
        super().__init__(message)


class NotFoundError(ClientError, LookupError):
    """No such image, query or page."""


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


_INVALID = (
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.OUT_OF_RANGE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
)


def from_rpc(error: grpc.RpcError, target: str) -> ClientError:
    """The typed error for what a call raised.

    Args:
        target: address of the server, for the message.
    """
    if not isinstance(error, grpc.Call):
        return ServerError(str(error), grpc.StatusCode.UNKNOWN)
    code, message = error.code(), error.details() or ""
    if code in _INVALID:
        field = _violated_field(error)
        return RequestError(f"{field}: {message}" if field else message, field)
    if code is grpc.StatusCode.NOT_FOUND:
        return NotFoundError(message)
    if code is grpc.StatusCode.UNAVAILABLE:
        return UnavailableError(f"no partlens server answers at {target}: {message}")
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return DeadlineError(f"the server at {target} did not answer in time")
    return ServerError(f"{code.name}: {message}", code)


def _violated_field(error: grpc.Call) -> str:
    try:
        status = rpc_status.from_call(error)
    except ValueError:  # details that do not belong to the status
        return ""
    for detail in status.details if status is not None else ():
        bad = error_details_pb2.BadRequest()
        if detail.Is(bad.DESCRIPTOR) and detail.Unpack(bad) and bad.field_violations:
            return str(bad.field_violations[0].field)
    return ""
