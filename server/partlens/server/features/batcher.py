"""The queue in front of the model: images of different calls share a forward pass."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from partlens.common.waiting import RequireWaiting
from partlens.explainer.decompositions import Decompositions
from partlens.explainer.errors import ShapeError
from partlens.server.errors import CallerGoneError, OverloadedError, StoppingError
from partlens.server.observe.metrics import ModelMetrics

FloatArray = NDArray[np.float32]
Model = Callable[[FloatArray, RequireWaiting], Decompositions]


@dataclass(frozen=True, eq=False)
class Decomposed:
    """One image as the model sees it: E = contributions.sum(0) + bias.

    Attributes:
        contributions: float32 [P, D].
        bias: float32 [D].
    """

    contributions: FloatArray
    bias: FloatArray


@dataclass(frozen=True, eq=False)
class _Waiting:
    holder: str
    pixels: FloatArray
    seen: "asyncio.Future[Decomposed]"


class Batcher:
    """Runs batches of images through the model on one thread.

    While a pass runs, images gather for the next. A pass waits for more only if the one before had
    several images, so a caller who is alone never waits. Images of callers that are gone are
    dropped. A pass ends early when all of its callers are gone.

    Args:
        model: maps preprocessed pixels [N, 3, height, width] to decompositions; calls its second
            argument now and then, and lets through what that raises.
        metrics: records passes and waiting images.
        most: most images in one pass.
        wait: seconds that the first image of a pass waits for more, after a pass of several.
        queue: most images that may wait, for all models together; more are refused.
        thread: runs the passes, also those of other models; None for one of its own.
        all_waiting: number of images that wait for any model; None if this is the only one.
    """

    def __init__(
        self,
        model: Model,
        metrics: ModelMetrics,
        most: int,
        wait: float,
        queue: int,
        thread: ThreadPoolExecutor | None = None,
        all_waiting: Callable[[], int] | None = None,
    ) -> None:
        self._model, self._metrics, self._most, self._wait, self._queue = (
            model,
            metrics,
            most,
            wait,
            queue,
        )
        self._waiting: list[_Waiting] = []
        self._task: asyncio.Task[None] | None = None
        self._thread = thread or ThreadPoolExecutor(1, "partlens-model")
        self._all_waiting = all_waiting or (lambda: self.waiting)
        self._turns = asyncio.Semaphore(most)
        self._shared = False  # whether the last pass had several images

    @property
    def waiting(self) -> int:
        """Number of images that wait."""
        return len(self._waiting)

    async def decompose(
        self, pixels: FloatArray, *, patient: bool = False, holder: str = ""
    ) -> Decomposed:
        """Run one image through the model.

        Args:
            pixels: [3, height, width].
            holder: who it is for; a pass takes images of all holders in turn.
            patient: wait for room instead of raising OverloadedError. Images of patient callers
                never fill the queue: at most one pass of them is in it.

        Raises:
            OverloadedError: too many images are waiting.
            ShapeError: the model cannot decompose this image.
        """
        if patient:
            async with self._turns:
                return await self._enqueue(pixels, holder)
        if self._all_waiting() >= self._queue:
            raise OverloadedError(
                f"{self._queue} images are waiting for the model, the most this server allows"
                " (limits.waiting_images); try again"
            )
        return await self._enqueue(pixels, holder)

    def close(self) -> None:
        """Waits for the running pass."""
        self._thread.shutdown(cancel_futures=True)

    async def _enqueue(self, pixels: FloatArray, holder: str) -> Decomposed:
        self._metrics.waiting_images.inc()
        try:
            return await self._enqueued(pixels, holder)
        finally:
            self._metrics.waiting_images.dec()

    async def _enqueued(self, pixels: FloatArray, holder: str) -> Decomposed:
        one = _Waiting(holder, pixels, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        if self._task is None:
            self._task = asyncio.create_task(self._work())
        try:
            return await one.seen
        finally:
            del one  # it holds the exception whose traceback holds this frame, with the pixels

    async def _work(self) -> None:
        try:
            while self._waiting:
                # Those that came at the same time are in the queue after one turn of the loop.
                await asyncio.sleep(self._wait if self._gathers else 0)
                if batch := self._next():
                    self._shared = len(batch) > 1
                    results = await self._run(batch)
                    for one, result in zip(batch, results, strict=True):
                        _tell(one.seen, result)
        finally:
            self._task = None
            for one in self._waiting:  # none, unless this task was ended
                _tell(one.seen, StoppingError("the server is stopping; try again later"))
            self._waiting = []

    async def _run(self, batch: Sequence[_Waiting]) -> Sequence[Decomposed | Exception]:
        images, waiting = [one.pixels for one in batch], partial(_require_waiting, batch)
        work, loop = partial(_pass, self._model, images, waiting), asyncio.get_running_loop()
        try:
            self._metrics.pass_images.observe(len(images))
            with self._metrics.pass_seconds.time():
                return await loop.run_in_executor(self._thread, work)
        except RuntimeError as error:  # the thread was shut down
            return [StoppingError(f"the server is stopping: {error}") for _ in images]
        except Exception as error:  # its callers must not wait for ever
            return [error for _ in images]

    @property
    def _gathers(self) -> bool:
        return self._shared and len(self._waiting) < self._most

    def _next(self) -> list[_Waiting]:
        wanted = _in_turn([one for one in self._waiting if not one.seen.cancelled()])
        self._waiting = wanted[self._most :]
        return wanted[: self._most]


def _in_turn(waiting: Sequence[_Waiting]) -> list[_Waiting]:
    """The first image of each holder, then the second of each, and so on."""
    before: Counter[str] = Counter()
    turns = list[int]()
    for one in waiting:
        turns.append(before[one.holder])
        before[one.holder] += 1
    return [waiting[i] for i in sorted(range(len(waiting)), key=turns.__getitem__)]


def _require_waiting(batch: Sequence[_Waiting]) -> None:
    if all(one.seen.cancelled() for one in batch):
        raise CallerGoneError("the callers of all images of this pass are gone")


def _tell(seen: "asyncio.Future[Decomposed]", result: Decomposed | Exception) -> None:
    if seen.done():
        return  # cancelled while the pass ran
    if isinstance(result, Exception):
        seen.set_exception(result)
    else:
        seen.set_result(result)


def _pass(
    model: Model, images: Sequence[FloatArray], require_waiting: RequireWaiting
) -> list[Decomposed | Exception]:
    try:
        made = model(np.stack(images), require_waiting)
    except Exception as error:
        # One image may be the cause; do not fail the others.
        if len(images) > 1 and isinstance(error, ShapeError):
            return [result for one in images for result in _pass(model, [one], require_waiting)]
        return [error for _ in images]
    return [Decomposed(made.contributions[i], made.bias[i]) for i in range(len(images))]
