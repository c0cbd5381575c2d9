"""Memory for decoding: taken in turn, and free again when the work has ended."""

import asyncio
import threading

import pytest

from partlens.server.errors import CallerGoneError
from partlens.server.limits.decoding_memory import DecodingMemory

DEADLINE = 20.0


async def _granted(memory: DecodingMemory, token: str, amount: int) -> None:
    async with asyncio.timeout(DEADLINE), memory.held(token, amount):
        pass


async def test_memory_stays_taken_until_the_work_of_a_caller_that_left_has_ended() -> None:
    memory, go = DecodingMemory(10), threading.Event()

    async def call() -> None:
        async with memory.held("a", 10) as hold:
            await asyncio.to_thread(hold.during, lambda: go.wait(DEADLINE))

    leaving = asyncio.create_task(call())
    await asyncio.sleep(0.2)
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    waiting = asyncio.create_task(_granted(memory, "b", 1))
    await asyncio.sleep(0.2)
    assert not waiting.done()
    go.set()
    await waiting


async def test_who_leaves_the_queue_takes_nothing() -> None:
    memory = DecodingMemory(10)
    async with memory.held("a", 10):
        leaving = asyncio.create_task(_granted(memory, "b", 10))
        await asyncio.sleep(0)
        leaving.cancel()
        with pytest.raises(asyncio.CancelledError):
            await leaving
    await _granted(memory, "c", 10)


async def test_work_that_begins_after_its_caller_left_is_not_done() -> None:
    memory = DecodingMemory(10)
    async with memory.held("a", 10) as hold:
        pass
    with pytest.raises(CallerGoneError):
        hold.during(lambda: pytest.fail("done without memory"))
