"""WHOLE, PART and SURROUNDINGS, and the mixtures of them that a search ranks by."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring.part import FloatArray, QueryPart, reciprocal
from partlens.explainer.scoring.placement import first_largest, laid, place
from partlens.explainer.scoring.stack import Along, PartStack

Score = Literal["whole", "part", "context"]
BEST: Score = "context"
"""The default score of a search: the one that measured best."""
_PRODUCT_BYTES = 16 * 2**20
"""Maximum size of one product of images with the judged cells of many parts; bounds memory."""


class Shares(NamedTuple):
    """Share of each term in a score, and so in its map and constant."""

    whole: float = 0.0
    part: float = 0.0
    surroundings: float = 0.0


MIXTURES: Mapping[Score, Shares] = {
    "whole": Shares(whole=1.0),
    "part": Shares(part=1.0),
    "context": Shares(part=1.0, surroundings=1.0),
}


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of M images; scores == maps.sum((1, 2)) + constants.

    Attributes:
        scores: shape [M].
        maps: what each position adds, signed, shape [M, rows, cols].
        constants: what the bias of the retrieved image adds, shape [M].
        windows: where the part with the largest weight matched, cells (row0, col0, row1, col1)
            with fractions, shape [M, 4].
    """

    scores: FloatArray
    maps: FloatArray
    constants: FloatArray
    windows: NDArray[np.float64]


def score_images(
    score: Score,
    parts: Sequence[QueryPart],
    contributions: FloatArray,
    bias: FloatArray,
    grid: tuple[int, int],
) -> Scored:
    """Score M images against the parts of a query.

    WHOLE is f.E_r / (|E_q||E_r|), section 5.4 of Zhu, Yang, Chen (2021); its match is where its map
    is largest. PART is cos(f, sum_p w_p c_s(p)), the region laid over the retrieved image, mirrored
    or not, where it and its surroundings fit best (see placement.place). SURROUNDINGS is
    cos(f', sum_q c_q), with f' of the region and what lies around it; without the bias, which is
    the same in nearly all images (decision 10). Each is 0 where the vector that it divides by is.

    Args:
        score: the score to compute.
        parts: the regions of the query, at least one.
        contributions: c_q of each image, shape [M, P, D].
        bias: b of each image, shape [M, D].
        grid: (rows, cols), P = rows * cols.

    Raises:
        ShapeError: no part, or the arrays do not fit together.
    """
    _require_fitting(parts, contributions, bias, grid)
    images = _Images(contributions, bias, grid)
    maps = np.zeros(images.contributions.shape[:3], np.float32)
    constants = np.zeros(len(maps), np.float32)
    windows = np.zeros((len(maps), 4))
    leading = max(range(len(parts)), key=lambda i: parts[i].weight)
    for i, part in enumerate(parts):
        # The last term says where it matched: PART where it has a share.
        for share, term in _terms(score, _stack(score, [part]), images):
            maps += part.weight * share * term.maps[:, 0]
            constants += part.weight * share * term.constants[:, 0]
            if i == leading:
                windows = _clipped(term.windows[:, 0], grid)
    return Scored(maps.sum((1, 2)) + constants, maps, constants, windows)


class Directions(NamedTuple):
    """What a score adds to PART: sums.S_r / |S_r| + embeddings.E_r / |E_r|, S_r = sum_p c_p.

    Attributes:
        sums, embeddings: of SURROUNDINGS and of WHOLE, shape [D]; zero where it has no share.
    """

    sums: FloatArray
    embeddings: FloatArray


def directions(score: Score, parts: Sequence[QueryPart]) -> Directions:
    """The directions of a query's parts, with their weights."""
    shares, weights = MIXTURES[score], np.array([part.weight for part in parts])
    (features, norms), (blurred, lengths) = _whole(parts), _surroundings(parts)
    return Directions(
        np.asarray(shares.surroundings * (weights * reciprocal(lengths)) @ blurred, np.float32),
        np.asarray(shares.whole * (weights * reciprocal(norms)) @ features, np.float32),
    )


