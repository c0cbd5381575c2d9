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
_PLACING_REACH, _PLACING_SHARE = 2.0, 3.0
"""Reach of the surroundings that help to place a region, and how much they count, all together,
for each 1 of the region. Measured on birds (decision 9)."""
_NOTHING = 2.0**-16
"""Share of a squared length that is rounding."""
CANCELLED = 2.0**-10
"""A sum of vectors that is shorter than this share of their lengths together is rounding: float16
is off by up to 2**-11. A cosine with it says nothing, and could be any number."""
JUDGED = 32
"""Maximum number of cells that decide a region's place; bounds the cost."""


@dataclass(frozen=True, eq=False)
class Judged:
    """K cells of a query image that decide where one of its regions is laid (decision 9).

    Attributes:
        cells: (row, col) of each, shape [K, 2]; the region's own first.
        directions: along what each contribution has beyond `rest`, as long as the cell counts;
            zero if it has nothing, shape [K, D].
        rest: unit vector along the sum of the contributions of all positions outside the region,
            zero if they sum to zero, shape [D].
        anchor: (row, col) of the cell that the region covers most.
    """

    cells: NDArray[np.int64]
    directions: FloatArray
    rest: FloatArray
    anchor: NDArray[np.int64]


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
        judged: the cells that decide the region's place.
        extent: the extent of the region.
        weight: share in the score; negative for an excluded region.
    """

    feature: FloatArray
    surroundings: FloatArray
    embedding_norm: float
    cells: NDArray[np.int64]
    shares: FloatArray
    judged: Judged
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
        surroundings=_blurred(weights.reshape(grid), SURROUNDINGS) @ contributions,
        embedding_norm=float(np.linalg.norm(contributions.sum(0) + bias)),
        cells=np.stack(np.divmod(covered, cols), axis=1),
        shares=weights[covered],
        judged=_judged(contributions, weights, grid),
        extent=_extent(weights.reshape(grid)),
        weight=weight,
    )


def reciprocal(lengths: NDArray[np.floating]) -> FloatArray:
    """1 / length, or 0 for a length of 0; any shape [...]."""
    tiny = np.finfo(np.float32).tiny
    return np.where(lengths > tiny, 1 / np.maximum(lengths, tiny), 0).astype(np.float32)


def lengths_of_sums(sums: FloatArray, terms: NDArray[np.floating]) -> FloatArray:
    """Lengths of sums of vectors, 0 where the vectors cancel out.

    Args:
        sums: any shape [..., D].
        terms: the lengths of the vectors, added up; shape [...].
    """
    lengths = _lengths(sums)
    return np.where(lengths > CANCELLED * terms, lengths, np.float32(0))


def beyond(lengths: FloatArray, along: FloatArray) -> FloatArray:
    """Length of what vectors have beyond a direction, 0 where rounding leaves none of it.

    Args:
        lengths: |c|, any shape [...].
        along: c.u with a unit vector u, same shape.

    Returns:
        |c - (c.u) u|, same shape.
    """
    squares = lengths**2 - along**2
    return np.sqrt(np.where(squares > _NOTHING * lengths**2, squares, 0), dtype=np.float32)


def _judged(contributions: FloatArray, weights: FloatArray, grid: tuple[int, int]) -> Judged:
    inside, outside = np.flatnonzero(weights), np.flatnonzero(weights == 0)
    around = _blurred(weights.reshape(grid), _PLACING_REACH)
    shares = weights / weights.sum() + _PLACING_SHARE * around / around.sum()
    count = min(len(inside), max(JUDGED // 2, JUDGED - len(outside)))
    some = inside[np.linspace(0, len(inside) - 1, count).round().astype(np.int64)]
    # Of shares that differ by rounding, the first.
    order = np.argsort(-shares[outside].round(5), kind="stable")
    heaviest = outside[order[: JUDGED - count]]
    chosen = np.concatenate([some, heaviest])
    counted = shares[chosen]
    counted[:count] *= shares[inside].sum() / shares[some].sum()
    rest = contributions[outside].sum(0)
    rest = rest * reciprocal(_lengths(rest))
    lengths, along = _lengths(contributions[chosen]), contributions[chosen] @ rest
    apart = contributions[chosen] - along[:, None] * rest
    return Judged(
        np.stack(np.divmod(chosen, grid[1]), axis=1),
        apart * (counted * reciprocal(beyond(lengths, along)))[:, None],
        rest,
        np.array(divmod(int(some[weights[some].argmax()]), grid[1])),
    )


def _lengths(vectors: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.norm(vectors, axis=-1), np.float32)


def _blurred(weights: FloatArray, reach: float) -> FloatArray:
    """Weights blurred by a Gaussian, shape [P]; their scale does not matter in a cosine.

    Args:
        reach: standard deviation of the Gaussian, in sides of the region.
    """
    deviation = reach * float(np.sqrt(weights.sum()))
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
