"""Searches beside each other work on one thread each, and leave the process as they found it."""

import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import faiss
import pytest
from threadpoolctl import ThreadpoolController

from partlens.indexer.gallery.stages import timed
from partlens.indexer.gallery.threads import aside, one_thread


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


def test_what_is_done_aside_is_done_once_and_before_the_block_ends() -> None:
    done = list[int]()

    def work() -> int:
        time.sleep(0.01)
        done.append(threading.get_ident())
        return len(done)

    with one_thread(), aside(work) as result:
        assert result() == 1
    assert len(done) == 1
    with one_thread(), aside(work):
        pass
    # What was not wanted is done or not begun, but not still running.
    after = len(done)
    time.sleep(0.05)
    assert len(done) == after


def test_an_error_of_what_is_done_aside_is_raised_where_it_is_wanted() -> None:
    def work() -> None:
        raise ValueError("broken")

    for _ in range(3):
        with one_thread(), aside(work) as result, pytest.raises(ValueError, match="broken"):
            result()


def test_no_thread_helps_while_as_many_searches_run_as_there_are_cores() -> None:
    with ExitStack() as searches:
        for _ in range(len(os.sched_getaffinity(0))):
            searches.enter_context(one_thread())
        for _ in range(5):
            with aside(threading.get_ident) as result:
                assert result() == threading.get_ident()


def test_a_search_that_is_measured_uses_one_thread() -> None:
    with one_thread(), timed(), aside(threading.get_ident) as result:
        assert result() == threading.get_ident()
