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
from partlens.indexer.metadata import Filter

_CHUNK_BYTES = 2**20
"""Of contributions scored at a time: their float32 copy stays in the processor's cache, which
measured 5 times as fast as one of 8 MiB, whose memory is new each time."""
EXACT_BYTES = 16 * 2**20
"""Up to this size of contributions every image that passes the filter is scored, which takes no
longer than asking an index."""
RERANKED = 256
"""Above it, so many candidates (or eight a result, if that is more) of each kind are scored."""


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
    numbers = {segment: number for number, segment in enumerate(snapshot.segments)}
    size = sum(segment.contributions[:1].nbytes * len(rows) for segment, rows in chosen)
    if size > exact_bytes:
        count = max(RERANKED, 8 * top)
        chosen = [
            (s, rows) for s, rows in candidate_rows(chosen, parts, count, index_of) if len(rows)
        ]
    best: list[Found] = []
    for segment, rows in _chunks(chosen):
        require_waiting()
        scored = score_images(
            score,
            parts,
            to_single(segment.contributions[rows]),
            np.asarray(segment.bias[rows]),
            grid,
        )
        for i in np.argsort(-scored.scores, kind="stable")[: top + 1]:
            place = Place(numbers[segment], int(rows[i]))
            row0, col0, row1, col1 = (float(n) for n in scored.windows[i])
            best.append(
                Found(
                    place,
                    segment.catalogue.ids(rows[i : i + 1])[0],
                    float(scored.scores[i]),
                    scored.maps[i].copy(),
                    float(scored.constants[i]),
                    (row0, col0, row1, col1),
                )
            )
        best = sorted(best, key=lambda found: (-found.score, found.id))[:top]
    return best


def _chunks(chosen: Sequence[tuple[Segment, Rows]]) -> Iterator[tuple[Segment, Rows]]:
    """The same rows, so few at a time that their float32 copy stays small."""
    for segment, rows in chosen:
        step = max(1, _CHUNK_BYTES // segment.contributions[:1].nbytes)
        for start in range(0, len(rows), step):
            yield segment, rows[start : start + step]
