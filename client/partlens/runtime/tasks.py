"""Ending background tasks."""

import asyncio
from typing import Any

_AGAIN = 0.5
"""Seconds until a task that goes on is cancelled again."""


async def end(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks, and return once they have ended; what they raised stays in them.

    One cancellation can be lost: in Python 3.11, asyncio.wait_for swallows one that arrives while
    its call completes, and Redis's client sends each command through it. A task in a loop would
    then never end.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        _, left = await asyncio.wait(left, timeout=_AGAIN)
    await asyncio.gather(*tasks, return_exceptions=True)
