"""Finds the best images of a snapshot: scores them all, or the candidates that an index names."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from partlens.explainer.scoring import QueryPart, Score, score_images
from partlens.indexer.gallery.candidates import candidate_rows
from partlens.indexer.gallery.catalogue import Rows
from partlens.indexer.gallery.indexes import SegmentIndex
from partlens.indexer.gallery.plan import growth
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.snapshot import Place, Snapshot
from partlens.indexer.gallery.threads import one_thread
from partlens.indexer.metadata import Filter, GroupBy

_CHUNK_BYTES = 2**21
"""Of contributions scored at a time: their float32 copy stays in the processor's cache."""
EXACT_BYTES = 16 * 2**20
"""Up to this size of contributions every image that passes the filter is scored, which takes no
longer than asking an index."""
RERANKED: Mapping[Score, int] = {"whole": 256, "part": 768, "default": 256}
"""Above it, so many candidates times plan.growth (or eight a result, if that is more) are scored.
PART is what an index tells least of."""
MOST_RERANKED = 32768
"""So many at most, where those are of too few groups."""


@dataclass(frozen=True, eq=False)
class Found:
    """A scored image; fields as scoring.Scored, of one image.

    Attributes:
        group: what it is the best of, "" where it stands alone.
    """

    place: Place
    id: str
    score: float
    map: FloatArray
    constant: float
    window: tuple[float, float, float, float]
    group: str = ""


def search(
    snapshot: Snapshot,
    parts: Sequence[QueryPart],
    score: Score,
    where: Filter,
    top: int,
    grid: tuple[int, int],
    index_of: Callable[[Segment], SegmentIndex],
    exact_bytes: int = EXACT_BYTES,
    require_waiting: Callable[[], None] = lambda: None,
    by: GroupBy | None = None,
) -> list[Found]:
    """The best `top` images, or the best of `top` groups, best first; equal scores in order of id.

    Where the contributions to look through fit into exact_bytes the result is that of scoring
    every image. Otherwise FAISS names candidates, and those are scored exactly.

    Args:
        index_of: gives a segment's index.
        require_waiting: called between chunks; what it raises ends the search.
        by: groups of which only the best image counts.
    """
    passing = [(segment, rows) for segment, rows in snapshot.rows(where) if len(rows)]
    size = sum(segment.contributions.bytes_per_image * len(rows) for segment, rows in passing)
    images = sum(len(rows) for _, rows in passing)
    numbers = {segment: number for number, segment in enumerate(snapshot.segments)}

    def ranked(chosen: Sequence[tuple[Segment, Rows]]) -> list[Found]:
        best: list[Found] = []
        for segment, rows in _chunks(chosen):
            require_waiting()
            least = best[-1].score if len(best) == top else -math.inf
            best += _scored(numbers[segment], segment, rows, parts, score, top, least, grid, by)
            best = _first(best, top)
        return best

    with one_thread():
        if size <= exact_bytes:
            return ranked(passing)
        count = max(math.ceil(RERANKED[score] * growth(images)), 8 * top)
        while True:
            best = ranked(candidate_rows(passing, parts, score, count, index_of))
            # Candidates of few groups may leave out others: then more are looked at.
            if by is None or len(best) == top or count >= min(images, MOST_RERANKED):
                return best
            count *= 4


def others(snapshot: Snapshot, where: Filter, by: GroupBy, found: Sequence[Found]) -> list[int]:
    """How many more images that pass the filter are in the group of each found image."""
    sizes = dict.fromkeys((one.group for one in found if one.group), 0)
    for segment, rows in snapshot.rows(where):
        numbers, texts = segment.catalogue.groups(by)
        counts = np.bincount(numbers[rows] + 1, minlength=len(texts) + 1)
        for number, text in enumerate(texts, start=1):
            if text in sizes:
                sizes[text] += int(counts[number])
    return [sizes[one.group] - 1 if one.group else 0 for one in found]


def _first(found: Sequence[Found], top: int) -> list[Found]:
    """The best, one of each group."""
    kept: list[Found] = []
    groups = set[str]()
    for one in sorted(found, key=lambda one: (-one.score, one.id)):
        if len(kept) < top and one.group not in groups:
            kept.append(one)
            groups |= {one.group} - {""}
    return kept


def _scored(
    number: int,
    segment: Segment,
    rows: Rows,
    parts: Sequence[QueryPart],
    score: Score,
    top: int,
    least: float,
    grid: tuple[int, int],
    by: GroupBy | None,
) -> Iterator[Found]:
    """The best of some rows, or of their groups, of those that score `least` or more."""
    bias = np.asarray(segment.bias[rows])
    scored = score_images(score, parts, segment.contributions[rows], bias, grid)
    order = np.argsort(-scored.scores, kind="stable")
    groups = None if by is None else segment.catalogue.groups(by)
    if groups is not None:
        of = groups.numbers[rows[order]]
        alone = np.where(of < 0, -1 - np.arange(len(of)), of)
        order = order[np.sort(np.unique(alone, return_index=True)[1])]
    first = order[: top + 1]
    # Looking up ids takes long, and of most chunks none is among the best.
    first = first[scored.scores[first] >= least]
    for i, id in zip(first, segment.catalogue.ids(rows[first]), strict=True):
        number_of_group = -1 if groups is None else int(groups.numbers[rows[i]])
        row0, col0, row1, col1 = (float(n) for n in scored.windows[i])
        yield Found(
            Place(number, int(rows[i])),
            id,
            float(scored.scores[i]),
            scored.maps[i].copy(),
            float(scored.constants[i]),
            (row0, col0, row1, col1),
            "" if groups is None or number_of_group < 0 else groups.texts[number_of_group],
        )


def _chunks(chosen: Sequence[tuple[Segment, Rows]]) -> Iterator[tuple[Segment, Rows]]:
    """The same rows, so few at a time that their float32 copy stays small."""
    for segment, rows in chosen:
        step = max(1, _CHUNK_BYTES // segment.contributions.bytes_per_image)
        for start in range(0, len(rows), step):
            yield segment, rows[start : start + step]
