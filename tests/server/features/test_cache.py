"""The cache keeps the most recently used query images."""

import numpy as np

from partlens.server.features.cache import KeptQueries
from partlens.server.query_images.query import Query


def query(name: str) -> Query:
    return Query(name, (4, 4), np.ones((2, 3), np.float32), np.full(3, 0.5, np.float32))


async def test_the_one_not_used_for_longest_is_forgotten() -> None:
    cache, first = KeptQueries(2), query("a")
    await cache.keep(first)
    await cache.keep(query("b"))
    assert await cache.find("a") is first
    await cache.keep(query("c"))
    assert await cache.find("a") is first and await cache.find("b") is None and len(cache) == 2


async def test_keeping_the_same_image_twice_keeps_one() -> None:
    cache = KeptQueries(2)
    await cache.keep(query("a"))
    await cache.keep(query("a"))
    assert len(cache) == 1
