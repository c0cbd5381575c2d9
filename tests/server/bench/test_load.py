"""The load generator: it counts what it is given, and brings pictures the server has not seen."""

from itertools import islice

from tests.server.conftest import Running

from partlens.server.bench.load import fresh, measure


async def test_callers_are_answered_and_counted(filled: Running) -> None:
    result = await measure(filled.address, clients=3, seconds=0.5, searches_per_picture=2)
    assert result.clients == 3 and result.errors == {} and result.refused == 0
    assert result.calls >= 3 and 0 < result.p50_ms <= result.p99_ms
    assert result.calls_per_second <= 2 * result.calls


def test_no_picture_comes_twice() -> None:
    assert len(set(islice(fresh([b"a", b"b"]), 100))) == 100
