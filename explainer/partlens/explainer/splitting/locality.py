"""Whether each position of a feature map depends on its own place in the picture.

Contributions add up whatever is taken as a position: channels or shuffled tokens are complete
as well, and their maps show nothing. So an import changes one cell's area of the picture
at a time and looks where the feature map changes: a change that moves by one cell in the picture
must move by one cell in the map.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ModelError
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.layout import Grid

FloatArray = NDArray[np.float32]
MISPLACED = 0.6
"""Largest `Locality.rows` or `.cols` of a usable map. Networks for faces, people and birds have
0.06 to 0.22, random ones up to 0.5; channels, transposed and shuffled positions 0.66 to 1.6."""
SHIFTED = 1.0
"""Largest `Locality.shifted` of a usable map. If a class token in the middle or at the end is named
as the first, it is 20 and more in transformers. First ones give at most 0.05 there, and 0.6 where
tokens come from convolutions, whose neighbours see nearly the same."""
_JUDGED = 4
"""Fewer cells on an axis of [N, C, rows, cols] prove nothing: each of them may see all others."""
_PROBES, _PAIRS, _BATCH = 25, 2, 8


@dataclass(frozen=True)
class Locality:
    """How far from the changed cell the map changes, over how far it would be by chance.

    Attributes:
        rows, cols: 0 where the map changes exactly at the changed cell, about 1 where it does not
            matter which cell was changed; 0 on an axis of one cell.
        changes: False if the map is the same whatever the picture shows.
        shifted: largest response to a cell of a token that would be its own if the extras lay
            elsewhere, over the response of the one that is; 0 without extras.
    """

    rows: float
    cols: float
    changes: bool = True
    shifted: float = 0.0

    def usable(self, grid: Grid, known_layout: bool) -> bool:
        """Whether positions depend on their own places.

        Args:
            grid: (rows, cols) of the map.
            known_layout: True for [N, C, rows, cols], where the axes are known, so that few
                cells need no proof; tokens need it on every axis.
        """
        fewest = _JUDGED if known_layout else 2
        judged = zip(grid, (self.rows, self.cols), strict=True)
        return (
            self.changes
            and self.shifted <= SHIFTED
            and all(misplaced <= MISPLACED for cells, misplaced in judged if cells >= fewest)
        )


@np.errstate(all="ignore")  # numbers that overflow are refused, not warned about
def measure(
    backbone: Callable[[FloatArray], FloatArray],
    preprocessing: Preprocessing,
    grid: Grid,
    extras: int,
) -> Locality:
    """Change up to 25 cells of two pictures one by one, and see where the feature map changes.

    Args:
        backbone: pixels [N, 3, height, width] to [N, C, rows, cols] or tokens [N, T, C].
        grid: (rows, cols) that the map is taken to have.
        extras: how many of the first tokens lie on no cell.
    """
    probes, of_tokens = responses(backbone, preprocessing, grid)
    changed = of_tokens[:, extras:]
    if not changed.any():
        return Locality(math.inf, math.inf, changes=False)
    # A cell that always changes must not outweigh one that changes only at its own place.
    share = changed / np.maximum(changed.mean(0), 1e-12)
    # Large receptive fields and attention change every cell a little; what stands out counts.
    weights = np.maximum(share - np.median(share, 1, keepdims=True), 0) ** 2
    answered = weights.sum(1) > 0
    places = np.stack(np.divmod(np.arange(grid[0] * grid[1]), grid[1]), 1)
    centres = weights[answered] / weights[answered].sum(1, keepdims=True) @ places
    rows, cols = (
        _misplaced(centres[:, axis], probes[answered, axis], probes[:, axis]) for axis in (0, 1)
    )
    return Locality(rows, cols, shifted=_shifted(of_tokens, probes, grid, extras))


def responses(
    backbone: Callable[[FloatArray], FloatArray], preprocessing: Preprocessing, grid: Grid
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """How much each position changes when one cell's area of the picture does.

    Returns:
        The K changed cells as (row, col), shape [K, 2], and |change of A_p|, shape [K, P], of
        tokens that lie on no cell too.
    """
    rows, cols = _probed(grid)
    probes = np.array([(row, col) for row in rows for col in cols])
    total: NDArray[np.float64] = np.zeros((len(probes), 0))
    random = np.random.default_rng(0)
    for _ in range(_PAIRS):
        picture, other = (_picture(random, preprocessing, grid) for _ in range(2))
        before = positions_of(backbone(preprocessing.pixels(picture)[None]))
        total = total if total.size else np.zeros((len(probes), before.shape[1]))
        for start in range(0, len(probes), _BATCH):
            some = probes[start : start + _BATCH]
            pixels = np.stack(
                [
                    preprocessing.pixels(_changed(picture, other, grid, (int(row), int(col))))
                    for row, col in some
                ]
            )
            after = positions_of(backbone(pixels))
            total[start : start + len(some)] += np.linalg.norm(after - before, axis=2)
    return probes, total


def require_local(locality: Locality, grid: Grid, shape: tuple[int, ...], layer: str) -> None:
    """Refuse a feature map in which positions depend on other places.

    Args:
        shape: of the feature map without its batch axis, [C, rows, cols] or [T, C].
        layer: its name, for the message.

    Raises:
        ModelError: they do.
    """
    if locality.usable(grid, known_layout=len(shape) == 3):
        return
    given = f"the feature layer {layer!r} gives [N, {', '.join(map(str, shape))}], read as a grid"
    given += f" of {grid[0]}x{grid[1]} cells"
    needed = (
        "Choose a layer that gives [N, C, rows, cols], or [N, T, C] with one token for each square"
        " patch, row by row, after the tokens named as extras (--extra-token)"
    )
    if not locality.changes:
        raise ModelError(f"{given}, but it is the same whatever the picture shows. {needed}")
    if locality.shifted > SHIFTED:
        raise ModelError(
            f"{given}, but the tokens that lie on no cell are not the first ones: a token before"
            f" that of the changed cell changes {locality.shifted:.2g} times as much. {needed}"
        )
    raise ModelError(
        f"{given}, but its positions do not look at those cells: when one cell of the picture"
        " changes, the map changes elsewhere (distance over that of chance:"
        f" rows {locality.rows:.2f}, cols {locality.cols:.2f}; at most {MISPLACED} is allowed)."
        f" Its axes may be channels, transposed, or tokens in another order. {needed}"
    )


def _misplaced(
    centres: NDArray[np.float64], own: NDArray[np.int64], probes: NDArray[np.int64]
) -> float:
    """Distance of each centre from its own probe over that from any probe, along one axis.

    A probe that no cell answers counts as much as one answered anywhere.
    """
    if probes.min() == probes.max():
        return 0.0
    if not len(centres):
        return 1.0
    by_chance = np.abs(centres[:, None] - probes[None]).mean()
    unanswered = 1 - len(centres) / len(probes)
    misplaced = np.abs(centres - own).mean() / max(by_chance, 1e-12)
    return float(unanswered + (1 - unanswered) * misplaced)


def _shifted(
    changed: NDArray[np.float64], probes: NDArray[np.int64], grid: Grid, extras: int
) -> float:
    """How much more tokens up to `extras` places earlier answer than the one of a probe's cell.

    A class token in the middle or at the end leaves patches where extras are said to be, and each
    later patch one token early. Most tokens lie next to the one before them and see nearly the
    same, so what counts is the start of each row: there the one before lies at the end of another
    row, or on no cell.
    """
    share = changed / np.maximum(changed.mean(0), 1e-12)
    largest = 0.0
    for index, (row, col) in enumerate(probes):
        own = extras + row * grid[1] + col
        earlier = slice(own - extras, own - col)
        # Of tokens that change at anything the amount says nothing, of faint ones the share.
        more = np.minimum(
            share[index, earlier] / max(share[index, own], 1e-12),
            changed[index, earlier] / max(changed[index, own], 1e-12),
        )
        largest = max(largest, float(more.max(initial=0.0)))
    return largest


def _probed(grid: Grid) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows and cols to change, from edge to edge, at most _PROBES pairs of them."""
    cols = min(grid[1], math.isqrt(_PROBES))
    rows = min(grid[0], _PROBES // cols)
    cols = min(grid[1], _PROBES // rows)
    first, second = (
        np.linspace(0, cells - 1, count).round().astype(np.int64)
        for cells, count in zip(grid, (rows, cols), strict=True)
    )
    return first, second


def _picture(
    random: np.random.Generator, preprocessing: Preprocessing, grid: Grid
) -> NDArray[np.uint8]:
    """Noise around a colour of its own in each cell, uint8 [height, width, 3]."""
    height, width = preprocessing.height, preprocessing.width
    row, col = np.arange(height) * grid[0] // height, np.arange(width) * grid[1] // width
    colours = random.integers(0, 256, (*grid, 3))[row][:, col]
    noisy = colours + random.integers(-64, 65, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def _changed(
    picture: NDArray[np.uint8], other: NDArray[np.uint8], grid: Grid, cell: tuple[int, int]
) -> NDArray[np.uint8]:
    """The picture with one cell of the other one."""
    rows, cols = (
        slice(index * size // cells, max(math.ceil((index + 1) * size / cells), 1))
        for index, size, cells in zip(cell, picture.shape[:2], grid, strict=True)
    )
    mixed = picture.copy()
    mixed[rows, cols] = other[rows, cols]
    return mixed


def positions_of(feature: FloatArray) -> FloatArray:
    """A as [N, P, C]."""
    if feature.ndim == 4:
        return feature.reshape(*feature.shape[:2], -1).transpose(0, 2, 1)
    return feature
