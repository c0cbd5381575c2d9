"""Scores that a region search ranks by; every score is the sum of its map and its constant."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError

Score = Literal["whole", "part", "default"]
FloatArray = NDArray[np.float32]

# Shares of WHOLE and PART in each score, and so in its map and constant.
MIXTURES: dict[Score, tuple[float, float]] = {
    "whole": (1.0, 0.0),
    "part": (0.0, 1.0),
    "default": (2.0, 1.0),
}


@dataclass(frozen=True)
class QueryPart:
    """One region of a query image, as the search sees it.

    Attributes:
        feature: partial feature f = sum_p w_p c_p, shape [D].
        embedding_norm: |E_q| of the image that the region lies in.
        window: (rows, cols) that the region spans in cells; the size of window that PART places.
        weight: share in the score; negative for a region that must not be there.
    """

    feature: FloatArray
    embedding_norm: float
    window: tuple[int, int]
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
    share = weights.reshape(grid) / weights.max()
    window = (
        max(1, round(float(share.max(1).sum()))),
        max(1, round(float(share.max(0).sum()))),
    )
    embedding_norm = float(np.linalg.norm(contributions.sum(0) + bias))
    return QueryPart(weights @ contributions, embedding_norm, window, weight)


@dataclass(frozen=True)
class Scored:
    """Scores of M images; scores == maps.sum((1, 2)) + constants.

    Attributes:
        scores: shape [M].
        maps: signed share of each position, shape [M, rows, cols].
        constants: what the bias of the retrieved image adds, shape [M].
        windows: where the part of the largest weight matched, cells (row0, col0, row1, col1), half
            open, shape [M, 4].
    """

    scores: FloatArray
    maps: FloatArray
    constants: FloatArray
    windows: NDArray[np.int64]


def score_images(
    score: Score,
    parts: Sequence[QueryPart],
    contributions: FloatArray,
    bias: FloatArray,
    grid: tuple[int, int],
) -> Scored:
    """Scores M images against the parts of a query.

    WHOLE is f.E_r / (|E_q||E_r|), section 5.4 of Zhu, Yang, Chen (2021). PART is the largest
    cos(f, sum of c_q over a window) among all placements of the window. An image whose embedding
    is zero gets WHOLE 0, a window that sums to zero gets PART 0.

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
    whole_share, part_share = MIXTURES[score]
    maps = np.zeros(images.shape[:3], np.float32)
    constants = np.zeros(len(images), np.float32)
    windows = np.zeros((len(images), 4), np.int64)
    leading = max(range(len(parts)), key=lambda i: parts[i].weight)
    for i, part in enumerate(parts):
        whole_map, whole_constant = _whole(part, images, bias)
        part_map, placed = _best_window(part, images)
        maps += part.weight * (whole_share * whole_map + part_share * part_map)
        constants += part.weight * whole_share * whole_constant
        if i == leading:
            windows = placed
    return Scored(maps.sum((1, 2)) + constants, maps, constants, windows)


def _whole(part: QueryPart, images: FloatArray, bias: FloatArray) -> tuple[FloatArray, FloatArray]:
    embeddings = images.sum((1, 2)) + bias
    normalisers = part.embedding_norm * np.linalg.norm(embeddings, axis=1)
    scale = _reciprocal(normalisers)
    return (images @ part.feature) * scale[:, None, None], (bias @ part.feature) * scale


def _best_window(part: QueryPart, images: FloatArray) -> tuple[FloatArray, NDArray[np.int64]]:
    """PART's map, zero outside the best window, and that window."""
    rows, cols = (
        min(size, limit) for size, limit in zip(part.window, images.shape[1:3], strict=True)
    )
    sums = _window_sums(images, rows, cols)
    scale = _reciprocal(np.linalg.norm(part.feature) * np.linalg.norm(sums, axis=3))
    placements = sums.shape[1] * sums.shape[2]
    cosines = ((sums @ part.feature) * scale).reshape(len(images), placements)
    best = cosines.argmax(1)
    top, left = np.divmod(best, sums.shape[2])
    placed = np.stack([top, left, top + rows, left + cols], axis=1)
    row, col = np.arange(images.shape[1]), np.arange(images.shape[2])
    inside = ((row >= top[:, None]) & (row < top[:, None] + rows))[:, :, None] & (
        (col >= left[:, None]) & (col < left[:, None] + cols)
    )[:, None, :]
    chosen = np.take_along_axis(scale.reshape(len(images), placements), best[:, None], 1)
    return (images @ part.feature) * inside * chosen[:, :, None], placed


def _window_sums(images: FloatArray, rows: int, cols: int) -> FloatArray:
    """Sum of every rows x cols window, shape [M, placements down, placements across, D].

    By integral image in float64, whose differences stay exact to float32.
    """
    integral = np.zeros((len(images), images.shape[1] + 1, images.shape[2] + 1, images.shape[3]))
    integral[:, 1:, 1:] = images.cumsum(1, np.float64).cumsum(2)
    below, above = integral[:, rows:], integral[:, : integral.shape[1] - rows]
    sums = below[:, :, cols:] - below[:, :, :-cols] - above[:, :, cols:] + above[:, :, :-cols]
    return sums.astype(np.float32)


def _reciprocal(norms: FloatArray) -> FloatArray:
    tiny = np.finfo(np.float32).tiny
    return np.where(norms > tiny, 1 / np.maximum(norms, tiny), 0).astype(np.float32)


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
        if min(part.window) < 1:
            raise ShapeError(f"a window of {part.window} cells holds nothing; each side needs >= 1")
