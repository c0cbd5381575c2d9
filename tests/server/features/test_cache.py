"""The caches keep what was used most recently, within their bounds."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from partlens.server.features.cache import KeptQueries
from partlens.server.features.recent import Recent
from partlens.server.query_images.query import Query


def query(name: str) -> Query:
    return Query(name, (4, 4), np.ones((2, 3), np.float32), np.full(3, 0.5, np.float32))


async def test_the_one_not_used_for_longest_is_forgotten() -> None:
    cache, first = KeptQueries(2, 2**20), query("a")
    await cache.keep(first)
    await cache.keep(query("b"))
    assert await cache.find("a") is first
    await cache.keep(query("c"))
    assert await cache.find("a") is first and await cache.find("b") is None and len(cache) == 2


async def test_keeping_the_same_image_twice_keeps_one() -> None:
    cache = KeptQueries(2, 2**20)
    await cache.keep(query("a"))
    await cache.keep(query("a"))
    assert len(cache) == 1


async def test_features_are_bounded_in_bytes() -> None:
    one = query("a")
    cache = KeptQueries(100, 2 * (one.contributions.nbytes + one.bias.nbytes))
    for name in "abc":
        await cache.keep(query(name))
    assert len(cache) == 2 and await cache.find("a") is None


@given(
    st.integers(1, 5),
    st.integers(0, 20),
    st.lists(st.tuples(st.sampled_from("abcdef"), st.integers(-1, 12))),
)
def test_only_the_least_recently_used_are_dropped(
    most: int, most_bytes: int, steps: list[tuple[str, int]]
) -> None:
    """A value of -1 stands for a lookup; the oracle is a list, the most recent last."""
    recent, oracle = Recent[int](most, most_bytes, int), list[tuple[str, int]]()
    for id, size in steps:
        known = dict(oracle)
        if size < 0:
            assert recent.find(id) == known.get(id)
        else:
            recent.keep(id, size)
        if id in known:
            oracle = [one for one in oracle if one[0] != id] + [(id, known[id])]
        elif 0 <= size <= most_bytes:
            oracle.append((id, size))
            while len(oracle) > most or sum(size for _, size in oracle) > most_bytes:
                oracle.pop(0)
        assert len(recent) == len(oracle) and recent.total == sum(size for _, size in oracle)
