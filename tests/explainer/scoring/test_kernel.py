"""The kernel against numpy: the same numbers, of every storage type and shape."""

import os
from collections.abc import Sequence
from typing import Any, cast, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from partlens.common.storage import Storage
from partlens.explainer.scoring import (
    ManySearches,
    QueryPart,
    Score,
    Scored,
    query_part,
    score_images,
    score_rows,
)
from partlens.explainer.scoring.engines import ENGINE
from partlens.explainer.stored import Stored

SHAPES = [(8, 4, 128), (7, 7, 33), (1, 9, 16), (5, 1, 3), (16, 8, 64), (14, 14, 20)]


@pytest.fixture(scope="module", autouse=True)
def engine() -> None:
    """In place of the conftest's: these tests choose one after the other."""


def by_both(score: Any) -> tuple[Any, Any]:
    found = []
    for engine in ("kernel", "numpy"):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv(ENGINE, engine)
            found.append(score())
    return found[0], found[1]


def some_part(random: np.random.Generator, shape: tuple[int, int, int], weight: float) -> QueryPart:
    rows, cols, dimensions = shape
    region = random.random((rows, cols)) * (random.random((rows, cols)) < random.random())
    row, col = random.integers(rows), random.integers(cols)
    region[row : row + 3, col : col + 2] = random.choice([0.5, 1])
    query = random.standard_normal((rows * cols, dimensions)).astype(np.float32)
    bias = random.standard_normal(dimensions).astype(np.float32)
    return query_part(query, bias, region.reshape(-1).astype(np.float32), (rows, cols), weight)


