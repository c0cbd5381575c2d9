"""How much each cell of a feature map changes when a patch of the picture is replaced.

Patches are taken along diagonals of a fine grid, so that every row and column of patches occurs
equally often, each diagonal on another picture.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.locality import positions_of

FloatArray = NDArray[np.float32]
Backbone = Callable[[FloatArray], FloatArray]
PASSES, SECONDS = 300, 60.0
"""Bounds on the images that are run, and on the time; one diagonal is always measured."""
_FEWEST, _MOST = 7, 40
"""Patches that fill an axis: one for each cell, within these bounds and those of the time."""
_BATCH = 8


@dataclass(frozen=True, eq=False)
class Patches:
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
    def of(cls, count: int, side: int) -> "Patches":
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
def profiles(
    backbone: Backbone,
    preprocessing: Preprocessing,
    grid: tuple[int, int],
    extras: int,
    pictures: Sequence[NDArray[np.uint8]],
) -> list[tuple[Patches, NDArray[np.float64]]]:
    """For rows and cols: how much each group of cells sees of each row or column of patches.

    Returns:
        Patches along the axis, and an array [groups, patches]; up to _MOST groups of neighbouring
        cells.
    """
    random = np.random.default_rng(0)
    most = _affordable(backbone, _noise(random, preprocessing))
    groups = [min(cells, most) for cells in grid]
    rows, cols = axes = [
        Patches.of(min(max(count, _FEWEST), side), side)
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
            along = seen.reshape(-1, *grid).sum(2 - axis) @ grouping(grid[axis], groups[axis])
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


def grouping(cells: int, groups: int) -> NDArray[np.float64]:
    """1 where a cell belongs to a group of neighbours, [cells, groups]."""
    of = np.arange(cells) * groups // cells
    return np.asarray(of[:, None] == np.arange(groups), np.float64)
