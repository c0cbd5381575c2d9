"""Searches as flat arrays, the form that the compiled code reads."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.part import FloatArray, QueryPart
from partlens.explainer.scoring.score import Shares

PANEL = 3
"""Vectors of columns in a panel: as many as have their products in registers, for each of four
positions (compiling.multiply_three)."""
_BATCH_COLUMNS = 768
"""Columns of the parts that are multiplied together, unless a single part has more; bounds memory,
and keeps the products in the processor's cache."""


class Plan(NamedTuple):
    """Q parts of S searches. Axis letters: K judged cells and C covered cells of all parts.

    Attributes:
        columns: what positions are multiplied with, one panel after another, each [D, width].
        batches: the parts that are multiplied together: first part, end, first column, number of
            columns; [B, 4].
        own: of each part: its search; its columns, counted from its batch's first, of the feature,
            of the surroundings, and of the rest, which the judged directions follow, or -1 if
            there is none; 1 if its window is the image's, else 0; [Q, 5].
        shares: of WHOLE, PART and SURROUNDINGS, times the part's weight, [Q, 3].
        lengths: |E_q|, |f| and |f'|, [Q, 3].
        features: f, [Q, D]; [0, D] if WHOLE has no share.
        judged: (rows, cols) of judged cells from the anchor, [K, 2].
        covered: the same of covered cells, [C, 2].
        weights: of covered cells, [C].
        ends: where the judged and the covered cells of each part begin, and the last ones end,
            [Q + 1, 2].
        extents: extents of the parts, [Q, 4].
        anchors: anchors of the parts, [Q, 2].
        reach: largest number of rows, and of columns, of a judged cell from the anchor, [2].
    """

    columns: FloatArray
    batches: NDArray[np.int64]
    own: NDArray[np.int64]
    shares: FloatArray
    lengths: FloatArray
    features: FloatArray
    judged: NDArray[np.int64]
    covered: NDArray[np.int64]
    weights: FloatArray
    ends: NDArray[np.int64]
    extents: NDArray[np.float64]
    anchors: NDArray[np.int64]
    reach: NDArray[np.int64]


class _Part(NamedTuple):
    """One part of a search.

    Attributes:
        search: number of the search.
        leads: whether the windows of the search are where this part is.
        judged: the judged cells that can lie inside an image, from the anchor, [K, 2].
        vectors: what positions are multiplied with, [n, D].
    """

    search: int
    leads: bool
    part: QueryPart
    shares: Shares
    judged: NDArray[np.int64]
    vectors: FloatArray

    @classmethod
    def of(
        cls, search: int, leads: bool, part: QueryPart, shares: Shares, grid: tuple[int, int]
    ) -> "_Part":
        """Choose the vectors that the shares need."""
        offsets = part.judged.cells - part.judged.anchor
        inside = (np.abs(offsets) < grid).all(1) & bool(shares.part)
        rows = [part.feature[None]] if shares.whole or shares.part else []
        rows += [part.surroundings[None]] if shares.surroundings else []
        rows += [part.judged.rest[None], part.judged.directions[inside]] if shares.part else []
        return cls(search, leads, part, shares, offsets[inside], np.concatenate(rows))

    def own(self, start: int) -> tuple[int, ...]:
        """Its row of Plan.own, if its columns begin at `start`."""
        columns = list[int]()
        needs_feature = bool(self.shares.whole or self.shares.part)
        for needed in (needs_feature, bool(self.shares.surroundings), bool(self.shares.part)):
            columns.append(start if needed else -1)
            start += needed
        return self.search, *columns, self.leads

    @property
    def lengths(self) -> tuple[float, ...]:
        """Its row of Plan.lengths."""
        feature, around = np.linalg.norm([self.part.feature, self.part.surroundings], axis=1)
        return self.part.embedding_norm, float(feature), float(around)


def make_plan(
    searches: Sequence[tuple[Shares, Sequence[QueryPart]]], grid: tuple[int, int], lanes: int
) -> Plan:
    """Prepare searches.

    Args:
        searches: the shares of each, and its parts, at least one.
        grid: (rows, cols) of the images.
        lanes: numbers in a vector of the compiled code.
    """
    each = [
        _Part.of(number, part is leading, part, shares, grid)
        for number, (shares, parts) in enumerate(searches)
        for leading in [max(parts, key=lambda one: one.weight)]
        for part in parts
    ]
    parts = [one.part for one in each]
    ends = [(0, 0), *((len(one.judged), len(one.part.cells)) for one in each)]
    batches = list(_batches([len(one.vectors) for one in each], lanes))
    first = [start for batch in batches for start in batch.starts]
    judged = np.concatenate([one.judged for one in each])
    return Plan(
        columns=np.concatenate(
            [panel for batch in batches for panel in _panels(each, batch, lanes)]
        ),
        batches=np.array([batch.row for batch in batches], np.int64),
        own=np.array([one.own(start) for one, start in zip(each, first, strict=True)], np.int64),
        shares=np.array([np.multiply(one.shares, one.part.weight) for one in each], np.float32),
        lengths=np.array([one.lengths for one in each], np.float32),
        features=np.array([part.feature for part in parts], np.float32),
        judged=judged,
        covered=np.concatenate([part.cells - part.judged.anchor for part in parts]),
        weights=np.concatenate([part.shares for part in parts]).astype(np.float32, copy=False),
        ends=np.cumsum(ends, axis=0),
        extents=np.array([part.extent for part in parts], np.float64),
        anchors=np.stack([part.judged.anchor for part in parts]),
        reach=np.abs(judged).max(0, initial=0),
    )


class _Batch(NamedTuple):
    """Parts `first` to `end` - 1, the columns from which each begins, and where theirs begin."""

    first: int
    end: int
    starts: list[int]
    column: int
    width: int

    @property
    def row(self) -> tuple[int, ...]:
        """Its row of Plan.batches."""
        return self.first, self.end, self.column, self.width


def _batches(counts: Sequence[int], lanes: int) -> Iterator[_Batch]:
    """Put parts together in batches, by the number of columns of each."""
    first, column = 0, 0
    while first < len(counts):
        end, starts, width = first, list[int](), 0
        while end < len(counts) and (not starts or width + counts[end] <= _BATCH_COLUMNS):
            starts.append(width)
            width += counts[end]
            end += 1
        width = -(-width // lanes) * lanes
        yield _Batch(first, end, starts, column, width)
        first, column = end, column + width


def _panels(each: Sequence[_Part], batch: _Batch, lanes: int) -> Iterator[FloatArray]:
    """The columns of a batch; those that fill it up are zero."""
    vectors = np.concatenate([one.vectors for one in each[batch.first : batch.end]])
    padded = np.zeros((vectors.shape[1], batch.width), np.float32)
    padded[:, : len(vectors)] = vectors.T
    for start in range(0, batch.width, PANEL * lanes):
        yield padded[:, start : start + PANEL * lanes].reshape(-1)
