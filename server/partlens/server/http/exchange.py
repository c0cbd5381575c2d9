"""One HTTP request and its response."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping
from contextlib import suppress

from starlette.types import Receive, Scope, Send

from partlens.server.errors import SilentCallerError
from partlens.server.limits.sending import sent

ABORT = "partlens.abort"
"""Key of the scope: closes the connection at once."""
_PIECE_BYTES = 64 * 2**10
"""A response is written in such pieces, each when the one before has left most of the buffer."""


class Incoming:
    """The body of a request, and whether its caller is still there."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._ended, self._gone = asyncio.Event(), False

    async def chunks(self) -> AsyncGenerator[bytes]:
        """The body as it arrives. Never ends if the caller goes away; see gone."""
        more = True
        while more:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self._gone = True
                self._ended.set()
                await asyncio.Event().wait()
            more = message.get("more_body", False)
            yield message.get("body", b"")
        self._ended.set()

    async def gone(self) -> None:
        """Returns when the caller has gone. While the body is not read, nobody can know."""
        await self._ended.wait()
        while not self._gone:
            self._gone = (await self._receive())["type"] == "http.disconnect"


class Outgoing:
    """The response to a request.

    Args:
        seconds: how long the caller may take to read one message.
    """

    def __init__(self, scope: Scope, send: Send, seconds: float) -> None:
        self._send, self._seconds = send, seconds
        self._abort = scope.get(ABORT)
        self.started = False
        self._cut = False

    async def start(self, status: int, headers: Mapping[str, str]) -> None:
        """Sends the status and the headers."""
        self.started = True
        raw = [(key.lower().encode(), value.encode("latin-1")) for key, value in headers.items()]
        await self._send({"type": "http.response.start", "status": status, "headers": raw})

    async def write(self, data: bytes) -> None:
        """Sends a part of the body.

        Raises:
            SilentCallerError: the caller did not read it; the connection is closed.
        """
        self._cut = True  # until all of it is sent
        await self._sent(self._write(data))
        self._cut = False

    async def finish(self, data: bytes) -> None:
        """Sends the last part of the body. Closes the connection instead if the caller does not
        read, or if the part before was cut off, and what follows would be taken for its rest."""
        if self._cut:
            self.abort()
            return
        with suppress(SilentCallerError):
            await self.write(data)
            await self.end()

    async def end(self) -> None:
        """Ends the body; raises as write does."""
        last = {"type": "http.response.body", "body": b"", "more_body": False}
        await self._sent(self._send(last))

    def abort(self) -> None:
        """Closes the connection, as what was sent cannot be taken back."""
        if self._abort is not None:
            self._abort()

    async def _sent(self, writing: Awaitable[None]) -> None:
        try:
            await sent(writing, self._seconds)
        except SilentCallerError:
            self.abort()
            raise

    async def _write(self, data: bytes) -> None:
        for at in range(0, len(data), _PIECE_BYTES):
            piece = data[at : at + _PIECE_BYTES]
            await self._send({"type": "http.response.body", "body": piece, "more_body": True})
