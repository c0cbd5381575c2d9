"""The best of the images that are scored: by score, and equal scores in order of id."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial

import numpy as np
from numpy.typing import NDArray

from partlens.common.filters import GroupBy
from partlens.explainer.scoring import OneSearch, QueryPart, Score, Scored, joined
from partlens.indexer.gallery.cores import aside
from partlens.indexer.gallery.image_columns import ImageColumns, Rows
from partlens.indexer.gallery.records import FloatArray, Place
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.stages import timing

_WORTH_BYTES = 2**18
"""Of contributions to score for which a thread is worth waking up."""


@dataclass(frozen=True, eq=False)
class Asked:
    """What a search ranks by.

    Attributes:
        grid: (rows, cols) of the gallery's maps.
        by: groups of which only the best image counts; None for none.
    """

    parts: Sequence[QueryPart]
    score: Score
    grid: tuple[int, int]
    by: GroupBy | None = None


@dataclass(frozen=True, eq=False)
class Found:
    """A scored image; fields as scoring.Scored, of one image.

    Attributes:
        columns: of its segment, for the id.
        group: what it is the best of, "" where it stands alone.
    """

    place: Place
    columns: ImageColumns
    score: float
    map: FloatArray
    constant: float
    window: tuple[float, float, float, float]
    group: str = ""

    @cached_property
    def id(self) -> str:
        """Looked up when it is needed, which is seldom before the image is shown."""
        return self.columns.id_of(self.place.row)

    def __lt__(self, other: "Found") -> bool:
        """Whether it comes first in a ranking."""
        return self.is_before(other.score, lambda: other.id)

    def is_before(self, score: float, id: Callable[[], str]) -> bool:
        """Whether it comes before an image with this score and id."""
        return self.score > score or (self.score == score and self.id < id())


class Ranking:
    """The best `top` of all images that are added, or the best of `top` groups.

    What is settled stays first, whatever is added afterwards.

    Attributes:
        settled: the first hits, best first.
        open: those that follow, of what was added up to now.
        below: every hit that follows must score below this.
    """

    def __init__(self, asked: Asked, top: int) -> None:
        self.asked, self.top = asked, top
        self._search = OneSearch(asked.score, asked.parts, asked.grid)
        self.settled = list[Found]()
        self.open = list[Found]()
        self.below = math.inf

    def add(self, number: int, segment: Segment, rows: Rows) -> FloatArray:
        """Score rows of a segment, and rank those that score below what is settled.

        Args:
            number: of the segment.

        Returns:
            The scores of all of them, shape [len(rows)].
        """
        return self._add(number, segment, rows, self.cut, self.below)

    @property
    def cut(self) -> float:
        """The least score that can still be among the best."""
        full = self.open and len(self.settled) + len(self.open) == self.top
        return self.open[-1].score if full else -math.inf

    def add_equal(self, number: int, segment: Segment, rows: Rows, score: float) -> None:
        """Add rows, in order of id, of which only those of one score are wanted."""
        id = partial(segment.columns.id_of, int(rows[0]))
        if score < self.cut or score >= self.below or self._is_full_before(score, id):
            return
        if self.asked.by is not None:
            before = {one.group for one in self.open if one.is_before(score, id)} - {""}
            rows = rows[~segment.columns.groups(self.asked.by).are(before)[rows]]
        if len(rows):
            self._add(number, segment, rows, score, np.nextafter(np.float32(score), np.inf))

    def settle(self, least: float) -> None:
        """Settle what scores `least` or more."""
        self.settled += [one for one in self.open if one.score >= least]
        self.open = [one for one in self.open if one.score < least]
        self.below = min(self.below, least)

    def _is_full_before(self, score: float, id: Callable[[], str]) -> bool:
        return self.cut > -math.inf and self.open[-1].is_before(score, id)

    def _add(
        self, number: int, segment: Segment, rows: Rows, least: float, below: float
    ) -> FloatArray:
        """Those that score at least one number and below another."""
        asked, wanted = self.asked, self.top - len(self.settled)
        with timing("score"):
            scored = _scored(self._search, segment, rows)
        chosen = np.flatnonzero((scored.scores >= least) & (scored.scores < below))
        groups = None if asked.by is None else segment.columns.groups(asked.by)
        of = None if groups is None else groups.numbers[rows]
        if groups is not None and of is not None:
            chosen = chosen[~groups.are({one.group for one in self.settled} - {""})[rows[chosen]]]
        best = contenders(scored.scores[chosen], None if of is None else of[chosen], wanted)
        chosen = chosen[best]
        fresh = [
            Found(
                Place(number, int(rows[i])),
                segment.columns,
                float(scored.scores[i]),
                scored.maps[i].copy(),
                float(scored.constants[i]),
                _window(scored.windows[i]),
                "" if groups is None or of is None or of[i] < 0 else groups.texts[of[i]],
            )
            for i in chosen
        ]
        if fresh:
            self.open = first([*self.open, *fresh], wanted)
        return scored.scores


def _scored(search: OneSearch, segment: Segment, rows: Rows) -> Scored:
    """The scores of rows; half of them on an idle core."""

    def work(rows: Rows) -> Scored:
        return search.images(segment.contributions, segment.bias, rows)

    half = len(rows) // 2
    if half * segment.contributions.bytes_per_image < _WORTH_BYTES:
        return work(rows)
    with aside(lambda: work(rows[half:])) as others:
        return joined([work(rows[:half]), others()])


def contenders(
    scores: FloatArray, groups: NDArray[np.integer] | None, top: int
) -> NDArray[np.int64]:
    """Which of M scores may be among the best `top`, as equal ones are chosen from by id.

    Args:
        scores: shape [M].
        groups: of each, shape [M], of which only the best count; negative for one of its own.

    >>> contenders(np.array([1, 3, 2, 2, 3], np.float32), None, 3).tolist()
    [1, 2, 3, 4]
    >>> contenders(np.array([1, 3, 2, 2, 3], np.float32), np.array([7, 7, -1, -1, 7]), 1).tolist()
    [1, 4]
    """
    best, which = scores, np.arange(len(scores))
    if groups is not None:
        apart = np.where(groups < 0, -1 - np.arange(len(groups)), groups)
        which = np.unique(apart, return_inverse=True)[1]
        best = np.full(len(which), -np.inf, scores.dtype)
        np.maximum.at(best, which, scores)
    least = np.partition(best, len(best) - top)[len(best) - top] if len(best) > top else -np.inf
    return np.flatnonzero((scores >= least) & (scores == best[which]))


def first(found: Iterable[Found], top: int) -> list[Found]:
    """The best `top`, one of each group, best first."""
    kept: list[Found] = []
    groups = set[str]()
    for one in sorted(found):
        if len(kept) == top:
            break
        if one.group not in groups:
            kept.append(one)
            groups |= {one.group} - {""}
    return kept


def _window(cells: NDArray[np.float64]) -> tuple[float, float, float, float]:
    row0, col0, row1, col1 = (float(n) for n in cells)
    return row0, col0, row1, col1
