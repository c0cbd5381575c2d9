"""As many searches run at once as there are cores; the others wait their turn, or for nobody."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from partlens.indexer.gallery import cores
from partlens.indexer.gallery.cores import Cores, a_core, aside
from partlens.indexer.gallery.stages import timed

DEADLINE = 30.0


class Gone(Exception):
    """The caller is gone."""


def gone() -> None:
    raise Gone


def wait_always() -> None:
    pass


def until_wanted(of: Cores) -> None:
    end = time.monotonic() + DEADLINE
    while not of.wanted:
        assert time.monotonic() < end
        time.sleep(0.001)


@pytest.mark.parametrize("count", [1, 2, 3])
def test_no_more_run_at_once_than_there_are_cores_and_all_of_them_run(count: int) -> None:
    shared, lock, now, most, done = Cores(count), threading.Lock(), [0], [0], [0]

    def search(number: int) -> None:
        with shared.one(wait_always) as between:
            for _ in range(3):
                with lock:
                    now[0] += 1
                    most[0] = max(most[0], now[0])
                time.sleep(0.001)
                with lock:
                    now[0] -= 1
                    done[0] += 1
                between()

    with ThreadPoolExecutor(8) as threads:
        for running in [threads.submit(search, number) for number in range(40)]:
            running.result(DEADLINE)
    assert done == [120] and most == [count]


def test_a_search_that_waits_ends_when_its_caller_is_gone() -> None:
    shared = Cores(1)
    with shared.one(wait_always):
        with pytest.raises(Gone), shared.one(gone):
            pytest.fail("there was no core")
        assert not shared.wanted
    with shared.one(gone):  # nobody has the core
        pass


def test_a_search_ends_between_two_pieces_when_its_caller_is_gone() -> None:
    shared = Cores(1)
    with pytest.raises(Gone), shared.one(gone) as between:
        between()
    with shared.one(gone):
        pass


def test_a_long_search_lets_those_that_wait_go_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """In order of arrival, and then it goes on."""
    monkeypatch.setattr(cores, "_TURN_SECONDS", 0)
    shared, order = Cores(1), list[str]()

    def short(name: str) -> None:
        with shared.one(wait_always):
            order.append(name)

    with ThreadPoolExecutor(2) as threads:
        with shared.one(wait_always) as between:
            order.append("long")
            waiting = [threads.submit(short, "first")]
            until_wanted(shared)
            between()
            order.append("long")
        waiting[0].result(DEADLINE)
    assert order == ["long", "first", "long"]


def test_a_search_that_is_not_long_keeps_its_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_TURN_SECONDS", DEADLINE)
    shared, order = Cores(1), list[str]()

    def other() -> None:
        with shared.one(wait_always):
            order.append("other")

    with ThreadPoolExecutor(1) as threads:
        with shared.one(wait_always) as between:
            waiting = threads.submit(other)
            until_wanted(shared)
            between()
            order.append("first")
        waiting.result(DEADLINE)
    assert order == ["first", "other"]


def test_what_is_done_aside_is_done_once_and_before_the_block_ends() -> None:
    done = list[int]()

    def work() -> int:
        time.sleep(0.01)
        done.append(threading.get_ident())
        return len(done)

    with a_core(), aside(work) as result:
        assert result() == 1
    assert len(done) == 1
    with a_core(), aside(work):
        pass
    # What was not wanted is done or not begun, but not still running.
    after = len(done)
    time.sleep(0.05)
    assert len(done) == after


def test_an_error_of_what_is_done_aside_is_raised_where_it_is_wanted() -> None:
    def work() -> None:
        raise ValueError("broken")

    for _ in range(3):
        with a_core(), aside(work) as result, pytest.raises(ValueError, match="broken"):
            result()


def test_no_thread_helps_while_as_many_searches_run_as_there_are_cores() -> None:
    with ExitStack() as searches:
        for _ in range(len(os.sched_getaffinity(0))):
            searches.enter_context(a_core())
        for _ in range(5):
            with aside(threading.get_ident) as result:
                assert result() == threading.get_ident()


def test_a_search_that_is_measured_uses_a_core() -> None:
    with a_core(), timed(), aside(threading.get_ident) as result:
        assert result() == threading.get_ident()
