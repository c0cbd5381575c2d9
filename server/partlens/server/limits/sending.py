"""Sends responses to callers that read them."""

import asyncio
from collections.abc import Awaitable

from partlens.server.errors import SilentCallerError


async def sent(writing: Awaitable[None], seconds: float) -> None:
    """Waits until a response is written.

    Raises:
        SilentCallerError: the caller has not read enough to make room for it for this long.
    """
    try:
        async with asyncio.timeout(seconds):
            await writing
    except TimeoutError:
        raise SilentCallerError(
            f"the caller has read no response for {seconds:g} s (limits.send_seconds)"
        ) from None
