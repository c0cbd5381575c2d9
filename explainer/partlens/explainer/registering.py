"""Measures where each cell of a feature map looks: the centre and spread of what changes it.

A small patch of a picture is replaced by noise, and each cell's change says how much it sees of
that place. A cell's centre is the centroid of these changes, raised to a power so that what it sees
best decides. Patches are taken along diagonals of a fine grid, so that every row and column of
patches occurs equally often, each diagonal on another picture. Pictures of objects are better than
noise: in noise, gates and attention change everywhere with each patch.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import isotonic_regression

from partlens.common.registration import Axis, Registration
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.locality import positions_of

FloatArray = NDArray[np.float32]
Backbone = Callable[[FloatArray], FloatArray]
PASSES, SECONDS = 300, 60.0
"""Bounds on the images that are run, and on the time; one diagonal is always measured."""
_FEWEST, _MOST = 7, 40
"""Patches that fill an axis: one for each cell, within these bounds and those of the time."""
_BATCH = 8
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


def register(
    model: MetricModel, pictures: Sequence[NDArray[np.uint8]]
) -> tuple[MetricModel, Registered]:
    """The model with a measured registration, and the measurement; save it to give it a digest.

    Runs at most PASSES images, for about SECONDS.

    Args:
        model: the model.
        pictures: some that its patches are replaced in, upright RGB, uint8 [height, width, 3].

    Raises:
        ModelError: the backbone fails.
    """
    spec = model.spec
    found = measure(
        model.backbone, spec.preprocessing, spec.feature_grid, pictures, len(spec.extras)
    )
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
    profiles = _profiles(backbone, preprocessing, grid, extras, pictures)
    axes, reasons = [], {}
    for name, cells, profile in zip(("rows", "cols"), grid, profiles, strict=True):
        axis = Axis.nominal(1) if cells == 1 else _axis(cells, *profile)
        if isinstance(axis, str):
            reasons[name], axis = axis, Axis.nominal(cells)
        axes.append(axis)
    return Registered(Registration(*axes), reasons)


@dataclass(frozen=True, eq=False)
class _Patches:
    """Patches along one axis of the input; each overlaps half of the next.

    Attributes:
        starts: first pixel of each, ascending.
        length: in pixels.
        side: of the input, in pixels.
    """

    starts: NDArray[np.int64]
    length: int
    side: int

    @classmethod
    def of(cls, count: int, side: int) -> "_Patches":
        """Patches as long as `count` of them that fill the side."""
        length = max(1, side // count)
        return cls(
            np.unique(np.linspace(0, side - length, 2 * count - 1).round().astype(np.int64)),
            length,
            side,
        )

    def __len__(self) -> int:
        return len(self.starts)

    def pixels(self, patch: int) -> slice:
        """The pixels of a patch."""
        return slice(int(self.starts[patch]), int(self.starts[patch]) + self.length)

    @property
    def middles(self) -> NDArray[np.float64]:
        """As fractions of the input."""
        return (self.starts + self.length / 2) / self.side

    @property
    def shares(self) -> NDArray[np.float64]:
        """Fraction of the input that is nearest to each middle."""
        between = (self.middles[1:] + self.middles[:-1]) / 2
        return np.diff([0.0, *between, 1.0])


@np.errstate(all="ignore")  # numbers that overflow give no centre, and that is said
def _profiles(
    backbone: Backbone,
    preprocessing: Preprocessing,
    grid: tuple[int, int],
    extras: int,
    pictures: Sequence[NDArray[np.uint8]],
) -> list[tuple[_Patches, NDArray[np.float64]]]:
    """For rows and cols: how much each group of cells sees of each row or column of patches.

    Returns:
        Patches along the axis, and an array [groups, patches]; up to _MOST groups of neighbouring
        cells.
    """
    random = np.random.default_rng(0)
    most = _affordable(backbone, _noise(random, preprocessing))
    groups = [min(cells, most) for cells in grid]
    rows, cols = axes = [
        _Patches.of(min(max(count, _FEWEST), side), side)
        for count, side in zip(groups, (preprocessing.height, preprocessing.width), strict=True)
    ]
    totals = [np.zeros((count, len(axis))) for count, axis in zip(groups, axes, strict=True)]
    start = time.monotonic()
    diagonals = max(1, PASSES // (max(map(len, axes)) + 1))
    shifts = random.permutation(np.arange(diagonals) % min(map(len, axes)))
    for diagonal, shift in enumerate(shifts):
        patches = _diagonal((len(rows), len(cols)), int(shift))
        places = [(rows.pixels(row), cols.pixels(col)) for row, col in patches.tolist()]
        picture = preprocessing.pixels(pictures[diagonal % len(pictures)])
        seen = _changes(backbone, picture, _noise(random, preprocessing), places)[:, extras:]
        for axis, total in enumerate(totals):
            along = seen.reshape(-1, *grid).sum(2 - axis) @ _grouping(grid[axis], groups[axis])
            of = patches[:, axis]
            for patch, row in zip(of, along, strict=True):
                total[:, patch] += row / (of == patch).sum()
        if time.monotonic() - start > SECONDS:
            break
    return list(zip(axes, totals, strict=True))


def _affordable(backbone: Backbone, picture: FloatArray) -> int:
    """Most patches along an axis, so that a slow network can run one diagonal in time."""
    backbone(picture[None])  # the first run of a network also prepares it
    start = time.monotonic()
    backbone(picture[None])
    passes = SECONDS / max(time.monotonic() - start, 1e-6)
    return int(min(max(passes / 2, _FEWEST), _MOST))


def _diagonal(counts: tuple[int, int], shift: int) -> NDArray[np.int64]:
    """(row, column) of the patches of one diagonal; each row and each column occurs."""
    along = np.arange(max(counts))
    turned = [0, shift] if counts[0] >= counts[1] else [shift, 0]
    return np.stack([(along + by) % count for by, count in zip(turned, counts, strict=True)], 1)


def _changes(
    backbone: Backbone,
    picture: FloatArray,
    other: FloatArray,
    patches: Sequence[tuple[slice, slice]],
) -> NDArray[np.float64]:
    """|change of A_p|^2 when each patch of a picture is replaced, over their mean, [patches, P].

    Args:
        picture, other: the picture and what its patches are replaced by, [3, height, width].
        patches: rows and columns of pixels.
    """
    before = positions_of(backbone(picture[None]))[0].astype(np.float64)
    changes = np.empty((len(patches), len(before)))
    for start in range(0, len(patches), _BATCH):
        some = patches[start : start + _BATCH]
        pixels = np.repeat(picture[None], len(some), 0)
        for changed, (down, across) in zip(pixels, some, strict=True):
            changed[:, down, across] = other[:, down, across]
        after = positions_of(backbone(pixels))
        changes[start : start + len(some)] = ((after - before) ** 2).sum(2)
    mean = changes.mean()
    return changes / mean if mean > 0 else changes


def _noise(random: np.random.Generator, preprocessing: Preprocessing) -> FloatArray:
    shape = (preprocessing.height, preprocessing.width, 3)
    return preprocessing.pixels(random.integers(0, 256, shape).astype(np.uint8))


def _grouping(cells: int, groups: int) -> NDArray[np.float64]:
    """1 where a cell belongs to a group of neighbours, [cells, groups]."""
    of = np.arange(cells) * groups // cells
    return np.asarray(of[:, None] == np.arange(groups), np.float64)


def _axis(cells: int, patches: _Patches, profile: NDArray[np.float64]) -> Axis | str:
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
    grouping = _grouping(cells, groups)
    middles = at @ grouping / grouping.sum(0)
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
    return np.asarray(1 - found[::-1])
