"""Finds where in an image a region fits best, mirrored or not."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.part import FloatArray, beyond, reciprocal
from partlens.explainer.scoring.stack import Along, PartStack

_ROUNDING = 2.0**-16
"""Relative difference up to which values count as equal: float32 sums in another order differ by
some 2**-20."""
_BLOCK = 32
"""Images that are transposed at once."""


@dataclass(frozen=True, eq=False)
class Placement:
    """The best places of Q regions in M images.

    Attributes:
        anchors: (row, col) of each region's anchor in each image, [M, Q, 2].
        finer: the same to fractions of a cell, by a parabola through the neighbours, [M, Q, 2].
        turned: -1 where the region is laid mirrored, left to right about its anchor, 1 elsewhere,
            [M, Q].
    """

    anchors: NDArray[np.int64]
    finer: NDArray[np.float64]
    turned: NDArray[np.int64]

    def cells(self, offsets: NDArray[np.int64], owners: NDArray[np.int64]) -> NDArray[np.int64]:
        """The cells that cells of the query are laid on, (row, col), shape [M, K, 2].

        Args:
            offsets: (rows, cols) of each from its region's anchor, shape [K, 2].
            owners: number of the region of each, shape [K].
        """
        signs = np.stack([np.ones_like(self.turned), self.turned], axis=2)
        return np.asarray(self.anchors[:, owners] + signs[:, owners] * offsets, np.int64)

    def windows(self, extents: NDArray[np.float64]) -> NDArray[np.float64]:
        """Where regions lie, to fractions of a cell: (row0, col0, row1, col1), shape [M, Q, 4].

        Args:
            extents: of each region, from the upper left corner of its anchor, shape [Q, 4].
        """
        row0, col0, row1, col1 = extents.T
        left = np.where(self.turned > 0, col0, 1 - col1)
        row, col = self.finer[..., 0], self.finer[..., 1]
        return np.stack([row + row0, col + left, row + row1, col + left + col1 - col0], axis=2)


def place(stack: PartStack, along: Along, lengths: FloatArray) -> Placement:
    """Where, mirrored or not, the judged cells of each part fit best.

    Of all places of the region's anchor inside the image, the first with the largest sum of
    v_p cos(c_p, c_q), q the position that p is laid on. v_p are the judged shares; the cosines are
    of what contributions have beyond the rest of the query's image, so that what the whole object
    has everywhere does not decide. Positions outside the image count as 0. See decision 9.

    Args:
        along: the products with the images.
        lengths: |c_q|, shape [M, rows, cols].
    """
    count, parts, rows, cols = along.rests.shape
    apart = reciprocal(beyond(lengths[:, None], along.rests))
    cosines = _images_last(along.directions * apart[:, stack.judges])
    fit = np.zeros((parts, 2, rows, cols, count), np.float32)
    upright, mirrored = fit[:, 0], fit[:, 1]
    for down, right, cells, owners in stack.by_offset:
        here, there, back = _both(down, rows), _both(right, cols), _both(-right, cols)
        upright[owners, here[0], there[0]] += cosines[cells, here[1], there[1]]
        mirrored[owners, here[0], back[0]] += cosines[cells, here[1], back[1]]
    best = first_largest(fit.reshape(parts, 2 * rows * cols, count), axis=1).T
    side, where = np.divmod(best, rows * cols)
    row, col = np.divmod(where, cols)
    image, part = np.ogrid[:count, :parts]
    laid = fit[part, side, :, :, image]
    between = np.stack([_vertex(laid, row, col, 2), _vertex(laid, row, col, 3)], axis=2)
    anchors = np.stack([row, col], axis=2)
    return Placement(anchors, anchors + between, 1 - 2 * side)


def laid(stack: PartStack, placement: Placement, grid: tuple[int, int]) -> FloatArray:
    """The weight of each position under a region at its place, shape [M, Q, rows, cols].

    Args:
        grid: (rows, cols); cells outside are dropped.
    """
    covered, (rows, cols) = stack.covered, grid
    cells = placement.cells(covered.cells - stack.anchors[covered.owners], covered.owners)
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


def _images_last(values: FloatArray) -> FloatArray:
    """[M, ...] as [..., M], in blocks that fit a cache; sums over other axes are then fast."""
    count, shape = len(values), values.shape[1:]
    flat = values.reshape(count, math.prod(shape))
    turned = np.empty(flat.shape[::-1], np.float32)
    for start in range(0, count, _BLOCK):
        turned[:, start : start + _BLOCK] = flat[start : start + _BLOCK].T
    return turned.reshape(*shape, count)


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
    inside = (at[axis - 2] > 0) & (at[axis - 2] < fit.shape[axis] - 1)
    step = np.where(inside, 1, 0) * (np.arange(2) == axis - 2)[:, None, None]
    image, part = np.ogrid[: fit.shape[0], : fit.shape[1]]
    before, top, after = (
        fit[image, part, r, c].astype(np.float64) for r, c in (at - step, at, at + step)
    )
    bend = before - 2 * top + after
    shift = np.divide(0.5 * (before - after), bend, out=np.zeros_like(bend), where=bend < 0)
    clipped: NDArray[np.float64] = np.clip(shift, -0.5, 0.5)
    return clipped
