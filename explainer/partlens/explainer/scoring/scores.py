"""WHOLE, PART and SURROUNDINGS, and the mixtures of them that a search ranks by."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring.arrays import surroundings_features, whole_features
from partlens.explainer.scoring.engines import Scorer, make_scorer
from partlens.explainer.scoring.part import FloatArray, QueryPart, reciprocal
from partlens.explainer.scoring.score import MIXTURES, Score, Scored, Shares
from partlens.explainer.stored import RowArray, RowNumbers, Stored


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
    the same in nearly all images (decision 10). Each is 0 where the vector that it divides by is 0,
    or is what rounding leaves of vectors that cancel out (part.CANCELLED).

    Args:
        score: the score to compute.
        parts: the regions of the query, at least one.
        contributions: c_q of each image, shape [M, P, D].
        bias: b of each image, shape [M, D].
        grid: (rows, cols), P = rows * cols.

    Raises:
        ShapeError: no part, or the arrays do not fit together.
    """
    stored = Stored(np.asarray(contributions, np.float32))
    return score_rows(score, parts, stored, bias, np.arange(len(stored)), grid)


def score_rows(
    score: Score,
    parts: Sequence[QueryPart],
    stored: Stored,
    bias: RowArray,
    rows: RowNumbers,
    grid: tuple[int, int],
) -> Scored:
    """Score M stored images, read from where they are stored; as score_images.

    Args:
        stored: c_q of N images.
        bias: b of each, shape [N, D]; read only if WHOLE has a share.
        rows: numbers of the images to score, 0 to N - 1, shape [M].

    Raises:
        ShapeError: no part, or the arrays do not fit together.
        IndexError: there is no such row.
    """
    return OneSearch(score, parts, grid).images(stored, bias, rows)


class OneSearch:
    """A search that is prepared once, and scores images of any number of segments; thread-safe.

    Args:
        score: the score to compute.
        parts: the regions of the query, at least one.
        grid: (rows, cols) of the images.

    Raises:
        ShapeError: no part, or the parts do not fit together.
    """

    def __init__(self, score: Score, parts: Sequence[QueryPart], grid: tuple[int, int]) -> None:
        self._parts, self._grid = parts, grid
        _require_parts(parts, parts[0].feature.size if parts else 0, grid)
        self._scorer = make_scorer([(MIXTURES[score], parts)], grid)

    def images(self, stored: Stored, bias: RowArray, rows: RowNumbers) -> Scored:
        """Score M stored images; arguments and errors as of score_rows."""
        _require_stored(stored, bias, self._grid)
        _require_dimensions(self._parts, stored.shape[2])
        if len(rows) and not 0 <= rows.min() <= rows.max() < len(stored):
            raise IndexError(f"rows {rows.min()} to {rows.max()}; there are {len(stored)}")
        return self._scorer.images(stored, bias, rows)


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
    (features, norms), (blurred, lengths) = whole_features(parts), surroundings_features(parts)
    return Directions(
        np.asarray(shares.surroundings * (weights * reciprocal(lengths)) @ blurred, np.float32),
        np.asarray(shares.whole * (weights * reciprocal(norms)) @ features, np.float32),
    )


class ManySearches:
    """S searches that score each image together.

    They share its conversion and products, and each term of a part that several scores have.

    Args:
        searches: the score of each, and its parts, at least one.
    """

    def __init__(self, searches: Sequence[tuple[Score, Sequence[QueryPart]]]) -> None:
        self._searches = searches
        self._scorer: tuple[tuple[int, tuple[int, int]], Scorer] | None = None
        terms = dict[tuple[Shares, QueryPart], int]()
        self._first, used, weights = list[int](), list[int](), list[float]()
        for score, parts in searches:
            self._first.append(len(used))
            for part in parts:
                for alone, share in MIXTURES[score].terms():
                    used.append(terms.setdefault((alone, part), len(terms)))
                    weights.append(share * part.weight)
        self._terms = [(alone, [replace(part, weight=1.0)]) for alone, part in terms]
        self._used, self._weights = np.array(used), np.array(weights, np.float32)

    def scores(
        self, contributions: FloatArray, bias: FloatArray, grid: tuple[int, int]
    ) -> FloatArray:
        """The scores of M images for each search, as by score_images; shape [M, S].

        Arguments and errors as in score_images.
        """
        stored = Stored(np.asarray(contributions, np.float32))
        _require_stored(stored, bias, grid)
        if not self._searches:
            return np.zeros((len(stored), 0), np.float32)
        made_for = stored.shape[2], grid
        if self._scorer is None or self._scorer[0] != made_for:
            for _, parts in self._searches:
                _require_parts(parts, *made_for)
            self._scorer = made_for, make_scorer(self._terms, grid)
        terms = self._scorer[1].scores(stored, bias, np.arange(len(stored)))
        return np.add.reduceat(terms[:, self._used] * self._weights, self._first, axis=1)


def _require_stored(stored: Stored, bias: RowArray, grid: tuple[int, int]) -> None:
    shape, (rows, cols) = stored.values.shape, grid
    if len(shape) != 3 or shape[1] != rows * cols:
        raise ShapeError(
            f"contributions have shape {shape}; a {rows}x{cols} grid needs [M, {rows * cols}, D]"
        )
    if stored.scales is not None and stored.scales.shape != shape[:2]:
        raise ShapeError(
            f"scales have shape {stored.scales.shape}; these contributions need {shape[:2]}"
        )
    if bias.shape != shape[::2]:
        raise ShapeError(f"bias has shape {bias.shape}; these contributions need {shape[::2]}")


def _require_dimensions(parts: Sequence[QueryPart], dimensions: int) -> None:
    for part in parts:
        if part.feature.shape != (dimensions,):
            raise ShapeError(
                f"a partial feature has shape {part.feature.shape}; "
                f"these contributions need ({dimensions},)"
            )
        judged = part.judged
        for vectors in (part.surroundings, judged.directions, judged.rest):
            if vectors.shape[-1] != dimensions:
                raise ShapeError(
                    f"a part has vectors of {vectors.shape[-1]} and of {dimensions} numbers"
                )


def _require_parts(parts: Sequence[QueryPart], dimensions: int, grid: tuple[int, int]) -> None:
    if not parts:
        raise ShapeError("a search needs at least one region")
    _require_dimensions(parts, dimensions)
    for part in parts:
        if part.cells.shape != (len(part.shares), 2):
            raise ShapeError(
                f"a part has cells {part.cells.shape} and shares {part.shares.shape}; they need"
                " to be [K, 2] and [K]"
            )
        if (part.cells >= grid).any():
            raise ShapeError(f"a part covers cells outside the {grid[0]}x{grid[1]} grid")
