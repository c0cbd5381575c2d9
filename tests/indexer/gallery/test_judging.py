"""Which positions an index names, and what they say about the images that they belong to."""

from collections import defaultdict
from typing import Any

import faiss
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.indexer.gallery import candidates
from partlens.indexer.gallery.judging import AboutPart, Named

DIMENSIONS, ROWS, EACH = 16, 600, 5
LISTS = 16
IMAGES = 9
keys = st.integers(0, IMAGES - 1)
near = st.floats(-1, 1, width=16)


@given(
    st.lists(st.tuples(keys, near), max_size=40),
    st.sampled_from([0.25, 1.0]),
    st.integers(1, 8),
    st.lists(keys, max_size=6),
)
def test_what_positions_say_is_what_a_dictionary_of_them_says(
    named: list[tuple[int, float]], whole: float, count: int, asked: list[int]
) -> None:
    found = AboutPart.of(
        Named(
            np.array([key for key, _ in named], np.int64),
            np.array([value for _, value in named], np.float32),
            whole,
        ),
        IMAGES,
    )
    least = min((value for _, value in named), default=1.0)
    beyond = defaultdict[int, float](float)
    for key, value in named:
        beyond[key] += (value - least) ** 2
    about = {key: least + whole * square**0.5 for key, square in beyond.items()}
    wanted = [about.get(key, least) for key in asked]
    np.testing.assert_allclose(found.of_images(np.array(asked, np.int64)), wanted, atol=1e-6)
    most = found.most(count)
    held = [key for key, _ in named]
    # All positions of an image or none, of the images with most, and no more than are needed.
    assert sorted(most.tolist()) == sorted(key for key in held if key in most)
    rest = [about[key] for key in held if key not in most]
    assert all(about[key] >= max(rest, default=-2) - 1e-6 for key in most.tolist())
    assert len(most) >= min(count, len(held))
    above = [key for key in most.tolist() if about[key] > min(about[k] for k in most.tolist())]
    assert len(above) < max(count, 1) or len(held) <= count


@pytest.fixture(scope="module", params=["SQfp16", "SQ8", "RaBitQ", "FlatDedup"])
def index(request: pytest.FixtureRequest) -> Any:
    vectors = np.random.default_rng(0).standard_normal((ROWS * EACH, DIMENSIONS)).astype("f4")
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    text = f"IVF{LISTS},{request.param}"
    made = faiss.index_factory(DIMENSIONS, text, faiss.METRIC_INNER_PRODUCT)
    made.train(vectors)
    made.add(vectors)
    return made


@pytest.mark.parametrize("probes", [3, LISTS])
@pytest.mark.parametrize("count", [1, 100, 400, ROWS * EACH])
@pytest.mark.parametrize("share", [1.0, 0.2])
def test_the_nearest_of_all_that_lists_hold_are_those_that_faiss_finds(
    index: Any, probes: int, count: int, share: float
) -> None:
    random = np.random.default_rng(1)
    rows = np.sort(random.choice(ROWS, int(share * ROWS), replace=False))
    bits = candidates._bitmap(rows, ROWS, EACH)
    selector = faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
    parameters = candidates._parameters(index, probes, selector)
    for _ in range(4):
        query = random.standard_normal((1, DIMENSIONS)).astype(np.float32)
        query /= np.linalg.norm(query)
        near, ids = candidates._best_of_lists(index, query, count, parameters, every=False)
        expected, by_faiss = index.search(query, count, params=parameters)
        held = by_faiss[0] >= 0
        assert len(ids) == len(set(ids.tolist())) == held.sum()
        np.testing.assert_allclose(np.sort(near)[::-1], expected[0][held], atol=1e-6)
        assert np.isin(ids // EACH, rows).all()
