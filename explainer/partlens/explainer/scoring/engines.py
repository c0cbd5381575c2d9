"""Chooses what scores images: the compiled kernel, or numpy where the kernel cannot run."""

import logging
import os
from collections.abc import Callable, Sequence
from threading import Lock
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import EngineError, ShapeError
from partlens.explainer.halves import to_single
from partlens.explainer.scoring.arrays import ArrayScorer
from partlens.explainer.scoring.part import FloatArray, QueryPart
from partlens.explainer.scoring.score import Scored, Shares
from partlens.explainer.stored import RowArray, RowNumbers, Stored

_log = logging.getLogger(__name__)
ENGINE = "PARTLENS_SCORING"
"""Environment variable that asks for an engine: "numpy" or "kernel"; by default the kernel, or
numpy where numba is missing or fails."""


class Scorer(Protocol):
    """Scores stored images against S searches; thread-safe."""

    def images(self, stored: Stored, bias: RowArray, rows: RowNumbers) -> Scored:
        """Score rows against the only search; arguments and errors as in scores.score_rows."""
        ...

    def scores(self, stored: Stored, bias: RowArray, rows: RowNumbers) -> FloatArray:
        """The scores of rows for each search, shape [M, S]."""
        ...


Engine = Callable[[Sequence[tuple[Shares, Sequence[QueryPart]]], tuple[int, int]], Scorer]
"""Prepares searches, at least one, for images of a grid (rows, cols). Each has the shares of its
score, and its parts, at least one."""


def make_scorer(
    searches: Sequence[tuple[Shares, Sequence[QueryPart]]], grid: tuple[int, int]
) -> Scorer:
    """Prepare searches for the engine that is asked for, or the best that can run.

    Raises:
        EngineError: there is no such engine, or it cannot run here.
    """
    return _engine()(searches, grid)


def row_products(
    values: NDArray[np.float16], rows: NDArray[np.int64], vector: FloatArray
) -> FloatArray:
    """values[rows] @ vector, for values in memory.

    Args:
        values: shape [N, D].
        rows: 0 to N - 1, shape [M].
        vector: shape [D].
    """
    if len(rows) and not 0 <= rows.min() <= rows.max() < len(values):
        raise IndexError(f"rows {rows.min()} to {rows.max()}; there are {len(values)}")
    if vector.shape != values.shape[1:]:
        raise ShapeError(f"rows of {values.shape[1]} numbers and a vector of {vector.shape}")
    if _engine() is ArrayScorer or not values.flags.c_contiguous:
        return np.asarray(to_single(values[rows]) @ vector, np.float32)
    from partlens.explainer.scoring.kernel.loading import load
    from partlens.explainer.scoring.kernel.products import arguments_of_product

    arguments = arguments_of_product(values, rows, vector)
    load().multiply_rows(*arguments)
    return arguments[-1]


def warm() -> str:
    """Load the engine now, so that no search has to wait for it; "kernel" or "numpy".

    The kernel is compiled if it was not before on this kind of processor, which takes some
    seconds, and is kept for the next time (kernel.kept). Errors as of make_scorer.
    """
    return "numpy" if _engine() is ArrayScorer else "kernel"


def _engine() -> Engine:
    asked = os.environ.get(ENGINE, "")
    if asked not in ("", "kernel", "numpy"):
        raise EngineError(f'{ENGINE} is "{asked}"; set it to "kernel" or "numpy", or not at all')
    if asked == "numpy":
        return ArrayScorer
    return _kernel.get(must=asked == "kernel")


class _Kernel:
    """The kernel, loaded when it is first wanted, or what replaces it."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._engine: Engine | None = None

    def get(self, must: bool) -> Engine:
        if self._engine is None or must:
            with self._lock:
                if self._engine is None or (must and self._engine is ArrayScorer):
                    self._engine = _loaded(must)
        return self._engine


_kernel = _Kernel()


def _loaded(must: bool) -> Engine:
    try:
        # numba takes half a second to import.
        from partlens.explainer.scoring.kernel.loading import load
        from partlens.explainer.scoring.kernel.scorer import KernelScorer

        load()
    except Exception as error:
        # Of what a compiler can fail by, nothing is known here.
        if must:
            raise EngineError(
                f"the kernel cannot run here: {type(error).__name__}: {error}; unset {ENGINE}, and"
                " numpy scores images"
            ) from error
        _log.warning(
            "images are scored by numpy, which is slower: %s: %s", type(error).__name__, error
        )
        return ArrayScorer
    return KernelScorer
