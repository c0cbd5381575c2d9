"""The cache keeps the query images used last, and says so of the others."""

import numpy as np
import pytest

from partlens.server.errors import UnknownQueryError
from partlens.server.queries import Query, QueryCache, query_id


def query(name: str) -> Query:
    return Query(name, (4, 4), np.ones((2, 3), np.float32), np.full(3, 0.5, np.float32))


def test_the_embedding_is_the_sum_of_contributions_and_bias() -> None:
    assert query("a").embedding.tolist() == [2.5, 2.5, 2.5]


def test_the_one_not_used_for_longest_is_forgotten() -> None:
    cache = QueryCache(2)
    first = cache.keep(query("a"))
    cache.keep(query("b"))
    assert cache.get("a") is first
    cache.keep(query("c"))
    assert cache.get("a") is first and cache.find("b") is None and len(cache) == 2
    with pytest.raises(UnknownQueryError, match=r"'b' is not known.*send the picture again"):
        cache.get("b")


def test_keeping_the_same_image_twice_keeps_one() -> None:
    cache = QueryCache(2)
    assert cache.keep(query("a")) is cache.keep(query("a"))


def test_an_id_depends_on_the_model_the_source_and_the_image() -> None:
    ids = {query_id(m, k, d) for m in ("m", "n") for k in ("data", "gallery") for d in (b"1", b"2")}
    assert len(ids) == 8
    assert query_id("m", "data", b"1") == query_id("m", "data", b"1")
