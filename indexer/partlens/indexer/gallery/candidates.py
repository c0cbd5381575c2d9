"""Candidates for galleries too large to score whole: the nearest positions and embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import faiss
import numpy as np
from numpy.typing import NDArray

from partlens.explainer.halves import to_single
from partlens.explainer.scoring import QueryPart
from partlens.indexer.gallery.catalogue import Rows
from partlens.indexer.gallery.segments import Segment

_BATCH = 1024


@dataclass(frozen=True, eq=False)
class SegmentIndex:
    """Flat indexes of a segment; inner products with vectors of length 1.

    Attributes:
        positions: contributions; a FAISS id is row * P + position. Positions that contribute
            nothing are left out.
        embeddings: a FAISS id is the row.
    """

    positions: Any
    embeddings: Any


_indexes: "WeakKeyDictionary[Segment, SegmentIndex]" = WeakKeyDictionary()


def candidate_rows(
    chosen: Sequence[tuple[Segment, Rows]], parts: Sequence[QueryPart], count: int
) -> list[tuple[Segment, Rows]]:
    """About `count` rows a part, of all segments together: nearest by position and by embedding.

    Args:
        chosen: the rows that may be candidates.
        parts: of the query; those that are excluded name no candidates.
    """
    found: list[list[tuple[float, int, int]]] = []
    for part in parts:
        if part.weight <= 0:
            continue
        query = part.feature[None] / max(float(np.linalg.norm(part.feature)), 1e-30)
        nearest: list[tuple[float, int, int]] = []
        whole: list[tuple[float, int, int]] = []
        for number, (segment, rows) in enumerate(chosen):
            index = _index(segment)
            positions = segment.contributions.shape[1]
            ids = (rows[:, None] * positions + np.arange(positions)).reshape(-1)
            nearest += [
                (similarity, number, row // positions)
                for similarity, row in _nearest(index.positions, query, ids, 4 * count)
            ]
            whole += [(s, number, row) for s, row in _nearest(index.embeddings, query, rows, count)]
        found += [nearest, whole]
    rows_of: dict[int, set[int]] = {number: set() for number in range(len(chosen))}
    for names in found:
        taken: set[tuple[int, int]] = set()
        for _, number, row in sorted(names, reverse=True):
            if len(taken) < count:
                taken.add((number, row))
        for number, row in taken:
            rows_of[number].add(row)
    return [
        (segment, np.array(sorted(rows_of[number]), np.int64))
        for number, (segment, _) in enumerate(chosen)
    ]


def _nearest(
    index: Any, query: NDArray[np.float32], ids: NDArray[np.int64], count: int
) -> list[tuple[float, int]]:
    selector = faiss.IDSelectorBatch(ids)
    parameters = faiss.SearchParameters()
    parameters.sel = selector
    similarities, found = index.search(query, min(count, index.ntotal), params=parameters)
    return [(float(s), int(i)) for s, i in zip(similarities[0], found[0], strict=True) if i >= 0]


def _index(segment: Segment) -> SegmentIndex:
    if segment in _indexes:
        return _indexes[segment]
    _, positions, dimensions = segment.contributions.shape
    of_positions, of_embeddings = _flat(dimensions), _flat(dimensions)
    for start in range(0, len(segment), _BATCH):
        contributions = to_single(segment.contributions[start : start + _BATCH])
        embeddings = contributions.sum(1) + segment.bias[start : start + _BATCH]
        _add(of_positions, contributions.reshape(-1, dimensions), start * positions)
        _add(of_embeddings, embeddings, start)
    _indexes[segment] = SegmentIndex(of_positions, of_embeddings)
    return _indexes[segment]


def _flat(dimensions: int) -> Any:
    """Every vector as float16, compared one by one."""
    quantiser = faiss.ScalarQuantizer.QT_fp16
    flat = faiss.IndexScalarQuantizer(dimensions, quantiser, faiss.METRIC_INNER_PRODUCT)
    return faiss.IndexIDMap2(flat)


def _add(index: Any, vectors: NDArray[np.float32], first: int) -> None:
    norms = np.linalg.norm(vectors, axis=1)
    something = np.flatnonzero(norms > 0)
    index.add_with_ids(vectors[something] / norms[something, None], something + first)
