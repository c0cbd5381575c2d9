"""The queue in front of the model: shared passes, right answers, early refusals."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from numpy.typing import NDArray

from partlens.common.waiting import RequireWaiting
from partlens.explainer.decompositions import Decompositions
from partlens.explainer.errors import ShapeError
from partlens.server.errors import OverloadedError
from partlens.server.features.batcher import Batcher, Decomposed
from partlens.server.observe.metrics import Metrics

Array = NDArray[np.float32]
DEADLINE = 10.0


class Recorder:
    """A model whose contributions are its pixels; waits until it may go on."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self.may_go = threading.Event()
        self.may_go.set()

    def __call__(self, pixels: Array, require_waiting: RequireWaiting) -> Decompositions:
        assert self.may_go.wait(DEADLINE)
        require_waiting()
        self.sizes.append(len(pixels))
        if np.isnan(pixels).any():
            raise ShapeError("NaN")
        none = np.zeros((len(pixels), 0, pixels.shape[2]), np.float32)
        return Decompositions(pixels[:, :, :, 0], pixels[:, 0, :, 0], (3, 1), none, ())


def image(value: float) -> Array:
    return np.full((3, 2, 2), value, np.float32)


@asynccontextmanager
async def batcher(
    model: Callable[[Array, RequireWaiting], Decompositions], **options: float
) -> AsyncIterator[Batcher]:
    made = Batcher(model, Metrics().model, **({"most": 4, "wait": 0.01, "queue": 8} | options))  # type: ignore[arg-type]
    yield made
    made.close()


async def test_images_that_come_together_share_a_pass_and_get_their_own_answer() -> None:
    model = Recorder()
    async with batcher(model) as queue:
        seen = await asyncio.gather(*(queue.decompose(image(i)) for i in range(7)))
    assert model.sizes == [4, 3]
    for i, one in enumerate(seen):
        assert (one.contributions == i).all() and (one.bias == i).all()


async def test_a_caller_who_is_alone_never_waits_for_others() -> None:
    model = Recorder()
    async with batcher(model, wait=10 * DEADLINE) as queue:
        async with asyncio.timeout(DEADLINE):
            for number in range(3):
                await queue.decompose(image(number))
    assert model.sizes == [1, 1, 1]


async def test_after_a_shared_pass_an_image_waits_for_others() -> None:
    model = Recorder()
    async with batcher(model, wait=0.5) as queue:
        await asyncio.gather(*(queue.decompose(image(number)) for number in range(2)))
        first = asyncio.create_task(queue.decompose(image(2)))
        await asyncio.sleep(0.05)
        await asyncio.gather(first, queue.decompose(image(3)))
    assert model.sizes == [2, 2]


async def test_an_image_to_blame_spoils_no_other() -> None:
    async with batcher(Recorder()) as queue:
        tasks = [queue.decompose(image(i)) for i in (1, float("nan"), 2)]
        one, bad, two = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(bad, ShapeError)
    assert isinstance(one, Decomposed) and isinstance(two, Decomposed)
    assert (one.bias == 1).all() and (two.bias == 2).all()


async def test_what_does_not_fit_the_queue_is_refused_at_once() -> None:
    model = Recorder()
    model.may_go.clear()
    async with batcher(model, most=1, queue=2, wait=0.0) as queue:
        running = asyncio.create_task(queue.decompose(image(0)))
        await asyncio.sleep(0.05)
        waiting = [asyncio.create_task(queue.decompose(image(i))) for i in (1, 2)]
        await asyncio.sleep(0)
        with pytest.raises(OverloadedError, match="2 images are waiting"):
            await asyncio.wait_for(queue.decompose(image(3)), DEADLINE)
        model.may_go.set()
        await asyncio.wait_for(asyncio.gather(running, *waiting), DEADLINE)


async def test_patient_images_leave_room_for_others() -> None:
    model = Recorder()
    model.may_go.clear()
    async with batcher(model, most=2, queue=3, wait=0.0) as queue:
        patient = [asyncio.create_task(queue.decompose(image(i), patient=True)) for i in range(20)]
        await asyncio.sleep(0.05)
        hasty = asyncio.create_task(queue.decompose(image(99)))
        await asyncio.sleep(0.05)
        model.may_go.set()
        assert ((await asyncio.wait_for(hasty, DEADLINE)).bias == 99).all()
        assert sum(task.done() for task in patient) < 20
        await asyncio.wait_for(asyncio.gather(*patient), DEADLINE)


async def test_an_image_whose_caller_is_gone_is_left_out() -> None:
    model = Recorder()
    model.may_go.clear()
    async with batcher(model, wait=0.0) as queue:
        first = asyncio.create_task(queue.decompose(image(0)))
        await asyncio.sleep(0.05)
        others = [asyncio.create_task(queue.decompose(image(i))) for i in range(4)]
        await asyncio.sleep(0)
        for task in others[1:]:
            task.cancel()
        await asyncio.sleep(0)
        model.may_go.set()
        await asyncio.wait_for(asyncio.gather(first, others[0]), DEADLINE)
    assert model.sizes == [1, 1]


@pytest.mark.parametrize("left", [1, 2])
async def test_a_pass_ends_early_when_all_of_its_callers_are_gone(left: int) -> None:
    model = Recorder()
    model.may_go.clear()
    async with batcher(model, most=2) as queue:
        tasks = [asyncio.create_task(queue.decompose(image(i))) for i in range(2)]
        await asyncio.sleep(0.05)  # the pass runs
        for task in tasks[:left]:
            task.cancel()
        await asyncio.sleep(0)
        model.may_go.set()
        seen = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), DEADLINE)
        assert (await asyncio.wait_for(queue.decompose(image(7)), DEADLINE)).bias[0] == 7
    assert model.sizes == ([2, 1] if left == 1 else [1])
    assert sum(isinstance(one, Decomposed) for one in seen) == 2 - left
