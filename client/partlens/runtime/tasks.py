"""Background tasks: none ends unseen, and each ends when it is told to."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

_log = logging.getLogger(__name__)
_AGAIN = 0.5
"""Seconds until a task that is still running is cancelled again."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
"""Seconds until a task that failed is started again; doubled after each failure."""

Report = Callable[[str, str | None], None]
"""Called with the name of a task and what ended it, or None once it runs well again."""


def _only_logged(name: str, trouble: str | None) -> None:
    """For programs without a health service."""


def keep_running(
    name: str, work: Callable[[], Coroutine[Any, Any, None]], report: Report = _only_logged
) -> asyncio.Task[None]:
    """Start a task that runs `work` until it returns, and again, after a pause, if it raises.

    What it raises is logged and reported. It counts as running well when it has run for as long as
    the pause before it.
    """
    return asyncio.create_task(_kept(name, work, report), name=name)


async def _kept(name: str, work: Callable[[], Coroutine[Any, Any, None]], report: Report) -> None:
    pause, well = _FIRST_PAUSE, None
    while True:
        try:
            await work()
        except Exception as error:
            if well is not None:
                well.cancel()
            _log.exception("the background task %s failed; starting it again", name)
            report(name, f"{type(error).__name__}: {error}")
        else:
            if well is not None:
                well.cancel()
                report(name, None)
            return
        await asyncio.sleep(pause)
        well = asyncio.get_running_loop().call_later(pause, report, name, None)
        pause = min(2 * pause, _LONGEST_PAUSE)


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
