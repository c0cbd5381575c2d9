"""One region of a query image, as a search sees it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError

FloatArray = NDArray[np.float32]
Extent = tuple[float, float, float, float]
"""(row0, col0, row1, col1) in cells of the grid, fractions included."""

SURROUNDINGS = 1.0
"""How far the surroundings of a region reach: the standard deviation of the bell that its weights
are blurred with, in sides of the region. Measured on birds and on generated people (decision 1)."""


@dataclass(frozen=True, eq=False)
class QueryPart:
    """One region of a query image.

    Attributes:
        feature: partial feature f = sum_p w_p c_p, shape [D].
        surroundings: the same with the weights blurred, so that what lies around the region counts
            too, less with distance; shape [D].
        embedding_norm: |E_q| of the image that the region lies in.
        cells: (row, col) of each of the K positions that the region covers, shape [K, 2].
        shares: w_p of each, shape [K].
        directions: c_p / |c_p| of each, zero where the position contributes nothing, shape [K, D].
        extent: what the region spans.
        weight: share in the score; negative for a region that must not be there.
    """

    feature: FloatArray
    surroundings: FloatArray
    embedding_norm: float
    cells: NDArray[np.int64]
    shares: FloatArray
    directions: FloatArray
    extent: Extent
    weight: float = 1.0


def query_part(
    contributions: FloatArray,
    bias: FloatArray,
    weights: FloatArray,
    grid: tuple[int, int],
    weight: float = 1.0,
) -> QueryPart:
    """One region of a query image.

    Args:
        contributions: c_p of the image, shape [P, D].
        bias: b of the image, shape [D].
        weights: share of each position that the region covers, 0..1, shape [P].
        grid: (rows, cols), P = rows * cols.
        weight: share in the score; negative for a region that must not be there.

    Raises:
        ShapeError: arrays that do not fit together, or a region that covers nothing.
    """
    rows, cols = grid
    if contributions.shape != (rows * cols, len(bias)) or weights.shape != (rows * cols,):
        raise ShapeError(
            f"contributions {contributions.shape}, bias {bias.shape} and region weights"
            f" {weights.shape} do not fit a {rows}x{cols} grid"
        )
    if not weights.max() > 0:
        raise ShapeError("a region that covers no position cannot be searched for")
    covered = np.flatnonzero(weights)
    return QueryPart(
        feature=weights @ contributions,
        surroundings=_blurred(weights.reshape(grid)) @ contributions,
        embedding_norm=float(np.linalg.norm(contributions.sum(0) + bias)),
        cells=np.stack(np.divmod(covered, cols), axis=1),
        shares=weights[covered],
        directions=contributions[covered] * reciprocal(_lengths(contributions[covered]))[:, None],
        extent=_extent(weights.reshape(grid)),
        weight=weight,
    )


def reciprocal(lengths: NDArray[np.floating]) -> FloatArray:
    """1 / length, 0 where there is none; of any shape [...]."""
    tiny = np.finfo(np.float32).tiny
    return np.where(lengths > tiny, 1 / np.maximum(lengths, tiny), 0).astype(np.float32)


def _lengths(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(vectors, axis=-1), np.float32)


def _blurred(weights: FloatArray) -> FloatArray:
    """The weights under a Gaussian bell, shape [P]; their scale is of no account in a cosine."""
    deviation = SURROUNDINGS * float(np.sqrt(weights.sum()))
    down, across = (_bell(size, deviation) for size in weights.shape)
    return np.asarray(down @ weights @ across, np.float32).reshape(-1)


def _bell(size: int, deviation: float) -> FloatArray:
    distance = np.arange(size)[:, None] - np.arange(size)
    return np.exp(-0.5 * (distance / deviation) ** 2).astype(np.float32)


def _extent(weights: FloatArray) -> Extent:
    """Where the region begins and ends; exact for a box that is more than one cell long."""
    share = weights / weights.max()
    (row0, row1), (col0, col1) = _span(share.max(1)), _span(share.max(0))
    return row0, col0, row1, col1


def _span(share: FloatArray) -> tuple[float, float]:
    """From where to where a row of cells is covered, by the share of its first and last cell."""
    covered = np.flatnonzero(share)
    first, last = int(covered[0]), int(covered[-1])
    if first == last:
        return float(first), float(first + 1)
    return first + 1 - float(share[first]), last + float(share[last])
