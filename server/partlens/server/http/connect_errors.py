"""Errors in Connect's form: https://connectrpc.com/docs/protocol."""

import base64
import json
from typing import Any

from google.protobuf import json_format, symbol_database
from google.protobuf.any_pb2 import Any as AnyMessage

from partlens.server.calls.code import Code
from partlens.server.calls.status import status_of
from partlens.server.http.protocol_error import ProtocolError

HTTP_STATUS = {
    Code.CANCELLED: 499,
    Code.UNKNOWN: 500,
    Code.INVALID_ARGUMENT: 400,
    Code.DEADLINE_EXCEEDED: 504,
    Code.NOT_FOUND: 404,
    Code.ALREADY_EXISTS: 409,
    Code.PERMISSION_DENIED: 403,
    Code.RESOURCE_EXHAUSTED: 429,
    Code.FAILED_PRECONDITION: 400,
    Code.ABORTED: 409,
    Code.OUT_OF_RANGE: 400,
    Code.UNIMPLEMENTED: 501,
    Code.INTERNAL: 500,
    Code.UNAVAILABLE: 503,
    Code.DATA_LOSS: 500,
    Code.UNAUTHENTICATED: 401,
}
"""HTTP status of each code, as Connect maps them."""


def connect_error(error: Exception, request_id: str) -> tuple[Code, dict[str, Any]]:
    """The code of an error, and the error as Connect's JSON. Logs what the caller must not see."""
    if isinstance(error, ProtocolError):
        return error.code, {"code": error.code.snake, "message": error.message}
    status = status_of(error, request_id)
    code = Code(status.code)
    details = [_detail(one) for one in status.details]
    return code, {"code": code.snake, "message": status.message, "details": details}


def encoded(error: dict[str, Any]) -> bytes:
    """Connect's JSON of an error."""
    return json.dumps(error, ensure_ascii=False).encode("utf-8", "replace")


def _detail(packed: AnyMessage) -> dict[str, Any]:
    message = symbol_database.Default().GetSymbol(packed.TypeName())()
    packed.Unpack(message)
    return {
        "type": packed.TypeName(),
        "value": base64.b64encode(packed.value).rstrip(b"=").decode(),
        "debug": json_format.MessageToDict(message),
    }
