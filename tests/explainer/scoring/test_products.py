"""Products of rows with a vector, by each engine."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring import row_products


@given(st.integers(1, 40), st.integers(1, 70), st.integers(0, 60), st.integers(0, 2**32 - 1))
def test_rows_are_multiplied_with_the_vector(
    count: int, dimensions: int, chosen: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    values = random.standard_normal((count, dimensions)).astype(np.float16)
    rows = random.integers(0, count, chosen)
    vector = random.standard_normal(dimensions).astype(np.float32)
    for one in (values, rows, vector):
        one.flags.writeable = False
    expected = values[rows].astype(np.float64) @ vector.astype(np.float64)
    assert np.abs(row_products(values, rows, vector) - expected).max(initial=0) < 1e-3


def test_copies_have_equal_products_whatever_is_multiplied_with_them() -> None:
    random = np.random.default_rng(0)
    values = random.standard_normal((9, 128)).astype(np.float16)
    values[7] = values[2]
    vector = random.standard_normal(128).astype(np.float32)
    for rows in ([2, 7], [0, 1, 3, 7, 2], [7, 5, 4, 3, 1, 0, 2]):
        numbers = np.array(rows)
        products = row_products(values, numbers, vector)
        assert products[numbers == 2] == products[numbers == 7]


def test_rows_and_vectors_that_do_not_fit_are_refused() -> None:
    values, vector = np.ones((3, 4), np.float16), np.ones(4, np.float32)
    for wrong in (-1, 3):
        with pytest.raises(IndexError, match="there are 3"):
            row_products(values, np.array([0, wrong]), vector)
    with pytest.raises(ShapeError, match="4 numbers"):
        row_products(values, np.array([0]), np.ones(5, np.float32))
