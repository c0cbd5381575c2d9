"""The clock of a search."""

import time

import pytest

from partlens.indexer.gallery.stages import timed, timing


def test_a_stage_inside_another_is_counted_once() -> None:
    with timed() as clock:
        begun = time.perf_counter()
        with timing("merge"):
            time.sleep(0.01)
            with timing("positions"):
                time.sleep(0.02)
            with timing("images"):
                pass
        spent = time.perf_counter() - begun
    assert clock.seconds.keys() == {"merge", "positions", "images"}
    assert clock.seconds["merge"] >= 0.01 and clock.seconds["positions"] >= 0.02
    assert sum(clock.seconds.values()) <= spent


def test_a_search_that_fails_ends_its_stages() -> None:
    with timed() as clock:
        with pytest.raises(ValueError, match="broken"), timing("merge"), timing("score"):
            raise ValueError("broken")
        with timing("look up"):
            time.sleep(0.01)
    assert clock.seconds["look up"] >= 0.01 > clock.seconds["score"]


def test_what_faiss_does_can_be_repeated() -> None:
    done = list[int]()
    with timed() as clock, timing("positions", lambda: done.append(1)):
        pass
    for again in clock.faiss:
        again()
    assert done == [1]
    with timing("positions", lambda: done.append(2)):
        pass
    assert len(clock.faiss) == 1