class ManySearches:
    """S searches that score each image together: their parts share the products with it.

    Args:
        searches: the score of each, and its parts, at least one.
    """

    def __init__(self, searches: Sequence[tuple[Score, Sequence[QueryPart]]]) -> None:
        self._stacks: list[tuple[Score, PartStack, FloatArray]] = []
        for score in MIXTURES:
            mine = [
                (i, part) for i, (s, parts) in enumerate(searches) if s == score for part in parts
            ]
            if not mine:
                continue
            weights = np.zeros((len(mine), len(searches)), np.float32)
            for row, (number, part) in enumerate(mine):
                weights[row, number] = part.weight
            self._stacks.append((score, _stack(score, [part for _, part in mine]), weights))
        self._count = len(searches)

    def scores(
        self, contributions: FloatArray, bias: FloatArray, grid: tuple[int, int]
    ) -> FloatArray:
        """The scores of M images for each search, as by score_images; shape [M, S].

        Arguments and errors as in score_images.
        """
        scores = np.zeros((len(contributions), self._count), np.float32)
        for score, stack, weights in self._stacks:
            _require_fitting(stack.parts, contributions, bias, grid)
            step = max(1, _PRODUCT_BYTES // (4 * contributions.shape[1] * stack.columns))
            for start in range(0, len(contributions), step):
                some = slice(start, start + step)
                images = _Images(contributions[some], bias[some], grid)
                for share, term in _terms(score, stack, images):
                    scores[some] += share * (term.maps.sum((2, 3)) + term.constants) @ weights
        return scores


class _Images:
    """M images, with the vector lengths that scoring needs.

    Attributes:
        contributions: shape [M, rows, cols, D].
        bias: shape [M, D].
        sum_lengths: |sum_q c_q|, shape [M].
        embedding_lengths: |E_r|, shape [M].
    """

    def __init__(self, contributions: FloatArray, bias: FloatArray, grid: tuple[int, int]) -> None:
        shape = (len(contributions), *grid, contributions.shape[2])
        self.contributions = np.asarray(contributions, np.float32).reshape(shape)
        self.bias = np.asarray(bias, np.float32)
        # A product takes a third of the time of a sum.
        ones = np.ones((1, contributions.shape[1]), np.float32)
        sums = (ones @ self.contributions.reshape(contributions.shape))[:, 0]
        self.sum_lengths = np.linalg.norm(sums, axis=1)
        self.embedding_lengths = np.linalg.norm(sums + self.bias, axis=1)

    @cached_property
    def lengths(self) -> FloatArray:
        """|c_q| of each position, shape [M, rows, cols]."""
        squares = np.vecdot(self.contributions, self.contributions)
        return np.asarray(np.sqrt(squares), np.float32)


class _Term(NamedTuple):
    """One term of the scores of Q parts: maps [M, Q, rows, cols], constants [M, Q], and where each
    region lies, cells (row0, col0, row1, col1), [M, Q, 4]."""

    maps: FloatArray
    constants: FloatArray
    windows: NDArray[np.float64]


def _stack(score: Score, parts: Sequence[QueryPart]) -> PartStack:
    return PartStack(parts, placed=bool(MIXTURES[score].part))


def _whole(parts: Sequence[QueryPart]) -> tuple[FloatArray, NDArray[np.floating]]:
    """The features f of WHOLE, [Q, D], and the divisor of f.E_r / |E_r|, [Q]."""
    return (
        np.stack([part.feature for part in parts]),
        np.array([part.embedding_norm for part in parts]),
    )


def _surroundings(parts: Sequence[QueryPart]) -> tuple[FloatArray, NDArray[np.floating]]:
    """The same for SURROUNDINGS."""
    features = np.stack([part.surroundings for part in parts])
    return features, np.linalg.norm(features, axis=1)


def _terms(score: Score, stack: PartStack, images: _Images) -> list[tuple[float, _Term]]:
    shares, along = MIXTURES[score], stack.along(images.contributions)
    terms = []
    if shares.whole:
        features, norms = _whole(stack.parts)
        term = _linear(stack, along.features, norms, images.embedding_lengths)
        # One product for each image, as in PartStack.along.
        constants = (features @ images.bias[:, :, None])[:, :, 0]
        constants *= reciprocal(images.embedding_lengths[:, None] * norms)
        terms.append((shares.whole, term._replace(constants=constants)))
    if shares.surroundings:
        _, norms = _surroundings(stack.parts)
        term = _linear(stack, along.surroundings, norms, images.sum_lengths)
        terms.append((shares.surroundings, term))
    if shares.part:
        terms.append((shares.part, _placed(stack, along, images)))
    return terms


def _linear(
    stack: PartStack,
    along: FloatArray,
    norms: NDArray[np.floating],
    lengths: NDArray[np.floating],
) -> _Term:
    """feature.c_q, divided by the norms [Q] and the lengths [M]; nothing constant."""
    maps = along * reciprocal(lengths[:, None] * norms)[..., None, None]
    count, parts, rows, cols = maps.shape
    best = first_largest(maps.reshape(count, parts, rows * cols), axis=2)
    peak = np.stack(np.divmod(best, cols), axis=2)
    extents = stack.extents
    # A region as high or as wide as the image does not move along that side.
    sides = extents[:, 2:] - extents[:, :2]
    middle = np.where(sides < (rows, cols), peak + 0.5, (extents[:, :2] + extents[:, 2:]) / 2)
    windows = np.concatenate([middle - sides / 2, middle + sides / 2], axis=2)
    return _Term(maps, np.zeros((count, parts), np.float32), windows)


def _placed(stack: PartStack, along: Along, images: _Images) -> _Term:
    """PART's map, zero outside the place of the region."""
    count, rows, cols, dimensions = images.contributions.shape
    placement = place(stack, along, images.lengths)
    weights = laid(stack, placement, (rows, cols))
    flat = weights.reshape(count, len(stack), rows * cols)
    sums = flat @ images.contributions.reshape(count, rows * cols, dimensions)
    norms = np.array([np.linalg.norm(part.feature) for part in stack.parts])
    scale = reciprocal(norms * np.linalg.norm(sums, axis=2))
    maps = weights * along.features * scale[..., None, None]
    windows = placement.windows(stack.extents - np.tile(stack.anchors, 2).astype(np.float64))
    return _Term(maps, np.zeros(maps.shape[:2], np.float32), windows)


def _clipped(windows: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Windows of cells, shape [M, 4], clipped to the grid."""
    clipped: NDArray[np.float64] = np.clip(windows, 0, np.tile(np.array(grid), 2))
    return clipped


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
            raise ShapeError(f"a part covers cells outside the {rows}x{cols} grid")
