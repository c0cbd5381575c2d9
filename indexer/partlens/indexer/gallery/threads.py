"""Keeping the libraries that a search calls on the thread that searches."""

import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

import faiss
from threadpoolctl import ThreadpoolController

from partlens.indexer.gallery.stages import is_timed

T = TypeVar("T")
_LATE_SECONDS, _ALONE_SECONDS = 0.001, 1.0
"""For how much longer than its own half a search waits for its helper, and for how long searches do
without one then."""


class _OneBlasThread:
    """BLAS counts its threads for the whole process: the last who asked for one gives them back."""

    def __init__(self) -> None:
        # Looks through the loaded libraries once, which takes milliseconds.
        self._libraries = ThreadpoolController()
        self._lock, self._users, self._limit = threading.Lock(), 0, None

    def take(self) -> None:
        with self._lock:
            self._users += 1
            if self._limit is None:
                self._control()
                self._limit = self._libraries.limit(limits=1, user_api="blas")

    def give_back(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users and self._limit is not None:
                self._control()
                self._limit.restore_original_limits()
                self._limit = None

    def _control(self) -> None:
        """Make this the thread that threadpoolctl listens to: to others it says nothing, and does
        nothing."""
        for library in self._libraries.lib_controllers:
            if hasattr(library, "clear_controlling_thread"):
                library.clear_controlling_thread(force=True)


_BLAS = _OneBlasThread()


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Every call of BLAS stays on the thread that makes it.

    For as long as a server runs, as all its products are small and beside each other.
    """
    _BLAS.take()
    try:
        yield
    finally:
        _BLAS.give_back()


@contextmanager
def one_thread() -> Iterator[None]:
    """BLAS and FAISS work on this thread alone.

    The products of a search are small, and searches run beside each other. Threads of a library
    wait for each other by spinning: where another process had a core, a search of 4 ms took 16.
    """
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    _BLAS.take()
    _CORES.take(idle=False)
    try:
        yield
    finally:
        _CORES.give_back()
        _BLAS.give_back()
        faiss.omp_set_num_threads(before)


class _Cores:
    """Counts the searches that run, to tell whether a core is idle.

    A second thread helps a search only while there are fewer searches than cores. Where other
    processes have the cores, waking it up took longer than a whole search: after a helper was late,
    searches do without for a while.
    """

    def __init__(self) -> None:
        self._all = len(os.sched_getaffinity(0))
        self._lock, self._busy, self._from = threading.Lock(), 0, 0.0
        self._threads = ThreadPoolExecutor(
            max(1, self._all - 1), "partlens-aside", faiss.omp_set_num_threads, (1,)
        )

    def take(self, *, idle: bool) -> bool:
        """Count one more; with `idle`, only if a core is idle."""
        with self._lock:
            if idle and (self._busy >= self._all or time.monotonic() < self._from):
                return False
            self._busy += 1
            return True

    def was_late(self) -> None:
        """No core was idle after all."""
        self._from = time.monotonic() + _ALONE_SECONDS

    def give_back(self) -> None:
        """Count one less."""
        with self._lock:
            self._busy -= 1

    def start(self, work: Callable[[], T]) -> "Future[T]":
        """Work on a thread, on a core that was taken."""
        running = self._threads.submit(work)
        running.add_done_callback(lambda _: self.give_back())
        return running


_CORES = _Cores()


@contextmanager
def aside(work: Callable[[], T]) -> Iterator[Callable[[], T]]:
    """Do something on an idle core while the block does something else.

    Work that has not begun when it is wanted is done by the block's own thread: another process may
    have the core.

    Yields:
        A function that gives the result.
    """
    if is_timed() or not _CORES.take(idle=True):
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
