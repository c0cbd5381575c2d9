"""Ends background tasks."""

import asyncio
from typing import Any

_AGAIN = 0.5
"""Seconds until a task that is still running is cancelled again."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return once they have ended; their exceptions stay in them.

    A single cancellation can be lost: in Python 3.11, asyncio.wait_for swallows one that arrives
    while its call completes, and the Redis client sends each command through it. A task in a loop
    would then never end.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)
