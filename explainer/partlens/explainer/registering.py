"""Measures where each cell of a feature map looks: the centre and spread of what changes it.

A small patch of a picture is replaced by noise, and each cell's change says how much it sees of
that place. A cell's centre is the centroid of these changes, raised to a power so that what it sees
best decides. Patches are taken along diagonals of a fine grid, so that every row and column of
patches occurs equally often, each diagonal on another picture. Pictures of objects are better than
noise: in noise, gates and attention change everywhere with each patch.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from partlens.common.registration import Axis, Registration
from partlens.explainer.model import MetricModel
from partlens.explainer.patches import Backbone, Patches, grouping, profiles
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.reading import ImagesLike, read_images

_POWER = 1.5
"""Of the squared changes: with 1 faint changes pull the centres inwards, 3 is less stable."""
_SPREAD_OUT = 1 / 3
"""Smallest share of their nominal distance that the outermost centres must keep."""
_DISORDERED = 0.5
"""Most that a centre may be moved to make the centres ascend, in cells."""
_CLOSEST = 0.05
"""Least distance between neighbouring centres, in cells."""
_DIGITS = 7


@dataclass(frozen=True)
class Registered:
    """A measurement.

    Attributes:
        registration: where the cells look.
        kept_nominal: for "rows" and "cols", why they keep evenly spread centres, if they do.
    """

    registration: Registration
    kept_nominal: dict[str, str]


def register(model: MetricModel, pictures: ImagesLike) -> tuple[MetricModel, Registered]:
    """The model with a measured registration, and the measurement; save it to give it a digest.

    Runs at most PASSES images, for about SECONDS.

    Args:
        model: the model.
        pictures: some that its patches are replaced in; see reading.read_image.

    Raises:
        ModelError: the backbone fails.
        ImageError: a picture cannot be read.
    """
    spec = model.spec
    pixels = [one.picture.pixels for one in read_images(pictures)]
    found = measure(model.backbone, spec.preprocessing, spec.feature_grid, pixels, len(spec.extras))
    pooled = found.registration.pooled(spec.grid)
    return (
        replace(model, spec=replace(spec, digest="", registered=pooled)),
        replace(found, registration=pooled),
    )


def measure(
    backbone: Backbone,
    preprocessing: Preprocessing,
    grid: tuple[int, int],
    pictures: Sequence[NDArray[np.uint8]],
    extras: int = 0,
) -> Registered:
    """Where the cells of a backbone's feature map look.

    Args:
        backbone: pixels [N, 3, height, width] to [N, C, rows, cols] or tokens [N, T, C].
        grid: (rows, cols) of the feature map.
        pictures: upright RGB, uint8 [height, width, 3], each for one diagonal of patches.
        extras: how many of the first tokens lie on no cell.
    """
    seen = profiles(backbone, preprocessing, grid, extras, pictures)
    axes, reasons = [], {}
    for name, cells, profile in zip(("rows", "cols"), grid, seen, strict=True):
        axis = Axis.nominal(1) if cells == 1 else _axis(cells, *profile)
        if isinstance(axis, str):
            reasons[name], axis = axis, Axis.nominal(cells)
        axes.append(axis)
    return Registered(Registration(*axes), reasons)


def _axis(cells: int, patches: Patches, profile: NDArray[np.float64]) -> Axis | str:
    """The axis of a profile [groups, patches], or why there is none."""
    # What a cell sees everywhere says nothing; what stands out counts.
    weights = (profile - profile.min(1, keepdims=True)) ** _POWER * patches.shares
    totals = weights.sum(1)
    if not (np.isfinite(weights).all() and (totals > 0).all()):
        return "some cells see no place better than others"
    groups, places = len(profile), patches.middles
    centres = weights @ places / totals
    spreads = np.sqrt(np.maximum(weights @ places**2 / totals - centres**2, 0))
    at = np.array(Axis.nominal(cells).centres)
    members = grouping(cells, groups)
    middles = at @ members / members.sum(0)
    ascending = isotonic_regression(centres).x
    if np.abs(ascending - centres).max() > _DISORDERED / groups:
        return "neighbouring cells do not look at neighbouring places"
    if ascending[-1] - ascending[0] < _SPREAD_OUT * (middles[-1] - middles[0]):
        return "all cells look at the same place"
    # Cells of a group share its shift, so that fine grids need no more patches.
    found = _spaced(at + np.interp(at, middles, ascending - middles))
    return Axis(
        tuple(np.round(found, _DIGITS).tolist()),
        tuple(np.round(np.interp(at, middles, spreads), _DIGITS).tolist()),
    )


def _spaced(centres: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centres moved apart, and inside the picture, where they are closer than _CLOSEST."""
    least = _CLOSEST / len(centres)
    steps = (np.arange(len(centres)) + 1) * least
    ascending = np.maximum.accumulate(np.maximum(centres, least) - steps) + steps
    mirrored = 1 - ascending[::-1]
    found = np.maximum.accumulate(np.maximum(mirrored, least) - steps) + steps
    return np.asarray(1 - found[::-1], np.float64)
