"""Receives the requests of a call, within the limits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from concurrent.futures import Executor
from contextlib import aclosing
from typing import Any

from google.protobuf.message import DecodeError, Message

from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls import call as calls
from partlens.server.errors import RequestError, SilentCallerError
from partlens.server.limits.arrivals import Arrivals, Held
from partlens.server.limits.message_scan import Scan
from partlens.server.limits.message_shape import shape_of

ENVELOPE_BYTES = 72 * 2**10
"""Allowance for what a request holds besides its picture: metadata.MAX_BYTES, the id, framing."""
_SMALL_BYTES = 4096
"""Parsed at once; larger messages are parsed on a thread, so that no other call waits for it."""
Parse = Callable[[bytes], Message]
"""Parses one request; raises RequestError if the bytes are not one, or exceed a limit."""
Arriving = Callable[[Held], AsyncIterator[bytes]]
"""The encoded requests of a call; counts their bytes in what the call holds as they arrive."""


class BinaryParser:
    """Parses binary requests of one method.

    Args:
        message: class of the requests.

    Raises:
        KeyError: a repeated field of the message has no limit.
    """

    def __init__(self, message: type[Message], limits: LimitsSection) -> None:
        self._message, self._limits = message, limits
        self._shape = shape_of(message, limits)

    def __call__(self, data: bytes) -> Message:
        """One request; see Parse."""
        try:
            self.require_within(data)
            return self._message.FromString(data)
        except DecodeError as error:
            raise RequestError("", "the request is not a message of this method") from error

    def require_within(self, data: bytes) -> None:
        """Raises RequestError or DecodeError unless a request is within the limits."""
        Scan(data, self._limits).require_within(self._shape)


class Receiver:
    """Receives and parses the requests of one method.

    Args:
        arrivals: counts the requests of all methods until they are handled.
        threads: parse large requests; None for those of the event loop.
    """

    def __init__(
        self,
        parse: Parse,
        limits: LimitsSection,
        arrivals: Arrivals,
        threads: Executor | None = None,
    ) -> None:
        self._parse, self._limits, self._arrivals = parse, limits, arrivals
        self._threads = threads

    async def messages(self, arriving: Arriving) -> AsyncGenerator[Any]:
        """The requests.

        Raises:
            RequestError: the bytes are not a message of the method, or exceed a limit.
            OverloadedError: too much has arrived already.
            SilentCallerError: the next request did not come in time.
        """
        with self._arrivals.held(calls.current().caller.token) as held:
            async with aclosing(timed(arriving(held), self._limits)) as source:
                async for data in source:
                    size = len(data)
                    if size <= _SMALL_BYTES:
                        message = self._parse(data)
                    else:
                        loop = asyncio.get_running_loop()
                        message = await loop.run_in_executor(self._threads, self._parse, data)
                    del data
                    yield message
                    del message
                    held.drop(size)


async def timed(requests: AsyncIterator[bytes], limits: LimitsSection) -> AsyncGenerator[bytes]:
    """The encoded requests of a call; SilentCallerError if the next does not come in time."""
    source = aiter(requests)
    name, seconds = "first_message_seconds", limits.first_message_seconds
    while True:
        try:
            async with asyncio.timeout(seconds):
                data = await anext(source)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise SilentCallerError(
                f"no request came for {seconds:g} s (limits.{name}); call again when there is one"
            ) from None
        yield data
        del data  # or it stays in memory until the next one comes
        name, seconds = "idle_stream_seconds", limits.idle_stream_seconds
