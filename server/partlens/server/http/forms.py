"""What a request's headers say: how its messages are encoded, and how long it may take."""

import re
from dataclasses import dataclass

from starlette.datastructures import Headers

from partlens.server.calls.code import Code
from partlens.server.calls.method import Method
from partlens.server.http.protocol_error import ProtocolError

_UNARY = {"application/proto": False, "application/json": True}
_STREAM = {"application/connect+proto": False, "application/connect+json": True}
ENCODINGS = ("identity", "gzip")
_CHARSET = re.compile(r'charset\s*=\s*"?utf-?8"?', re.IGNORECASE)


@dataclass(frozen=True)
class Form:
    """How the messages of a call are encoded, in both directions.

    Attributes:
        content_type: media type, without parameters.
        json: whether messages are JSON; otherwise they are binary.
        gzip: whether the request is compressed (of a stream: whether its messages may be).
        seconds: deadline of the call; None if it has none.
    """

    content_type: str
    json: bool
    gzip: bool
    seconds: float | None


def form_of(method: Method, headers: Headers) -> Form:
    """The form of a call; ProtocolError if the headers do not make sense."""
    unary = method.kind == "unary"
    allowed = _UNARY if unary else _STREAM
    given = headers.get("content-type", "")
    content_type, _, parameters = given.partition(";")
    content_type = content_type.strip().lower()
    plain = not parameters.strip() or _CHARSET.fullmatch(parameters.strip()) is not None
    if content_type not in allowed or not plain:
        kind = "one message" if unary else "a stream of enveloped messages"
        raise ProtocolError(
            Code.INVALID_ARGUMENT,
            f"the content type is {given[:80]!r}; this method takes {kind} as"
            f" {' or '.join(allowed)}",
            415,
            {"Accept-Post": ", ".join(allowed)},
        )
    if headers.get("connect-protocol-version", "1") != "1":
        raise ProtocolError(
            Code.INVALID_ARGUMENT,
            f"Connect-Protocol-Version is {headers['connect-protocol-version'][:20]!r}; it must be"
            " 1 or absent",
        )
    gzip = _is_gzip(headers, "" if unary else "connect-")
    return Form(content_type, allowed[content_type], gzip, _seconds(headers))


def _is_gzip(headers: Headers, prefix: str) -> bool:
    encoding = headers.get(f"{prefix}content-encoding", "identity").strip().lower()
    if encoding not in ENCODINGS:
        accepted = ", ".join(ENCODINGS)
        raise ProtocolError(
            Code.UNIMPLEMENTED,
            f"{prefix}content-encoding is {encoding[:20]!r}; this server accepts {accepted}",
            headers={f"{prefix}accept-encoding": accepted},
        )
    return encoding == "gzip"


def _seconds(headers: Headers) -> float | None:
    given = headers.get("connect-timeout-ms")
    if given is None:
        return None
    if not re.fullmatch(r"[0-9]{1,10}", given):
        raise ProtocolError(
            Code.INVALID_ARGUMENT,
            f"Connect-Timeout-Ms is {given[:20]!r}; give milliseconds, at most 10 digits",
        )
    return int(given) / 1000
