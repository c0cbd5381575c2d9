"""WHOLE, PART and SURROUNDINGS, and the mixtures of them that a search ranks by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring.part import FloatArray, QueryPart, reciprocal
from partlens.explainer.scoring.placement import place

Score = Literal["whole", "part", "default"]


class Shares(NamedTuple):
    """How much of each goes into a score, and so into its map and constant."""

    whole: float = 0.0
    part: float = 0.0
    surroundings: float = 0.0


MIXTURES: Mapping[Score, Shares] = {
    "whole": Shares(whole=1.0),
    "part": Shares(part=1.0),
    "default": Shares(part=1.0, surroundings=1.0),
}


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of M images; scores == maps.sum((1, 2)) + constants.

    Attributes:
        scores: shape [M].
        maps: signed share of each position, shape [M, rows, cols].
        constants: what the bias of the retrieved image adds, shape [M].
        windows: where the part of the largest weight matched, cells (row0, col0, row1, col1) with
            fractions, shape [M, 4].
    """

    scores: FloatArray
    maps: FloatArray
    constants: FloatArray
    windows: NDArray[np.float64]


class _Term(NamedTuple):
    """One share of a score: maps [M, rows, cols], constants [M], and how far the region moved."""

    maps: FloatArray
    constants: FloatArray
    moved: NDArray[np.float64]


def score_images(
    score: Score,
    parts: Sequence[QueryPart],
    contributions: FloatArray,
    bias: FloatArray,
    grid: tuple[int, int],
) -> Scored:
    """Scores M images against the parts of a query.

    WHOLE is f.E_r / (|E_q||E_r|), section 5.4 of Zhu, Yang, Chen (2021); it matched where its map
    is largest. PART is cos(f, sum_p w_p c_(p+s)), the region laid over the retrieved image where it
    fits best (see placement.place). SURROUNDINGS is cos(f', E_r), f' of the region and what lies
    around it. An image whose embedding is zero gets WHOLE and SURROUNDINGS 0; a place that sums to
    zero gets PART 0.

    Args:
        contributions: c_q of each image, shape [M, P, D].
        bias: b of each image, shape [M, D].
        grid: (rows, cols), P = rows * cols.

    Raises:
        ShapeError: no part, or arrays that do not fit together.
    """
    _require_fitting(parts, contributions, bias, grid)
    images = np.asarray(contributions, np.float32).reshape(
        len(contributions), *grid, contributions.shape[2]
    )
    bias = np.asarray(bias, np.float32)
    shares = MIXTURES[score]
    embedding_lengths = np.linalg.norm(images.sum((1, 2)) + bias, axis=1)
    lengths = np.sqrt(np.einsum("mrcd,mrcd->mrc", images, images)) if shares.part else None
    maps = np.zeros(images.shape[:3], np.float32)
    constants = np.zeros(len(images), np.float32)
    windows = np.zeros((len(images), 4))
    leading = max(range(len(parts)), key=lambda i: parts[i].weight)
    for i, part in enumerate(parts):
        # The last term says where it matched: PART where it has a share.
        for share, term in _terms(shares, part, images, bias, embedding_lengths, lengths):
            maps += part.weight * share * term.maps
            constants += part.weight * share * term.constants
            if i == leading:
                windows = _windows(part, term.moved, grid)
    return Scored(maps.sum((1, 2)) + constants, maps, constants, windows)


def _terms(
    shares: Shares,
    part: QueryPart,
    images: FloatArray,
    bias: FloatArray,
    embedding_lengths: FloatArray,
    lengths: FloatArray | None,
) -> list[tuple[float, _Term]]:
    terms = []
    if shares.whole:
        scale = reciprocal(part.embedding_norm * embedding_lengths)
        terms.append((shares.whole, _linear(part, part.feature, images, bias, scale)))
    if shares.surroundings:
        scale = reciprocal(np.linalg.norm(part.surroundings) * embedding_lengths)
        terms.append((shares.surroundings, _linear(part, part.surroundings, images, bias, scale)))
    if shares.part and lengths is not None:
        terms.append((shares.part, _placed(part, images, lengths)))
    return terms


def _linear(
    part: QueryPart, feature: FloatArray, images: FloatArray, bias: FloatArray, scale: FloatArray
) -> _Term:
    """feature.c_q and feature.b, scaled per image."""
    maps = (images @ feature) * scale[:, None, None]
    count, rows, cols = maps.shape
    peak = np.stack(np.divmod(maps.reshape(count, rows * cols).argmax(1), cols), axis=1)
    row0, col0, row1, col1 = part.extent
    return _Term(
        maps, (bias @ feature) * scale, peak + 0.5 - [(row0 + row1) / 2, (col0 + col1) / 2]
    )


def _placed(part: QueryPart, images: FloatArray, lengths: FloatArray) -> _Term:
    """PART's map, zero outside the place that the region takes."""
    count, rows, cols, dimensions = images.shape
    placement = place(part, images, lengths)
    cells = part.cells + placement.shifts[:, None]
    inside = ((cells >= 0) & (cells < (rows, cols))).all(2)
    index = np.where(inside, cells[..., 0] * cols + cells[..., 1], 0)
    image = np.arange(count)[:, None]
    covered = images.reshape(count, rows * cols, dimensions)[image, index]
    shares = part.shares * inside
    laid = np.einsum("mk,mkd->md", shares, covered)
    scale = reciprocal(np.linalg.norm(part.feature) * np.linalg.norm(laid, axis=1))
    maps = np.zeros((count, rows * cols), np.float32)
    values = (covered @ part.feature) * shares * scale[:, None]
    maps[np.broadcast_to(image, index.shape)[inside], index[inside]] = values[inside]
    return _Term(maps.reshape(count, rows, cols), np.zeros(count, np.float32), placement.finer)


def _windows(
    part: QueryPart, moved: NDArray[np.float64], grid: tuple[int, int]
) -> NDArray[np.float64]:
    """The region's extent where it went, cut at the grid's edges."""
    windows: NDArray[np.float64] = np.clip(
        np.array(part.extent) + np.tile(moved, 2), 0, np.tile(np.array(grid), 2)
    )
    return windows


def _require_fitting(
    parts: Sequence[QueryPart],
    contributions: FloatArray,
    bias: FloatArray,
    grid: tuple[int, int],
) -> None:
    if not parts:
        raise ShapeError("a search needs at least one region")
    rows, cols = grid
    if contributions.ndim != 3 or contributions.shape[1] != rows * cols:
        raise ShapeError(
            f"contributions have shape {contributions.shape}; "
            f"a {rows}x{cols} grid needs [M, {rows * cols}, D]"
        )
    count, _, dimensions = contributions.shape
    if bias.shape != (count, dimensions):
        raise ShapeError(
            f"bias has shape {bias.shape}; these contributions need {(count, dimensions)}"
        )
    for part in parts:
        if part.feature.shape != (dimensions,):
            raise ShapeError(
                f"a partial feature has shape {part.feature.shape}; "
                f"these contributions need ({dimensions},)"
            )
        if (part.cells >= (rows, cols)).any():
            raise ShapeError(f"a part covers cells that a {rows}x{cols} grid has not")
