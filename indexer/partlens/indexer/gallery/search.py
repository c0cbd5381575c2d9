"""Finds the best images of a snapshot: scores them all, or the candidates that an index names."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from partlens.explainer.halves import to_single
from partlens.explainer.scoring import QueryPart, Score, score_images
from partlens.indexer.gallery.candidates import candidate_rows
from partlens.indexer.gallery.catalogue import Rows
from partlens.indexer.gallery.indexes import SegmentIndex
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.snapshot import Place, Snapshot
from partlens.indexer.gallery.threads import one_thread
from partlens.indexer.metadata import Filter

_CHUNK_BYTES = 2**21
"""Of contributions scored at a time: their float32 copy stays in the processor's cache."""
EXACT_BYTES = 16 * 2**20
"""Up to this size of contributions every image that passes the filter is scored, which takes no
longer than asking an index."""
RERANKED = 512
"""Above it, so many candidates (or eight a result, if that is more) are scored."""


@dataclass(frozen=True, eq=False)
class Found:
    """A scored image; fields as scoring.Scored, of one image."""

    place: Place
    id: str
    score: float
    map: FloatArray
    constant: float
    window: tuple[float, float, float, float]


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
) -> list[Found]:
    """The best `top` images, best first; equal scores in order of id.

    Where the contributions to look through fit into exact_bytes the result is that of scoring
    every image. Otherwise FAISS names candidates, and those are scored exactly.

    Args:
        index_of: gives a segment's index.
        require_waiting: called between chunks; what it raises ends the search.
    """
    chosen = [(segment, rows) for segment, rows in snapshot.rows(where) if len(rows)]
    size = sum(segment.contributions[:1].nbytes * len(rows) for segment, rows in chosen)
    numbers = {segment: number for number, segment in enumerate(snapshot.segments)}
    best: list[Found] = []
    with one_thread():
        if size > exact_bytes:
            count = max(RERANKED, 8 * top)
            chosen = candidate_rows(chosen, parts, score, count, index_of)
        for segment, rows in _chunks(chosen):
            require_waiting()
            best += _scored(numbers[segment], segment, rows, parts, score, top, grid)
            best = sorted(best, key=lambda found: (-found.score, found.id))[:top]
    return best


def _scored(
    number: int,
    segment: Segment,
    rows: Rows,
    parts: Sequence[QueryPart],
    score: Score,
    top: int,
    grid: tuple[int, int],
) -> Iterator[Found]:
    """The best of some rows."""
    contributions = to_single(segment.contributions[rows])
    scored = score_images(score, parts, contributions, np.asarray(segment.bias[rows]), grid)
    first = np.argsort(-scored.scores, kind="stable")[: top + 1]
    for i, id in zip(first, segment.catalogue.ids(rows[first]), strict=True):
        row0, col0, row1, col1 = (float(n) for n in scored.windows[i])
        yield Found(
            Place(number, int(rows[i])),
            id,
            float(scored.scores[i]),
            scored.maps[i].copy(),
            float(scored.constants[i]),
            (row0, col0, row1, col1),
        )


def _chunks(chosen: Sequence[tuple[Segment, Rows]]) -> Iterator[tuple[Segment, Rows]]:
    """The same rows, so few at a time that their float32 copy stays small."""
    for segment, rows in chosen:
        step = max(1, _CHUNK_BYTES // segment.contributions[:1].nbytes)
        for start in range(0, len(rows), step):
            yield segment, rows[start : start + step]
