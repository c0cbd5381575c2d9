"""Where in an image a region fits best."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.part import FloatArray, QueryPart, reciprocal

JUDGED = 32
"""So many of a region's cells at most, evenly picked, decide where it goes; bounds the cost."""


@dataclass(frozen=True, eq=False)
class Placement:
    """The best place of a region in M images.

    Attributes:
        shifts: (rows, cols) from the query's cells to those of each image, whole cells, [M, 2].
        finer: the same between cells, by the parabola through the neighbouring places, [M, 2].
    """

    shifts: NDArray[np.int64]
    finer: NDArray[np.float64]


def place(part: QueryPart, images: FloatArray, lengths: FloatArray) -> Placement:
    """The shift s with the largest sum_p w_p cos(c_p, c_(p+s)), ties to the first.

    The region's heaviest cell stays inside the image; what else sticks out counts as 0.

    Args:
        images: contributions, shape [M, rows, cols, D].
        lengths: |c_q|, shape [M, rows, cols].
    """
    judged = np.unique(np.linspace(0, len(part.cells) - 1, JUDGED).round().astype(np.int64))
    count, rows, cols, dimensions = images.shape
    cosines = images.reshape(-1, dimensions) @ part.directions[judged].T
    cosines = cosines.reshape(count, rows, cols, len(judged)) * reciprocal(lengths)[..., None]
    anchor = part.cells[judged[part.shares[judged].argmax()]]
    fit = np.zeros((count, rows, cols), np.float32)
    for k, cell in enumerate(judged):
        row, col = (int(n) for n in part.cells[cell] - anchor)
        here, there = _both(row, rows), _both(col, cols)
        fit[:, here[0], there[0]] += part.shares[cell] * cosines[:, here[1], there[1], k]
    best = fit.reshape(count, rows * cols).argmax(1)
    row, col = np.divmod(best, cols)
    between = np.stack([_vertex(fit, row, col, 1), _vertex(fit, row, col, 2)], axis=1)
    shifts = np.stack([row, col], axis=1) - anchor
    return Placement(shifts, shifts + between)


def _both(offset: int, size: int) -> tuple[slice, slice]:
    """Along one axis: the anchors whose cell at the offset is inside, and those cells."""
    return (
        slice(max(0, -offset), size - max(0, offset)),
        slice(max(0, offset), size + min(0, offset)),
    )


def _vertex(
    fit: FloatArray, row: NDArray[np.int64], col: NDArray[np.int64], axis: int
) -> NDArray[np.float64]:
    """How far the parabola's top lies from the best cell along an axis, -0.5..0.5; 0 at an edge."""
    at = np.stack([row, col])
    inside = (at[axis - 1] > 0) & (at[axis - 1] < fit.shape[axis] - 1)
    step = np.where(inside, 1, 0) * (np.arange(2) == axis - 1)[:, None]
    image = np.arange(len(fit))
    before, top, after = (
        fit[image, r, c].astype(np.float64) for r, c in (at - step, at, at + step)
    )
    bend = before - 2 * top + after
    shift = np.divide(0.5 * (before - after), bend, out=np.zeros_like(bend), where=bend < 0)
    clipped: NDArray[np.float64] = np.clip(shift, -0.5, 0.5)
    return clipped
