"""As many searches at once as there are cores, and a second thread for one while a core is idle."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import AbstractContextManager, contextmanager
from typing import TypeVar

import faiss

from partlens.common.compute import cores
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.gallery.stages import is_timed

T = TypeVar("T")
_LATE_SECONDS, _ALONE_SECONDS = 0.001, 1.0
"""For how much longer than its own half a search waits for its helper, and for how long searches do
without one then."""
_TURN_SECONDS = 0.02
"""A search that takes longer lets those that wait go first, between two pieces of its work."""
_LOOK_SECONDS = 0.05
"""A search that waits for a core looks this often whether its caller still waits."""


class Cores:
    """Counts the searches that run, of which each works on one core.

    More searches than cores wait for each other in the middle of their work, for Python's lock:
    on two cores eight threads searched two thirds as often as two. So the others wait before they
    begin, in order of arrival.

    A second thread helps a search only while there are fewer searches than cores. Where other
    processes have the cores, waking it up took longer than a whole search: after a helper was late,
    searches do without for a while.

    Args:
        cores: as many as may be used.
    """

    def __init__(self, cores: int) -> None:
        self._all = cores
        self._lock, self._busy, self._from = threading.Lock(), 0, 0.0
        self._queue: deque[threading.Event] = deque()
        self._threads = ThreadPoolExecutor(
            max(1, cores - 1), "partlens-aside", faiss.omp_set_num_threads, (1,)
        )

    @contextmanager
    def one(self, require_waiting: RequireWaiting) -> Iterator[Callable[[], None]]:
        """Keep a core for the block, from when one is free.

        Args:
            require_waiting: called now and then while it waits; what it raises ends the waiting.

        Yields:
            A function to call between two pieces of work: it raises what require_waiting raises,
            and after a long time lets the others go first.
        """
        turn = _Turn(self, require_waiting)
        turn.begin()
        try:
            yield turn.between
        finally:
            turn.end()

    def take(self, require_waiting: RequireWaiting) -> None:
        """Wait for a core. Raises what require_waiting raises; then none was taken."""
        with self._lock:
            if self._busy < self._all and not self._queue:
                self._busy += 1
                return
            mine = threading.Event()
            self._queue.append(mine)
        try:
            while not mine.wait(_LOOK_SECONDS):
                require_waiting()
        except BaseException:
            with self._lock:
                if mine in self._queue:
                    self._queue.remove(mine)
                    raise
            self.give_back()
            raise

    @property
    def wanted(self) -> bool:
        """Whether a search waits for a core."""
        return bool(self._queue)

    def take_idle(self) -> bool:
        """Take a core if one is idle, and was when a helper last wanted it."""
        with self._lock:
            if self._busy >= self._all or time.monotonic() < self._from:
                return False
            self._busy += 1
            return True

    def was_late(self) -> None:
        """No core was idle after all."""
        self._from = time.monotonic() + _ALONE_SECONDS

    def give_back(self) -> None:
        """Hand a core to the search that has waited longest."""
        with self._lock:
            if self._queue:
                self._queue.popleft().set()
            else:
                self._busy -= 1

    def start(self, work: Callable[[], T]) -> "Future[T]":
        """Work on a thread, on a core that was taken."""
        running = self._threads.submit(work)
        running.add_done_callback(lambda _: self.give_back())
        return running


class _Turn:
    """What one search has of the cores."""

    def __init__(self, cores: Cores, require_waiting: RequireWaiting) -> None:
        self._cores, self._require_waiting = cores, require_waiting
        self._since, self._has = 0.0, False

    def begin(self) -> None:
        self._cores.take(self._require_waiting)
        self._since, self._has = time.monotonic(), True

    def between(self) -> None:
        self._require_waiting()
        if self._cores.wanted and time.monotonic() - self._since > _TURN_SECONDS:
            self.end()
            self.begin()

    def end(self) -> None:
        if self._has:
            self._has = False
            self._cores.give_back()


_CORES = Cores(cores())


def a_core(
    require_waiting: RequireWaiting = wait_always,
) -> AbstractContextManager[Callable[[], None]]:
    """A core of this process for a search; see Cores.one."""
    return _CORES.one(require_waiting)


@contextmanager
def aside(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Do something on an idle core while the block does something else.

    Work that has not begun when it is wanted is done by the block's own thread: another process may
    have the core.

    Yields:
        A function that gives the result.
    """
    if is_timed() or not _CORES.take_idle():
        yield work
        return
    running = _CORES.start(work)

    def result() -> T:
        if running.cancel():
            _CORES.was_late()
            return work()
        begun = time.monotonic()
        found = running.result()
        if time.monotonic() - begun > _LATE_SECONDS:
            _CORES.was_late()
        return found

    try:
        yield result
    finally:
        if not running.cancel():
            wait([running])  # it reads what the block may be about to let go of
