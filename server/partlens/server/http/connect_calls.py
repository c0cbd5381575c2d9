"""A thin adapter between Connect's protocol over HTTP and the pipeline.

See https://connectrpc.com/docs/protocol. Unary methods take and give one message in a body, streams
take and give enveloped messages; both in binary or JSON.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any

from google.protobuf.message import Message
from starlette.datastructures import Headers
from starlette.types import Receive, Scope, Send

from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls import call as calls
from partlens.server.calls.call import Call
from partlens.server.calls.code import Code
from partlens.server.calls.method import Method
from partlens.server.calls.pipeline import Pipeline
from partlens.server.errors import MessageSizeError, StoppingError
from partlens.server.http import bodies, json_messages
from partlens.server.http.connect_errors import connect_error, encoded
from partlens.server.http.ends import deadline, respond_error, while_there
from partlens.server.http.exchange import Incoming, Outgoing
from partlens.server.http.forms import ENCODINGS, Form, form_of
from partlens.server.http.protocol_error import ProtocolError
from partlens.server.limits.arrivals import Arrivals, Held
from partlens.server.limits.receiving import ENVELOPE_BYTES, BinaryParser, Parse, Receiver

_DIGITS = 20
_SMALL_BYTES = 4096
"""Encoded at once; larger messages are encoded on a thread, so that no other call waits for it."""


class ConnectMethod:
    """Answers the calls of one method; an ASGI application.

    Args:
        arrivals: counts the requests of all transports until they are handled.
        threads: parse and encode large messages.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        method: Method,
        limits: LimitsSection,
        arrivals: Arrivals,
        threads: Executor,
    ) -> None:
        self._pipeline, self._method, self._limits = pipeline, method, limits
        self._threads = threads
        parsers: dict[bool, Parse] = {
            False: BinaryParser(method.request, limits),
            True: json_messages.JsonParser(method.request, limits),
        }
        self._receivers = {
            is_json: Receiver(parse, limits, arrivals, threads)
            for is_json, parse in parsers.items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call."""
        headers = Headers(scope=scope)
        metadata = dict(headers.items())
        id = calls.request_id(metadata)
        outgoing = Outgoing(scope, send, self._limits.send_seconds)
        try:
            if scope["method"] != "POST":
                raise ProtocolError(
                    Code.UNIMPLEMENTED,
                    f"{scope['method'][:10]} is not a way to call a method; use POST",
                    405,
                    {"Allow": "POST"},
                )
            form = form_of(self._method, headers)
            self._require_size(headers, form)
        except (ProtocolError, MessageSizeError) as error:
            await respond_error(outgoing, error, id)
            return
        call = Call(
            self._method.path,
            self._method.kind,
            metadata,
            peer(scope),
            id,
            transport="http",
            end=calls.end_after(form.seconds),
        )
        incoming = Incoming(receive)
        unary = self._method.kind == "unary"
        serve = self._serve_unary if unary else self._serve_stream
        try:
            await while_there(serve(call, form, incoming, outgoing), incoming)
        except StoppingError as error:
            await respond_error(outgoing, error, id)

    async def _serve_unary(
        self, call: Call, form: Form, incoming: Incoming, outgoing: Outgoing
    ) -> None:
        try:
            async with (
                deadline(form.seconds),
                aclosing(self._answers(call, form, incoming)) as answers,
            ):
                async for answer in answers:
                    headers = {
                        "Content-Type": form.content_type,
                        "Content-Length": str(len(answer)),
                        calls.REQUEST_ID: call.request_id,
                    }
                    await outgoing.start(200, headers)
                    await outgoing.write(answer)
                    await outgoing.end()
        except Exception as error:
            await respond_error(outgoing, error, call.request_id)

    async def _serve_stream(
        self, call: Call, form: Form, incoming: Incoming, outgoing: Outgoing
    ) -> None:
        await outgoing.start(
            200,
            {
                "Content-Type": form.content_type,
                calls.REQUEST_ID: call.request_id,
                "Connect-Accept-Encoding": ", ".join(ENCODINGS),
            },
        )
        last: dict[str, Any] = {}
        try:
            async with (
                deadline(form.seconds),
                aclosing(self._answers(call, form, incoming)) as answers,
            ):
                async for answer in answers:
                    await outgoing.write(bodies.envelope(0, answer))
        except Exception as error:
            last["error"] = connect_error(error, call.request_id)[1]
        await outgoing.finish(bodies.envelope(bodies.END_STREAM, encoded(last)))

    async def _answers(self, call: Call, form: Form, incoming: Incoming) -> AsyncGenerator[bytes]:
        """The encoded responses; the call keeps its place until each is sent."""
        kind, most = self._method.kind, self._most(form)
        read = bodies.unary if kind == "unary" else bodies.enveloped

        def arriving(held: Held) -> AsyncGenerator[bytes]:
            messages = read(incoming, held, most, gzip=form.gzip)
            # The body is read to its end, or nobody would notice that the caller leaves.
            return bodies.only(messages) if kind == "server_stream" else messages

        received = self._receivers[form.json].messages(arriving)
        async with aclosing(self._pipeline.answer(self._method, call, received)) as responses:
            async for response in responses:
                yield await self._encoded(response, form)

    async def _encoded(self, response: Message, form: Form) -> bytes:
        size = response.ByteSize()
        if size > self._limits.response_bytes:
            raise MessageSizeError(
                f"the response has {size} bytes; at most {self._limits.response_bytes} are sent"
                " (limits.response_bytes): ask for less, such as a smaller page"
            )
        encode: Callable[[Message], bytes] = (
            json_messages.encoded if form.json else self._method.response.SerializeToString
        )
        if size <= _SMALL_BYTES:
            return encode(response)
        return await asyncio.get_running_loop().run_in_executor(self._threads, encode, response)

    def _most(self, form: Form) -> int:
        if form.json:
            return json_messages.most_json_bytes(self._limits)
        return self._limits.request_bytes + ENVELOPE_BYTES

    def _require_size(self, headers: Mapping[str, str], form: Form) -> None:
        """Refuses a body that says that it is too large, before any of it is read."""
        length = headers.get("content-length", "")
        if self._method.kind == "unary" and length.isdecimal():
            bodies.require_size(int(length[:_DIGITS]), self._most(form))


def peer(scope: Scope) -> str:
    """The address of a caller, as gRPC writes it. Headers that a proxy sets are not trusted.

    >>> peer({"client": ("192.0.2.7", 5)}), peer({"client": ("2001:db8::7", 5)})
    ('ipv4:192.0.2.7:5', 'ipv6:%5B2001:db8::7%5D:5')
    """
    host, port = scope["client"] or ("", 0)
    return f"ipv6:%5B{host}%5D:{port}" if ":" in host else f"ipv4:{host}:{port}"


class UnknownMethod:
    """Answers a call of a method that there is not; an ASGI application."""

    def __init__(self, limits: LimitsSection) -> None:
        self._limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one call."""
        error = ProtocolError(
            Code.UNIMPLEMENTED,
            f"there is no method {scope['path'][:120]!r}; docs/api.md lists them",
            404,
        )
        id = calls.request_id(dict(Headers(scope=scope).items()))
        await respond_error(Outgoing(scope, send, self._limits.send_seconds), error, id)
