"""Finds the best images of a gallery: scores them all, or the candidates that an index names."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import numpy as np

from partlens.common.filters import Filter, GroupBy
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.scoring import QueryPart, Score
from partlens.indexer.gallery.candidates import Chosen, candidate_rows
from partlens.indexer.gallery.cores import a_core
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.indexes import SegmentIndex
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.plan import growth
from partlens.indexer.gallery.ranking import Asked, Found, Ranking
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.stages import timing
from partlens.indexer.gallery.threads import one_thread

Between = Callable[[], None]
"""Called between two pieces of a search's work; see cores.Cores.one."""
_CHUNK_BYTES = 2**21
"""Of contributions scored at a time: their float32 copy stays in the processor's cache."""
EXACT_BYTES = 16 * 2**20
"""Up to this size of contributions every image that passes the filter is scored, which takes no
longer than asking an index."""
RERANKED: Mapping[Score, int] = {"whole": 256, "part": 768, "context": 256}
"""Above it, so many candidates times plan.growth are scored first, and _MORE times as many in each
later round. PART is what an index tells least of."""
_MORE = 3.2
_A_RESULT = 6
"""Candidates for each score that a round settles."""
MOST_RERANKED = 32768
"""Candidates at most, unless more results are wanted."""


def search(
    live: LiveRows,
    parts: Sequence[QueryPart],
    score: Score,
    where: Filter,
    top: int,
    grid: tuple[int, int],
    index_of: Callable[[Segment], SegmentIndex],
    exact_bytes: int = EXACT_BYTES,
    require_waiting: RequireWaiting = wait_always,
    by: GroupBy | None = None,
) -> list[Found]:
    """The best `top` images, or the best of `top` groups, best first; equal scores in order of id.

    A search for fewer gives the beginning of what a search for more gives, so pages of any size
    join. Where the contributions to look through fit into exact_bytes, the result is that of
    scoring every image. Otherwise FAISS names candidates, and those are scored exactly; copies of
    a hit are ranked whether they are named or not.

    Args:
        index_of: gives a segment's index.
        require_waiting: called between chunks; what it raises ends the search.
        by: groups of which only the best image counts.
    """
    passing = [
        (segment, rows) for segment, rows in live.matching(where, require_waiting) if len(rows)
    ]
    size = sum(segment.contributions.bytes_per_image * len(rows) for segment, rows in passing)
    numbers = {segment: number for number, segment in enumerate(live.segments)}
    ranking = Ranking(Asked(parts, score, grid, by), top)

    def add(between: Between, chosen: Chosen, equal: float | None = None) -> list[_Part]:
        scored = list[_Part]()
        for segment, rows in _chunks(chosen):
            between()
            if equal is None:
                scores = ranking.add(numbers[segment], segment, rows)
                scored.append(_Part(segment, rows, scores))
            else:
                ranking.add_equal(numbers[segment], segment, rows, equal)
        return scored

    with one_thread(), a_core(require_waiting) as between:
        if size <= exact_bytes:
            add(between, passing)
            ranking.settle(-math.inf)
        else:
            _rank_candidates(ranking, passing, partial(add, between), index_of)
    return ranking.settled


class _Part(NamedTuple):
    """Scored rows of a segment: rows and scores [M]."""

    segment: Segment
    rows: Rows
    scores: FloatArray


