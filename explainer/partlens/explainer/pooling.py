"""Pools contributions to fewer positions by adding neighbours, which keeps their total.

Axis letters: N images, P positions, D dimensions.
"""

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError

FloatArray = NDArray[np.float32]


def pool(contributions: FloatArray, grid: tuple[int, int], to: tuple[int, int]) -> FloatArray:
    """Contributions on a coarser grid: each cell's is divided by area, so that sums stay.

    Args:
        contributions: shape [N, P, D], P = rows x cols of `grid`.
        grid: rows and columns before.
        to: rows and columns after; if they divide `grid`, whole neighbours are added.

    Returns:
        Shape [N, P', D]; the sum over P' equals the sum over P.

    Raises:
        ShapeError: `to` is empty or finer than `grid`.
    """
    if not (1 <= to[0] <= grid[0] and 1 <= to[1] <= grid[1]):
        raise ShapeError(
            f"a map of {grid[0]}x{grid[1]} cannot be pooled to {to[0]}x{to[1]}; 1x1 to"
            f" {grid[0]}x{grid[1]} is allowed"
        )
    if to == grid:
        return contributions
    shares = np.kron(_shares(grid[0], to[0]), _shares(grid[1], to[1])).astype(np.float32)
    return np.asarray(shares @ contributions, np.float32)


def _shares(before: int, after: int) -> NDArray[np.float64]:
    """Fraction of each cell in each coarser one, shape [after, before]; columns sum to 1."""
    fine = np.arange(before)
    coarse = np.arange(after)[:, None] * (before / after)
    covered = np.minimum(fine + 1, coarse + before / after) - np.maximum(fine, coarse)
    return np.asarray(np.clip(covered, 0, None), np.float64)
