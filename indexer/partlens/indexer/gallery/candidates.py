"""Candidates for galleries too large to score whole: the nearest positions and embeddings."""

from collections.abc import Callable, Sequence
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring import QueryPart
from partlens.indexer.gallery.catalogue import Rows
from partlens.indexer.gallery.indexes import SegmentIndex
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment

Chosen = Sequence[tuple[Segment, Rows]]
_POSITIONS_A_ROW = 4
"""Nearest positions that are asked for so that enough images come out of them."""
_PROBES, _MOST_PROBES = 32, 512
"""Inverted lists looked into; more where a filter leaves few of each, within limits."""
_QUERY_BITS = 8
"""Of a query against RaBitQ codes: its default, no rounding, measured 10 times as slow."""


def candidate_rows(
    chosen: Chosen,
    parts: Sequence[QueryPart],
    count: int,
    index_of: Callable[[Segment], SegmentIndex],
) -> list[tuple[Segment, Rows]]:
    """About `count` rows a part, of all segments together: nearest by position and by embedding.

    Positions are compared with the region's own feature, embeddings with that of the region and
    with that of its surroundings, as scores are.

    Args:
        chosen: the rows that may be candidates.
        parts: of the query; those that are excluded name no candidates.
    """
    wanted = [part for part in parts if part.weight > 0]
    of_parts = _unit([part.feature for part in wanted])
    of_images = _unit([each for part in wanted for each in (part.surroundings, part.feature)])
    names: list[list[NDArray[np.float64]]] = [[] for _ in (*of_parts, *of_images)]
    for number, (segment, rows) in enumerate(chosen):
        index, positions = index_of(segment), segment.contributions.shape[1]
        share = len(rows) / len(segment)
        all_rows = len(rows) == len(segment)
        bits = None if all_rows else _bitmap(rows, len(segment), positions)
        near, ids = _nearest(index.positions, of_parts, bits, _POSITIONS_A_ROW * count, share)
        _note(names[: len(of_parts)], number, near, ids // positions)
        bits = None if all_rows else _bitmap(rows, len(segment), 1)
        near, ids = _nearest(index.embeddings, of_images, bits, count, share)
        _note(names[len(of_parts) :], number, near, ids)
    best = [_best(np.concatenate(found), count) for found in names if found]
    pairs = np.unique(np.concatenate(best), axis=0) if best else np.zeros((0, 2), np.int64)
    return [
        (segment, pairs[pairs[:, 0] == number, 1]) for number, (segment, _) in enumerate(chosen)
    ]


def _note(
    names: Sequence[list[NDArray[np.float64]]], number: int, near: FloatArray, rows: Rows
) -> None:
    """Add (similarity, segment, row) for each query."""
    for found, similarities, of in zip(names, near, rows, strict=True):
        there = np.isfinite(similarities)
        each = (similarities[there], np.full(int(there.sum()), number), of[there])
        found.append(np.stack(each, axis=1).astype(np.float64))


def _best(found: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """The first `count` different (segment, row) by similarity, shape [count, 2]."""
    found = found[np.argsort(-found[:, 0], kind="stable")]
    _, first = np.unique(found[:, 1:], axis=0, return_index=True)
    return found[np.sort(first)[:count], 1:].astype(np.int64)


def _unit(features: Sequence[FloatArray]) -> FloatArray:
    stacked = np.stack(features)
    lengths = np.linalg.norm(stacked, axis=1, keepdims=True)
    return np.asarray(stacked / np.maximum(lengths, 1e-30), np.float32)


def _bitmap(rows: Rows, total: int, positions: int) -> NDArray[np.uint8]:
    """One bit an id, the least significant first, set for the positions of rows."""
    mask = np.zeros(total, bool)
    mask[rows] = True
    return np.packbits(np.repeat(mask, positions), bitorder="little")


def _nearest(
    index: Any, queries: FloatArray, bits: NDArray[np.uint8] | None, count: int, share: float
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Similarities, -inf where there are too few, and ids; shape [queries, count]."""
    selector = None if bits is None else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
    parameters = _parameters(index, share, selector)
    similarities, ids = index.search(queries, min(count, index.ntotal), params=parameters)
    return np.where(ids >= 0, similarities, -np.inf), ids


def _parameters(index: Any, share: float, selector: Any) -> Any:
    if isinstance(index, faiss.IndexPreTransform):
        outer: Any = faiss.SearchParametersPreTransform()
        outer.index_params = _parameters(faiss.downcast_index(index.index), share, selector)
        return outer
    parameters: Any = faiss.SearchParameters()
    if isinstance(index, faiss.IndexIVFRaBitQ):
        parameters = faiss.IVFRaBitQSearchParameters()
        parameters.qb = _QUERY_BITS
    elif hasattr(index, "nlist"):
        parameters = faiss.IVFSearchParameters()
    if hasattr(index, "nlist"):
        parameters.nprobe = min(index.nlist, _MOST_PROBES, round(_PROBES / max(share, 1e-9)))
    parameters.sel = selector
    return parameters
