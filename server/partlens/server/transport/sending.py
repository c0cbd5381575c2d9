"""Sends responses to callers that read them."""

import asyncio
from typing import Any

from partlens.server.errors import SilentCallerError
from partlens.server.transport.aborting import Context


async def send(context: Context, response: Any, seconds: float) -> None:
    """Sends a response.

    Raises:
        SilentCallerError: the caller has not read enough to make room for it for this long.
    """
    try:
        async with asyncio.timeout(seconds):
            await context.write(response)
    except TimeoutError:
        raise SilentCallerError(
            f"the caller has read no response for {seconds:g} s (limits.send_seconds)"
        ) from None
