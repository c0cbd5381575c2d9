"""The numpy version of scoring: the kernel's oracle, and its substitute where it cannot run."""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.part import FloatArray, QueryPart, lengths_of_sums, reciprocal
from partlens.explainer.scoring.placement import first_largest, laid, place
from partlens.explainer.scoring.score import Scored, Shares
from partlens.explainer.scoring.stack import Along, PartStack
from partlens.explainer.stored import RowArray, RowNumbers, Stored

_PRODUCT_BYTES = 16 * 2**20
"""Maximum size of one product of images with the judged cells of many parts; bounds memory."""


class ArrayScorer:
    """Scores images by numpy; an engines.Scorer."""

    def __init__(
        self, searches: Sequence[tuple[Shares, Sequence[QueryPart]]], grid: tuple[int, int]
    ) -> None:
        self._searches, self._grid = searches, grid

    def images(self, stored: Stored, bias: RowArray, rows: RowNumbers) -> Scored:
        """See engines.Scorer."""
        ((shares, parts),) = self._searches
        images = _Images(stored, bias, rows, self._grid)
        maps = np.zeros(images.contributions.shape[:3], np.float32)
        constants = np.zeros(len(maps), np.float32)
        windows = np.zeros((len(maps), 4))
        leading = max(range(len(parts)), key=lambda i: parts[i].weight)
        for i, (part, stack) in enumerate(zip(parts, self._single, strict=True)):
            # The last term says where it matched: PART where it has a share.
            for share, term in _terms(shares, stack, images):
                maps += part.weight * share * term.maps[:, 0]
                constants += part.weight * share * term.constants[:, 0]
                if i == leading:
                    windows = _clipped(term.windows[:, 0], self._grid)
        return Scored(maps.sum((1, 2)) + constants, maps, constants, windows)

    def scores(self, stored: Stored, bias: RowArray, rows: RowNumbers) -> FloatArray:
        """See engines.Scorer."""
        scores = np.zeros((len(rows), len(self._searches)), np.float32)
        for shares, stack, weights in self._stacks:
            step = max(1, _PRODUCT_BYTES // (4 * stored.shape[1] * stack.columns))
            for start in range(0, len(rows), step):
                some = rows[start : start + step]
                images = _Images(stored, bias, some, self._grid)
                for share, term in _terms(shares, stack, images):
                    added = share * (term.maps.sum((2, 3)) + term.constants) @ weights
                    scores[start : start + step] += added
        return scores

    @cached_property
    def _single(self) -> list[PartStack]:
        """The parts of the only search, each for itself."""
        ((shares, parts),) = self._searches
        return [_stack(shares, [part]) for part in parts]

    @cached_property
    def _stacks(self) -> list[tuple[Shares, PartStack, FloatArray]]:
        """The parts of all searches by their shares, and their weights for each search."""
        stacks = []
        for shares in dict.fromkeys(one for one, _ in self._searches):
            mine = [
                (i, part)
                for i, (own, parts) in enumerate(self._searches)
                if own == shares
                for part in parts
            ]
            weights = np.zeros((len(mine), len(self._searches)), np.float32)
            for row, (number, part) in enumerate(mine):
                weights[row, number] = part.weight
            stacks.append((shares, _stack(shares, [part for _, part in mine]), weights))
        return stacks


class _Images:
    """M images, with the vector lengths that scoring needs.

    Attributes:
        contributions: shape [M, rows, cols, D].
    """

    def __init__(
        self, stored: Stored, bias: RowArray, rows: RowNumbers, grid: tuple[int, int]
    ) -> None:
        contributions = stored[rows]
        self.contributions = contributions.reshape(len(rows), *grid, contributions.shape[2])
        # A product takes a third of the time of a sum.
        ones = np.ones((1, contributions.shape[1]), np.float32)
        self._sums = (ones @ contributions)[:, 0]
        self._bias, self._rows = bias, rows

    @cached_property
    def bias(self) -> FloatArray:
        """Shape [M, D]; read from the disk only for WHOLE."""
        return np.asarray(self._bias[self._rows], np.float32)

    @cached_property
    def sum_lengths(self) -> FloatArray:
        """|sum_q c_q|, shape [M]."""
        return lengths_of_sums(self._sums, self.lengths.sum((1, 2)))

    @cached_property
    def embedding_lengths(self) -> FloatArray:
        """|E_r|, shape [M]."""
        terms = self.lengths.sum((1, 2)) + np.linalg.norm(self.bias, axis=1)
        return lengths_of_sums(self._sums + self.bias, terms)

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


def _stack(shares: Shares, parts: Sequence[QueryPart]) -> PartStack:
    return PartStack(parts, placed=bool(shares.part))


def whole_features(parts: Sequence[QueryPart]) -> tuple[FloatArray, NDArray[np.floating]]:
    """The features f of WHOLE, [Q, D], and the divisor of f.E_r / |E_r|, [Q]."""
    return (
        np.stack([part.feature for part in parts]),
        np.array([part.embedding_norm for part in parts]),
    )


def surroundings_features(parts: Sequence[QueryPart]) -> tuple[FloatArray, NDArray[np.floating]]:
    """The same for SURROUNDINGS."""
    features = np.stack([part.surroundings for part in parts])
    return features, np.linalg.norm(features, axis=1)


def _terms(shares: Shares, stack: PartStack, images: _Images) -> list[tuple[float, _Term]]:
    along = stack.along(images.contributions)
    terms = []
    if shares.whole:
        features, norms = whole_features(stack.parts)
        term = _linear(stack, along.features, norms, images.embedding_lengths)
        # One product for each image, as in PartStack.along.
        constants = (features @ images.bias[:, :, None])[:, :, 0]
        constants *= reciprocal(images.embedding_lengths[:, None] * norms)
        terms.append((shares.whole, term._replace(constants=constants)))
    if shares.surroundings:
        _, norms = surroundings_features(stack.parts)
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
    terms = (flat @ images.lengths.reshape(count, rows * cols, 1))[:, :, 0]
    scale = reciprocal(norms * lengths_of_sums(sums, terms))
    maps = weights * along.features * scale[..., None, None]
    windows = placement.windows(stack.extents - np.tile(stack.anchors, 2).astype(np.float64))
    return _Term(maps, np.zeros(maps.shape[:2], np.float32), windows)


def _clipped(windows: NDArray[np.float64], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Windows of cells, shape [M, 4], clipped to the grid."""
    clipped: NDArray[np.float64] = np.clip(windows, 0, np.tile(np.array(grid), 2))
    return clipped
