"""A background task ends when it is told to, though a cancellation is lost."""

import asyncio
from contextlib import suppress

import pytest

from partlens.runtime.tasks import end


@pytest.mark.parametrize("lost", [0, 1, 3])
async def test_a_task_that_loses_cancellations_ends(lost: int) -> None:
    begun, losses = asyncio.Event(), 0

    async def go_on() -> None:
        nonlocal losses
        begun.set()
        while losses < lost:
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(60)
            losses += 1
        await asyncio.sleep(60)

    task = asyncio.create_task(go_on())
    await begun.wait()
    await asyncio.wait_for(end(task), 20)
    assert task.cancelled() and losses == lost


async def test_what_ended_by_itself_keeps_its_result() -> None:
    async def fail() -> None:
        raise ValueError("why")

    async def give() -> int:
        return 7

    failed, given = asyncio.create_task(fail()), asyncio.create_task(give())
    await asyncio.wait((failed, given))
    await end(failed, given)
    assert isinstance(failed.exception(), ValueError) and given.result() == 7
    await end()
