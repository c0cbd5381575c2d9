"""Keeping the libraries that a search calls on the thread that searches."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import faiss
from threadpoolctl import ThreadpoolController


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
    try:
        yield
    finally:
        _BLAS.give_back()
        faiss.omp_set_num_threads(before)