def stored_as(
    random: np.random.Generator, shape: tuple[int, int, int], count: int, storage: Storage | None
) -> tuple[Stored, np.ndarray]:
    rows, cols, dimensions = shape
    made = random.standard_normal((count, rows * cols, dimensions))
    # Positions and images that contribute nothing, and copies within an image.
    made *= random.random((count, rows * cols, 1)) < 0.8
    made *= random.random((count, 1, 1)) < 0.9
    made[:, rows * cols // 2 :] = made[:, : rows * cols - rows * cols // 2]
    values = made.astype(np.float32)
    bias = random.standard_normal((count, dimensions)).astype(np.float32)
    return Stored.of(values, storage) if storage else Stored(values), bias


def require_equal(kernel: Scored, arrays: Scored) -> None:
    np.testing.assert_allclose(kernel.scores, arrays.scores, rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(kernel.maps, arrays.maps, rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(kernel.constants, arrays.constants, rtol=1e-5, atol=5e-6)
    np.testing.assert_allclose(kernel.windows, arrays.windows, atol=1e-3)
    sums = kernel.maps.sum((1, 2)) + kernel.constants
    np.testing.assert_allclose(kernel.scores, sums, rtol=1e-5, atol=5e-6)


@pytest.mark.parametrize("storage", [*get_args(Storage), None])
@pytest.mark.parametrize("score", get_args(Score))
@pytest.mark.parametrize("shape", SHAPES)
def test_stored_rows_score_as_with_numpy(
    shape: tuple[int, int, int], score: Score, storage: Storage | None
) -> None:
    random = np.random.default_rng(sum(shape))
    stored, bias = stored_as(random, shape, 40, storage)
    parts = [some_part(random, shape, weight) for weight in (1, -0.5, 0.25, 0)]
    rows = random.integers(0, 40, 70)
    require_equal(*by_both(lambda: score_rows(score, parts, stored, bias, rows, shape[:2])))


@settings(max_examples=40)
@given(st.integers(0, 2**32), st.sampled_from(get_args(Score)), st.integers(1, 5))
def test_any_images_score_as_with_numpy(seed: int, score: Score, count: int) -> None:
    random = np.random.default_rng(seed)
    rows, cols, dimensions = (int(random.integers(1, most)) for most in (10, 10, 40))
    shape = rows, cols, dimensions
    stored, bias = stored_as(random, shape, 8, None)
    parts = [some_part(random, shape, float(random.choice([1, -1, 0.5]))) for _ in range(count)]
    values = np.asarray(stored.values)
    require_equal(*by_both(lambda: score_images(score, parts, values, bias, (rows, cols))))


@pytest.mark.parametrize("shape", SHAPES)
def test_many_searches_score_as_with_numpy(shape: tuple[int, int, int]) -> None:
    """So many that their products do not fit into one batch."""
    random = np.random.default_rng(0)
    stored, bias = stored_as(random, shape, 9, None)
    searches: list[tuple[Score, Sequence[QueryPart]]] = [
        (random.choice(get_args(Score)), [some_part(random, shape, w) for w in (1.0, -0.25)[:some]])
        for some in random.integers(1, 3, 60)
    ]
    values = np.asarray(stored.values)
    kernel, arrays = by_both(lambda: ManySearches(searches).scores(values, bias, shape[:2]))
    np.testing.assert_allclose(kernel, arrays, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("score", get_args(Score))
def test_numbers_beyond_float16_stay_what_they_are(score: Score) -> None:
    """An infinite contribution gives no number, never a wrong one."""
    random, shape = np.random.default_rng(0), (8, 4, 128)
    stored, bias = stored_as(random, shape, 6, "float16")
    values = np.asarray(stored.values)
    values[1, 3, 5], values[2, :, 7], values[4, 0, 0] = np.inf, -np.inf, np.nan
    parts = [some_part(random, shape, 1)]
    with np.errstate(all="ignore"):
        kernel, arrays = by_both(
            lambda: score_rows(score, parts, stored, bias, np.arange(6), shape[:2])
        )
    for image in (1, 2, 4):
        assert not np.isfinite(kernel.scores[image]) or kernel.scores[image] == 0
    np.testing.assert_allclose(kernel.scores[[0, 3, 5]], arrays.scores[[0, 3, 5]], atol=2e-6)


@pytest.mark.parametrize("make", [np.asfortranarray, lambda values: values[:, :, ::-1][:, :, ::-1]])
@pytest.mark.parametrize("kind", [">f4", "<f4", ">f2", np.float16])
def test_arrays_of_any_layout_score_the_same(make: Any, kind: Any) -> None:
    random, shape = np.random.default_rng(0), (5, 3, 9)
    stored, bias = stored_as(random, shape, 6, "float16")
    plain, part = np.asarray(stored.values), [some_part(random, shape, 1)]
    expected = score_rows("context", part, stored, bias, np.arange(6), shape[:2])
    values = make(plain.astype(kind))
    values.flags.writeable = False
    found = score_rows("context", part, Stored(values), bias, np.arange(6), shape[:2])
    assert (found.scores == expected.scores).all()


@pytest.mark.parametrize("row", [-1, 6])
@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_a_row_that_is_not_there_is_an_error(
    row: int, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(os.environ, ENGINE, engine)
    random, shape = np.random.default_rng(0), (5, 3, 9)
    stored, bias = stored_as(random, shape, 6, "int8")
    part = [some_part(random, shape, 1)]
    with pytest.raises(IndexError, match="there are 6"):
        score_rows("context", part, stored, bias, np.array([0, row]), shape[:2])


@pytest.mark.parametrize("engine", ["kernel", "numpy"])
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 16, 128]), st.floats(0.0625, 1, width=32))
def test_vectors_that_cancel_out_leave_no_score_of_rounding(
    engine: str, seed: int, dimensions: int, share: float
) -> None:
    """Copies of one vector that sum to nothing, under the region and in the whole image."""
    random, grid = np.random.default_rng(seed), (1, 4)
    query = random.standard_normal((4, dimensions)).astype(np.float32)
    bias = np.zeros((2, dimensions), np.float32)
    weights = np.array([1, share, 0, 0], np.float32)
    part = query_part(query, bias[0], weights, grid)
    factors = np.array([[1, -1 / share, 0, 0], [3, 0.1, -3.1, 0]], np.float32)
    images = factors[:, :, None] * random.standard_normal(dimensions).astype(np.float32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(ENGINE, engine)
        for score, most in (("part", 1), ("context", 2)):
            found = score_images(cast("Score", score), [part], images, bias, grid)
            assert (np.abs(found.scores) <= most + 1e-4).all()
            sums = found.maps.sum((1, 2)) + found.constants
            np.testing.assert_allclose(found.scores, sums, atol=1e-4)
        assert score_images("whole", [part], images[1:], bias[1:], grid).scores[0] == 0
