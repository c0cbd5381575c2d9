"""Receives the requests of a call, within the limits."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any

from google.protobuf.message import DecodeError, Message

from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls import call as calls
from partlens.server.errors import RequestError, SilentCallerError
from partlens.server.limits.arrivals import Arrivals
from partlens.server.limits.message_scan import Scan
from partlens.server.limits.message_shape import shape_of

_SMALL_BYTES = 4096
"""Parsed at once; larger messages are parsed on a thread, so that no other call waits for it."""


class Receiver:
    """Reads and parses the requests of one method.

    Args:
        message: class of the requests.
        arrivals: counts the requests of all methods until they are handled.

    Raises:
        KeyError: a repeated field of the message has no limit.
    """

    def __init__(self, message: type[Message], limits: LimitsSection, arrivals: Arrivals) -> None:
        self._message, self._limits, self._arrivals = message, limits, arrivals
        self._shape = shape_of(message, limits)

    async def messages(self, requests: AsyncIterator[bytes]) -> AsyncGenerator[Any]:
        """The requests.

        Raises:
            RequestError: the bytes are not a message of the method, or exceed a limit.
            OverloadedError: too much has arrived already.
            SilentCallerError: the next request did not come in time.
        """
        token = calls.current().caller.token
        async with aclosing(timed(requests, self._limits)) as source:
            async for data in source:
                with self._arrivals.held(token, len(data)):
                    if len(data) <= _SMALL_BYTES:
                        message = self.parsed(data)
                    else:
                        message = await asyncio.to_thread(self.parsed, data)
                    del data
                    yield message
                    del message

    def parsed(self, data: bytes) -> Message:
        """One request; raises RequestError as messages does."""
        try:
            Scan(data, self._limits).require_within(self._shape)
            return self._message.FromString(data)
        except DecodeError as error:
            raise RequestError("", "the request is not a message of this method") from error


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
