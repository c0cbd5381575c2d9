"""Regions as weights of positions; a point can snap to the part of the image that it lies on."""

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Point, Region
from partlens.common.registration import Registration
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.errors import RegionError
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.regions import position_weights

FloatArray = NDArray[np.float32]
Grid = tuple[int, int]

ALIKE = 0.5
"""Least cosine of a position's contribution with the point's, for it to join the part. Measured on
birds (docs/results.md)."""


def region_weights(
    region: Region,
    contributions: FloatArray,
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    registration: Registration,
    require_waiting: RequireWaiting = wait_always,
) -> FloatArray:
    """The fraction of each position that a region covers; a point with `snap` covers its part.

    Args:
        contributions: c_p of the image, shape [P, D].
        region, image_size, preprocessing, registration, require_waiting: as in position_weights.

    Returns:
        w_p in 0..1, float32, shape [P], row-major; at least one is above 0.

    Raises:
        RegionError: as position_weights; or a point snaps to nothing, since its position
            contributes nothing.
    """
    if not (isinstance(region, Point) and region.snap):
        return position_weights(region, image_size, preprocessing, registration, require_waiting)
    cell = Point(region.x, region.y)
    seed = position_weights(cell, image_size, preprocessing, registration, require_waiting)
    return snapped(contributions, int(seed.argmax()), registration.grid)


def snapped(contributions: FloatArray, seed: int, grid: Grid) -> FloatArray:
    """Weights that grow from one position over adjacent positions with similar contributions.

    A position's weight is the cosine of its contribution with the seed's, if that is at least
    ALIKE and a path of such positions, each next to the one before (not diagonally), leads to it
    from the seed; else 0. The seed has weight 1.

    Args:
        contributions: c_p of the image, shape [P, D].
        seed: number of the position to start from.
        grid: (rows, cols), P = rows * cols.

    Returns:
        Float32, shape [P].

    Raises:
        RegionError: the seed contributes nothing, so nothing is like it.
    """
    lengths = np.linalg.norm(contributions, axis=1)
    if not lengths[seed] > 0:
        raise RegionError(
            "the model sees nothing at this point, so it cannot snap to a part; choose another"
            " point, or leave out snap"
        )
    cosines = contributions @ contributions[seed] / (np.maximum(lengths, 1e-30) * lengths[seed])
    alike = (cosines >= ALIKE).reshape(grid)
    reached = np.zeros(grid, np.bool_)
    reached.flat[seed] = True
    while (more := _with_neighbours(reached) & alike & ~reached).any():
        reached |= more
    weights = np.where(reached.reshape(-1), cosines.clip(0, 1), 0)
    weights[seed] = 1
    return weights.astype(np.float32)


def _with_neighbours(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The cells, and those above, below, left and right of them."""
    grown = cells.copy()
    grown[1:] |= cells[:-1]
    grown[:-1] |= cells[1:]
    grown[:, 1:] |= cells[:, :-1]
    grown[:, :-1] |= cells[:, 1:]
    return grown
