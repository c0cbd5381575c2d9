"""A background task ends when it is told to, though a cancellation is lost."""

import asyncio
from contextlib import suppress

import pytest

from partlens.runtime import tasks
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


async def test_a_task_that_fails_is_reported_and_started_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tasks, "_FIRST_PAUSE", 0.01)
    said, tries = list[tuple[str, str | None]](), 0

    async def work() -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ValueError(f"try {tries}")
        while ("name", None) not in said:
            await asyncio.sleep(0.01)

    task = tasks.keep_running("name", work, lambda name, why: said.append((name, why)))
    await asyncio.wait_for(task, 20)
    assert said[:2] == [("name", "ValueError: try 1"), ("name", "ValueError: try 2")]
    assert said[-1] == ("name", None)
    assert caplog.text.count("the background task name failed") == 2
