"""Where a search spends its time, for those who measure it."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import TracebackType
from typing import Literal

Stage = Literal["positions", "images", "merge", "score", "look up"]
"""FAISS over positions, FAISS over whole images, merging what both name, scoring candidates, and
looking up ids and records."""


@dataclass
class Clock:
    """The seconds of the searches on this thread, by stage.

    A stage inside another one is not counted in the outer one.

    Attributes:
        seconds: of each stage.
        faiss: repeats each search of an index, with nothing else.
    """

    seconds: dict[Stage, float] = field(default_factory=dict)
    faiss: list[Callable[[], object]] = field(default_factory=list)
    _open: list[Stage] = field(default_factory=list)
    _since: float = 0.0

    def enter(self, stage: Stage) -> None:
        """Count for this stage from now on."""
        self._count()
        self._open.append(stage)

    def leave(self) -> None:
        """Count for the stage around it again."""
        self._count()
        self._open.pop()

    def _count(self) -> None:
        now = time.perf_counter()
        if self._open:
            stage = self._open[-1]
            self.seconds[stage] = self.seconds.get(stage, 0.0) + now - self._since
        self._since = now


_clock: ContextVar[Clock | None] = ContextVar("partlens-search-clock", default=None)


@contextmanager
def timed() -> Iterator[Clock]:
    """A clock for the searches of this block."""
    clock = Clock()
    token = _clock.set(clock)
    try:
        yield clock
    finally:
        _clock.reset(token)


def is_timed() -> bool:
    """Whether someone measures this search, which then uses one thread only."""
    return _clock.get() is not None


class timing:
    """Counts a block for a stage; costs half a microsecond if nobody measures.

    Args:
        again: repeats the work of the block, for a stage of FAISS.
    """

    def __init__(self, stage: Stage, again: Callable[[], object] | None = None) -> None:
        self._stage: Stage = stage
        self._again, self._clock = again, _clock.get()

    def __enter__(self) -> None:
        if self._clock is not None:
            self._clock.enter(self._stage)
            if self._again is not None:
                self._clock.faiss.append(self._again)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._clock is not None:
            self._clock.leave()
