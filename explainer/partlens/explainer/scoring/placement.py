"""Finds where in an image a region fits best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.part import FloatArray, reciprocal
from partlens.explainer.scoring.stack import PartStack

_ROUNDING = 2.0**-16
"""Relative difference up to which values count as equal: float32 sums in another order differ by
some 2**-20."""


@dataclass(frozen=True, eq=False)
class Placement:
    """The best places of Q regions in M images.

    Attributes:
        shifts: (rows, cols) from each query's cells to those of the image, whole cells, [M, Q, 2].
        finer: the same to fractions of a cell, by a parabola through the neighbours, [M, Q, 2].
    """

    shifts: NDArray[np.int64]
    finer: NDArray[np.float64]


def place(stack: PartStack, along: FloatArray, lengths: FloatArray) -> Placement:
    """The shift s with the largest sum_p w_p cos(c_p, c_(p+s)) for each part; see first_largest.

    The region's heaviest cell stays inside the image; cells outside it count as 0.

    Args:
        along: c_q.d of each judged direction, shape [M, rows, cols, K].
        lengths: |c_q|, shape [M, rows, cols].
    """
    count, rows, cols, _ = along.shape
    cosines = along * reciprocal(lengths)[..., None] * stack.judged.shares
    fit = np.zeros((count, rows, cols, len(stack)), np.float32)
    for row, col, cells, owners in stack.by_offset:
        here, there = _both(row, rows), _both(col, cols)
        fit[:, here[0], there[0], owners] += cosines[:, here[1], there[1], cells]
    best = first_largest(fit.reshape(count, rows * cols, fit.shape[3]), axis=1)
    row, col = best // cols, best % cols
    between = np.stack([_vertex(fit, row, col, 1), _vertex(fit, row, col, 2)], axis=2)
    shifts = np.stack([row, col], axis=2) - stack.anchors
    return Placement(shifts, shifts + between)


def laid(stack: PartStack, placement: Placement, grid: tuple[int, int]) -> FloatArray:
    """The weight of each position under a region at its place, shape [M, Q, rows, cols].

    Args:
        grid: (rows, cols); cells outside are dropped.
    """
    covered, (rows, cols) = stack.covered, grid
    cells = covered.cells + placement.shifts[:, covered.owners]
    image, cell = np.nonzero(((cells >= 0) & (cells < (rows, cols))).all(2))
    row, col = cells[image, cell].T
    weights = np.zeros((len(cells), len(stack), rows, cols), np.float32)
    weights[image, covered.owners[cell], row, col] = covered.shares[cell]
    return weights


def first_largest(values: FloatArray, axis: int) -> NDArray[np.int64]:
    """Index of the largest value along an axis; of equal values, the first.

    Values that differ only by rounding are equal. Without this, which of several identical cells
    wins would depend on what else is in the batch.

    >>> first_largest(np.array([0.25, 1, 1.000001], np.float32), axis=0)
    array(1)
    """
    most = values.max(axis, keepdims=True)
    nearly: NDArray[np.bool_] = values >= most - _ROUNDING * np.abs(most)
    return np.asarray(nearly.argmax(axis), np.int64)


def _both(offset: int, size: int) -> tuple[slice, slice]:
    """Along one axis: the anchors with a cell at this offset inside the image, and those cells."""
    return (
        slice(max(0, -offset), size - max(0, offset)),
        slice(max(0, offset), size + min(0, offset)),
    )


def _vertex(
    fit: FloatArray, row: NDArray[np.int64], col: NDArray[np.int64], axis: int
) -> NDArray[np.float64]:
    """Offset of the parabola's vertex from the best cell along an axis, -0.5..0.5; 0 at an edge."""
    at = np.stack([row, col])
    inside = (at[axis - 1] > 0) & (at[axis - 1] < fit.shape[axis] - 1)
    step = np.where(inside, 1, 0) * (np.arange(2) == axis - 1)[:, None, None]
    image, part = np.ogrid[: fit.shape[0], : fit.shape[3]]
    before, top, after = (
        fit[image, r, c, part].astype(np.float64) for r, c in (at - step, at, at + step)
    )
    bend = before - 2 * top + after
    shift = np.divide(0.5 * (before - after), bend, out=np.zeros_like(bend), where=bend < 0)
    clipped: NDArray[np.float64] = np.clip(shift, -0.5, 0.5)
    return clipped
