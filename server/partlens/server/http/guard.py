"""What surrounds every HTTP response: checks of who may ask, and headers that bind browsers."""

import logging
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from partlens.client.address import Address
from partlens.server.calls import call as calls
from partlens.server.calls.code import Code
from partlens.server.http.ends import respond_error
from partlens.server.http.exchange import Outgoing
from partlens.server.http.hosts import Hosts, same_origin
from partlens.server.http.protocol_error import ProtocolError
from partlens.server.observe.metrics import HttpMetrics

_log = logging.getLogger(__name__)
_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' blob:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
    )
)
_UNUSED = (
    "accelerometer", "camera", "display-capture", "geolocation", "gyroscope", "magnetometer",
    "microphone", "midi", "payment", "usb",
)  # fmt: skip
HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": ", ".join(f"{one}=()" for one in _UNUSED),
}
"""Headers of every response."""
MOST_HEADER_BYTES = 16 * 2**10
"""uvicorn applies it only to a head that comes in several pieces."""
_STRICT_TRANSPORT = "max-age=31536000"
_READING = ("GET", "HEAD")
_SEND_SECONDS = 10.0
_FAILED = "internal server error; see the server's log"


class Guard:
    """Refuses requests that another web page makes, and adds the headers; an ASGI application.

    Args:
        inner: answers the requests that are let in.
        metrics: counts the responses.
    """

    def __init__(self, inner: ASGIApp, hosts: Hosts, metrics: HttpMetrics) -> None:
        self._inner, self._hosts, self._metrics = inner, hosts, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request."""
        headers = Headers(scope=scope)
        started = False

        async def guarded(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                self._complete(message, scope, headers)
            await send(message)

        outgoing = Outgoing(scope, guarded, _SEND_SECONDS)
        id = calls.request_id(dict(headers.items()))
        try:
            if (refusal := self._refusal(scope, headers)) is not None:
                await respond_error(outgoing, refusal, id)
                return
            await self._inner(scope, receive, guarded)
        except Exception:
            _log.exception("a request over HTTP failed")
            if started:
                outgoing.abort()
                return
            await respond_error(outgoing, ProtocolError(Code.INTERNAL, _FAILED), id)

    def _refusal(self, scope: Scope, headers: Headers) -> ProtocolError | None:
        if (size := _size(scope)) > MOST_HEADER_BYTES:
            return ProtocolError(
                Code.RESOURCE_EXHAUSTED,
                f"the headers have {size} bytes; at most {MOST_HEADER_BYTES} are allowed",
                431,
            )
        if "transfer-encoding" in headers and "content-length" in headers:
            # A proxy may take the other one, and the rest of the body for the next request.
            return ProtocolError(
                Code.INVALID_ARGUMENT,
                "the request has both Transfer-Encoding and Content-Length; send only one",
                headers={"Connection": "close"},
            )
        host = headers.get("host", "")
        if not self._hosts.allows(host):
            return ProtocolError(
                Code.PERMISSION_DENIED,
                f"this server is not called {host[:80]!r}: use its address, or add the name to"
                " server.http_hosts",
                421,
            )
        origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
        foreign = origin is not None and not same_origin(origin, host)
        if scope["method"] not in _READING and (foreign or site not in ("same-origin", "none")):
            return ProtocolError(
                Code.PERMISSION_DENIED,
                f"a web page of {(origin or 'another site')[:80]!r} may not call this server;"
                " only pages that the server itself has sent may",
            )
        return None

    def _complete(self, message: Message, scope: Scope, asked: Headers) -> None:
        headers = MutableHeaders(raw=message["headers"])
        for name, value in HEADERS.items():
            headers[name] = value
        headers.setdefault("Cache-Control", "no-store")
        # For "localhost" it would reach the other servers of the machine, on all ports.
        name = asked.get("host", "").rpartition(":")[0] or asked.get("host", "")
        if scope["scheme"] == "https" and not Address(name.strip("[]"), 0).is_loopback:
            headers["Strict-Transport-Security"] = _STRICT_TRANSPORT
        message["headers"] = headers.raw
        self._metrics.responses.labels(f"{message['status'] // 100}xx").inc()


def _size(scope: Scope) -> int:
    head = sum(len(name) + len(value) for name, value in scope["headers"])
    return head + len(scope["raw_path"]) + len(scope["query_string"])
