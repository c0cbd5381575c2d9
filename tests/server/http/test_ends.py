"""How a call over HTTP ends when its caller leaves, its time is over or nobody reads."""

import asyncio
from typing import Any

import pytest
from tests.server.conftest import DEADLINE

from partlens.server.errors import SilentCallerError, StoppingError
from partlens.server.http.ends import while_there
from partlens.server.http.exchange import ABORT, Incoming, Outgoing


def leaving(after: asyncio.Event) -> Incoming:
    """A caller that has sent its request, and leaves later."""
    messages = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> dict[str, Any]:
        for message in messages:
            return message
        await after.wait()
        return {"type": "http.disconnect"}

    return Incoming(receive)


class Work:
    """A call that takes its time to end after it is cancelled, like a commit."""

    def __init__(self) -> None:
        self.begun, self.cancelled, self.finished = asyncio.Event(), 0, False

    async def run(self, incoming: Incoming) -> None:
        async for _ in incoming.chunks():
            pass
        self.begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            for _ in range(7):
                try:
                    await asyncio.sleep(0.1)
                except asyncio.CancelledError:
                    self.cancelled += 1
            self.finished = True
            raise


async def test_a_caller_that_leaves_cancels_its_call_once_and_the_end_is_awaited() -> None:
    left, work = asyncio.Event(), Work()
    incoming = leaving(left)
    serving = asyncio.create_task(while_there(work.run(incoming), incoming))
    await work.begun.wait()
    left.set()
    async with asyncio.timeout(DEADLINE):
        await serving
    assert work.finished and work.cancelled == 1


async def test_a_call_that_is_cut_off_finishes_what_it_has_begun() -> None:
    work = Work()
    incoming = leaving(asyncio.Event())
    serving = asyncio.create_task(while_there(work.run(incoming), incoming))
    await work.begun.wait()
    serving.cancel()
    with pytest.raises(StoppingError):
        async with asyncio.timeout(DEADLINE):
            await serving
    assert work.finished and work.cancelled == 1


async def test_nothing_follows_a_message_that_was_cut_off() -> None:
    sent, aborted = list[bytes](), list[bool]()
    stuck = asyncio.Event()

    async def send(message: Any) -> None:
        if len(sent) == 3:
            await stuck.wait()
        sent.append(message.get("body", b"start"))

    outgoing = Outgoing({ABORT: lambda: aborted.append(True)}, send, 0.1)
    await outgoing.start(200, {})
    await outgoing.write(b"whole")
    with pytest.raises(SilentCallerError):
        await outgoing.write(b"x" * 200_000)
    assert aborted == [True]
    stuck.set()
    before = len(sent)
    await outgoing.finish(b"last words")
    assert len(sent) == before and aborted == [True, True]
