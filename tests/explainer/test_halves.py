"""Conversions agree with numpy's, for every float16 there is and for what float16 cannot hold."""

import numpy as np

from partlens.explainer.halves import to_half, to_single


def test_every_half_becomes_what_numpy_says_and_comes_back() -> None:
    every = np.arange(2**16, dtype=np.uint16).view(np.float16)
    finite = every[np.isfinite(every)]
    np.testing.assert_array_equal(to_single(finite), finite.astype(np.float32))
    np.testing.assert_array_equal(to_half(to_single(finite)), finite)


def test_rounding_is_that_of_numpy() -> None:
    random = np.random.default_rng(0)
    values = (random.standard_normal(100_000) * 10.0 ** random.integers(-9, 6, 100_000)).astype(
        np.float32
    )
    with np.errstate(over="ignore"):
        expected = values.astype(np.float16)
    np.testing.assert_array_equal(to_half(values), expected)


def test_what_must_not_be_written_to_is_read() -> None:
    values = np.ones((2, 3), np.float16)
    values.flags.writeable = False
    assert to_single(values).tolist() == [[1.0] * 3] * 2