def _rank_candidates(
    ranking: Ranking,
    passing: Chosen,
    add: Callable[..., list[_Part]],
    index_of: Callable[[Segment], SegmentIndex],
) -> None:
    """Settle the ranking by candidates, by more of them in each round, until it is full.

    A round settles the best sixth of its candidates' scores, however many results are wanted.
    What a later round finds that scores above them is left out: it would move hits from one page
    to another.
    """
    images = sum(len(rows) for _, rows in passing)
    parts, score = ranking.asked.parts, ranking.asked.score
    count = math.ceil(RERANKED[score] * growth(images))
    done, scored = dict[Segment, Rows](), list[_Part]()
    while count < images:
        with timing("merge"):
            named = candidate_rows(passing, parts, score, count, index_of)
        fresh = _without(named, done)
        scored += add(fresh)
        for segment, rows in fresh:
            done[segment] = np.concatenate([done[segment], rows]) if segment in done else rows
        last = count >= max(MOST_RERANKED, _A_RESULT * ranking.top)
        least = -math.inf if last else _nth_best(scored, count // _A_RESULT)
        between = max(least, ranking.cut), ranking.below
        for segment, rows, equal in _copies(scored, between, passing, index_of):
            ((_, copies),) = _without([(segment, rows)], done)
            add([(segment, segment.columns.in_order(copies)[:MOST_RERANKED])], equal)
        ranking.settle(least)
        if last or len(ranking.settled) == ranking.top:
            return
        count = math.ceil(_MORE * count)
    add(_without(passing, done))
    ranking.settle(-math.inf)


def _without(named: Chosen, done: Mapping[Segment, Rows]) -> Chosen:
    """The rows that are not done."""
    return [
        (segment, np.setdiff1d(rows, done[segment], assume_unique=True))
        if segment in done
        else (segment, rows)
        for segment, rows in named
    ]


def _nth_best(scored: Sequence[_Part], count: int) -> float:
    """The score that so many different ones reach; the lowest, where there are fewer, and infinite
    where there is none."""
    different = np.unique(np.concatenate([np.zeros(0, np.float32), *(p.scores for p in scored)]))
    if not len(different):
        return math.inf
    return float(different[-min(max(count, 1), len(different))])


def _copies(
    scored: Sequence[_Part],
    between: tuple[float, float],
    passing: Chosen,
    index_of: Callable[[Segment], SegmentIndex],
) -> Iterator[tuple[Segment, Rows, float]]:
    """What may be copies of the rows that score the first number or more, and less than the
    second; with that score, best first.

    An index that is asked for some vectors names any of those that are equal.
    """
    copies = {segment: index_of(segment).copies for segment, _ in passing}
    found = set[tuple[np.float32, np.uint64]]()
    for part in scored:
        among = (part.scores >= between[0]) & (part.scores < between[1])
        own, rows, scores = copies[part.segment], part.rows[among], part.scores[among]
        several = own.several[rows]
        for segment, one in copies.items():
            if segment is not part.segment:
                several |= one.hold(own.digests[rows])
        found |= set(zip(-scores[several], own.digests[rows[several]], strict=True))
    for score, digest in sorted(found):
        for segment, rows in passing:
            same = copies[segment].rows(digest)
            there = np.searchsorted(rows, same).clip(max=len(rows) - 1)
            yield segment, same[rows[there] == same], -float(score)


def others(
    live: LiveRows,
    where: Filter,
    by: GroupBy,
    found: Sequence[Found],
    require_waiting: RequireWaiting = wait_always,
) -> list[int]:
    """How many more images that pass the filter are in the group of each found image."""
    sizes = dict.fromkeys((one.group for one in found if one.group), 0)
    for segment, rows in live.matching(where, require_waiting):
        groups = segment.columns.groups(by)
        counts = np.bincount(groups.numbers[rows] + 1, minlength=len(groups.texts) + 1)
        for number, text in enumerate(groups.texts, start=1):
            if text in sizes:
                sizes[text] += int(counts[number])
    return [sizes[one.group] - 1 if one.group else 0 for one in found]


def _chunks(chosen: Sequence[tuple[Segment, Rows]]) -> Iterator[tuple[Segment, Rows]]:
    """The same rows, so few at a time that their float32 copy stays small."""
    for segment, rows in chosen:
        step = max(1, _CHUNK_BYTES // segment.contributions.bytes_per_image)
        for start in range(0, len(rows), step):
            yield segment, rows[start : start + step]
