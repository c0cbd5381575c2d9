"""One region of a query image, prepared for a search."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError

FloatArray = NDArray[np.float32]
Extent = tuple[float, float, float, float]
"""(row0, col0, row1, col1) in cells of the grid, with fractions."""

SURROUNDINGS = 1.0
"""Reach of a region's surroundings: the standard deviation of the Gaussian that blurs its weights,
in sides of the region. Measured on birds and on generated people (decision 1)."""


@dataclass(frozen=True, eq=False)
class QueryPart:
    """One region of a query image.

    Attributes:
        feature: partial feature f = sum_p w_p c_p, shape [D].
        surroundings: the same with blurred weights, so that the region's surroundings count too,
            less with distance; shape [D].
        embedding_norm: |E_q| of the region's image.
        cells: (row, col) of each of the K positions that the region covers, shape [K, 2].
        shares: w_p of each, shape [K].
        directions: c_p / |c_p| of each, zero if the position contributes nothing, shape [K, D].
        extent: the extent of the region.
        weight: share in the score; negative for an excluded region.
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
    """Prepare one region of a query image.

    Args:
        contributions: c_p of the image, shape [P, D].
        bias: b of the image, shape [D].
        weights: fraction of each position that the region covers, 0..1, shape [P].
        grid: (rows, cols), P = rows * cols.
        weight: share in the score; negative for an excluded region.

    Raises:
        ShapeError: the arrays do not fit together, or the region covers nothing.
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
    """1 / length, or 0 for a length of 0; any shape [...]."""
    tiny = np.finfo(np.float32).tiny
    return np.where(lengths > tiny, 1 / np.maximum(lengths, tiny), 0).astype(np.float32)


def _lengths(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(vectors, axis=-1), np.float32)


def _blurred(weights: FloatArray) -> FloatArray:
    """Weights blurred by a Gaussian, shape [P]; their scale does not matter in a cosine."""
    deviation = SURROUNDINGS * float(np.sqrt(weights.sum()))
    down, across = (_bell(size, deviation) for size in weights.shape)
    return np.asarray(down @ weights @ across, np.float32).reshape(-1)


def _bell(size: int, deviation: float) -> FloatArray:
    distance = np.arange(size)[:, None] - np.arange(size)
    return np.exp(-0.5 * (distance / deviation) ** 2).astype(np.float32)


def _extent(weights: FloatArray) -> Extent:
    """The region's extent; exact for a box longer than one cell."""
    share = weights / weights.max()
    (row0, row1), (col0, col1) = _span(share.max(1)), _span(share.max(0))
    return row0, col0, row1, col1


def _span(share: FloatArray) -> tuple[float, float]:
    """Start and end of the covered part of a row of cells, from its first and last fractions."""
    covered = np.flatnonzero(share)
    first, last = int(covered[0]), int(covered[-1])
    if first == last:
        return float(first), float(first + 1)
    return first + 1 - float(share[first]), last + float(share[last])
