"""Searches beside each other work on one thread each, and leave the process as they found it."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import faiss
import pytest
from threadpoolctl import ThreadpoolController

from partlens.indexer.gallery.threads import one_thread


def counts() -> list[int]:
    """Of FAISS, and of numpy's BLAS: others in the process take no part in searches."""
    blas = ThreadpoolController().select(user_api="blas").info()
    mine = [one["num_threads"] for one in blas if "numpy" in one["filepath"]]
    assert mine
    return [faiss.omp_get_max_threads(), *mine]


@pytest.fixture
def two_threads() -> Iterator[list[int]]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(2)
    try:
        with ThreadpoolController().limit(limits=2, user_api="blas"):
            yield counts()
    finally:
        faiss.omp_set_num_threads(before)


def test_a_search_gives_back_what_it_took(two_threads: list[int]) -> None:
    with one_thread():
        assert set(counts()) == {1}
    assert counts() == two_threads


def test_a_search_on_any_thread_takes_and_gives_back(two_threads: list[int]) -> None:
    def inside() -> list[int]:
        with one_thread():
            return counts()

    for _ in range(2):
        with ThreadPoolExecutor(1) as another:
            assert set(another.submit(inside).result(20)) == {1}
        assert counts() == two_threads
        assert set(inside()) == {1}


def test_the_first_to_leave_does_not_give_the_threads_of_all_back(two_threads: list[int]) -> None:
    with ExitStack() as second:
        with one_thread():
            second.enter_context(one_thread())
        assert set(counts()[1:]) == {1}
    # FAISS counts for each thread of its own; only BLAS is shared.
    assert counts()[1:] == two_threads[1:]
