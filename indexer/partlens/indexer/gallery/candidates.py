"""Candidates for galleries too large to score whole: the nearest positions and whole images."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal

import faiss
import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring import (
    MIXTURES,
    Directions,
    QueryPart,
    Score,
    directions,
    row_products,
)
from partlens.explainer.scoring.part import reciprocal
from partlens.indexer.gallery.copies import Digests
from partlens.indexer.gallery.cores import aside
from partlens.indexer.gallery.gpu import MOST, GpuIndex
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.indexes import SegmentIndex
from partlens.indexer.gallery.judging import AboutPart, Keys, Named
from partlens.indexer.gallery.plan import PROBES, share_of_wholes
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.stages import timing

Chosen = Sequence[tuple[Segment, Rows]]
_POSITIONS, _WHOLES = 40, 2
"""Positions and whole images that are asked for, for each candidate: the best of a sum are seldom
the best of its terms, and some images have several positions that are near."""
_NEAREST = 400
"""One position of so many is asked for at least: what they say about PART depends on how far from
the others the nearest are, not on how many candidates there may be."""
_LIKELY = 32
"""Of the named positions, those of the images that seem to have most of a region, for each
candidate: only these images, and the whole ones that are named, are judged. More found no more."""
_MORE = (1, 4, 16)
"""How many times as many, where most of those that are named are of copies of few images."""
_MOST_PROBES = 512
"""Lists of positions that are looked into at most, where a filter leaves few of each."""
_QUERY_BITS = 8
"""Of a query against RaBitQ codes: its default, no rounding, measured 10 times as slow."""


def candidate_rows(
    chosen: Chosen,
    parts: Sequence[QueryPart],
    score: Score,
    count: int,
    index_of: Callable[[Segment], SegmentIndex],
) -> list[tuple[Segment, Rows]]:
    """The `count` rows that seem best, of those that indexes name for a term of the score.

    What whole images add to the score is known of every row; what PART adds is judged by the
    positions that are named. One of several copies is enough: together they would take the places
    of other images.

    Args:
        chosen: the rows that may be candidates.
        parts: of the query; those that are excluded name no positions.
    """
    best = np.zeros(0, np.int64)
    for more in _MORE:
        keys, seem = _judged(chosen, parts, score, more * count, index_of)
        best = keys[_first(seem, count)]
        if len(np.unique(_digests(chosen, best, index_of))) == len(best):
            break
        apart = np.unique(_digests(chosen, keys, index_of), return_index=True)[1]
        best = keys[apart][_first(seem[apart], count)]
        if len(best) == count or 2 * len(apart) > len(keys):
            break
    found = [(segment, rows) for segment, _, rows in _of_segments(chosen, np.sort(best))]
    for segment, rows in found:
        segment.read_ahead(rows)
    return found


def _first(seem: FloatArray, count: int) -> NDArray[np.int64]:
    """Which `count` seem best."""
    return np.argpartition(-seem, count)[:count] if len(seem) > count else np.arange(len(seem))


def _digests(chosen: Chosen, keys: Keys, index_of: Callable[[Segment], SegmentIndex]) -> Digests:
    """Equal ones for what may be copies of each other, shape as keys."""
    found = np.zeros(len(keys), np.uint64)
    for segment, there, rows in _of_segments(chosen, keys):
        found[there] = index_of(segment).copies.digests[rows]
    return found


def _judged(
    chosen: Chosen,
    parts: Sequence[QueryPart],
    score: Score,
    count: int,
    index_of: Callable[[Segment], SegmentIndex],
) -> tuple[Keys, FloatArray]:
    """The rows that indexes name for `count` candidates, each once and in order, and how good each
    seems."""
    share, along = MIXTURES[score].part, directions(score, parts)
    placed = [part for part in parts if share and part.weight > 0]
    images = sum(len(segment) for segment, _ in chosen)
    of_all = sum(len(rows) * segment.contributions.shape[1] for segment, rows in chosen)
    wanted = max(_POSITIONS * count, of_all // _NEAREST)
    by_sums, by_embeddings = bool(along.sums.any()), bool(along.embeddings.any())

    def of_images() -> list[Keys]:
        listed = list[Keys]()
        if by_sums:
            listed.append(_named(chosen, along.sums, _WHOLES * count, index_of, "images").keys)
        if by_embeddings or not placed:  # regions that cancel out name any images
            named_by = _named(chosen, along.embeddings, _WHOLES * count, index_of, "embeddings")
            listed.append(named_by.keys)
        return listed

    with aside(of_images) as others:
        named = [_named_positions(chosen, part, wanted, index_of) for part in placed]
        told = [AboutPart.of(one, images) for one in named]
        listed = [one.most(_LIKELY * count) for one in told] + others()
    keys = np.sort(np.concatenate(listed))
    keys = keys[np.diff(keys, prepend=-1) > 0]
    seem = np.zeros(len(keys), np.float32)
    if by_sums or by_embeddings:
        for segment, there, rows in _of_segments(chosen, keys):
            seem[there] = _about_images(along, segment, index_of(segment), rows)
    for part, one in zip(placed, told, strict=True):
        seem += np.float32(part.weight * share) * one.of_images(keys)
    return keys, seem


def _about_images(
    along: Directions, segment: Segment, index: SegmentIndex, rows: Rows
) -> FloatArray:
    """What whole images add to the score of rows: exact, apart from rounding to 16 bits."""
    found = row_products(index.units, rows, along.sums)
    if along.embeddings.any():
        sums, embeddings = index.lengths[rows].T
        products = sums * row_products(index.units, rows, along.embeddings)
        products += segment.bias[rows] @ along.embeddings
        found += products * reciprocal(embeddings)
    return found


def _of_segments(chosen: Chosen, keys: Keys) -> Iterator[tuple[Segment, NDArray[np.bool_], Rows]]:
    """Each segment, which keys are its own, and their rows."""
    start = 0
    for segment, _ in chosen:
        there = (keys >= start) & (keys < start + len(segment))
        yield segment, there, keys[there] - start
        start += len(segment)


def _named_positions(
    chosen: Chosen, part: QueryPart, count: int, index_of: Callable[[Segment], SegmentIndex]
) -> Named:
    length = reciprocal(np.asarray(np.linalg.norm(part.feature)))
    return _named(chosen, length * part.feature, count, index_of, "positions")


def _named(
    chosen: Chosen,
    query: FloatArray,
    count: int,
    index_of: Callable[[Segment], SegmentIndex],
    of: Literal["positions", "images", "embeddings"],
) -> Named:
    """The nearest `count` of all segments, of what an index of SegmentIndex is over."""
    some, asked, start = list[tuple[FloatArray, Keys]](), 0, 0
    for segment, rows in chosen:
        index = index_of(segment)
        each = segment.contributions.shape[1] if of == "positions" else 1
        searched = getattr(index, of)
        found, ids = _nearest(searched, query[None], rows, len(segment), each, count)
        some.append((found, start + ids // each))
        start += len(segment)
        asked += _held(searched, len(rows) / len(segment), count)
    near, keys = (np.concatenate(arrays) for arrays in zip(*some, strict=True))
    whole = min(1.0, len(near) / max(asked, 1))
    if len(near) > count:
        best = np.argpartition(-near, count)[:count]
        near, keys = near[best], keys[best]
    return Named(keys, near, whole)


def _held(index: Any, share: float, count: int) -> int:
    """How many of `count` vectors an index could name, where a share of the rows passes."""
    if isinstance(index, GpuIndex):
        index, count = index.host, min(count, MOST)
    return min(count, round(share * int(index.ntotal)))


def _nearest(
    index: Any, query: FloatArray, rows: Rows, total: int, each: int, count: int
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Similarities and ids of vectors of the rows, of which each has `each`."""
    if isinstance(index, GpuIndex):
        there = index.nearest(query, rows, total, each, count)
        if there is not None:
            return there
        index = index.host
    if not index.ntotal:  # none of its images contributes anything
        return np.zeros(0, np.float32), np.zeros(0, np.int64)
    share = len(rows) / total
    bits = _bitmap(rows, total, each) if share < 1 else None
    selector = None if bits is None else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
    probes = _probes_of_wholes(index, share) if each == 1 else _probes(index, count, share)
    parameters = _parameters(index, probes, selector)

    def search() -> tuple[FloatArray, NDArray[np.int64]]:
        most = min(count, index.ntotal)
        return _best_of_lists(index, query, most, parameters, every=each == 1)

    with timing("images" if each == 1 else "positions", search):
        return search()


def _best_of_lists(
    index: Any, query: FloatArray, count: int, parameters: Any, *, every: bool
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Similarities and ids of the nearest `count`, in no order.

    To keep the nearest in a heap, as FAISS does, takes several times as long as the products
    themselves where thousands are wanted. So all that a few lists hold are taken, and the nearest
    of them are parted from the rest here.

    Args:
        every: all lists are looked into, which name too many.
    """
    whole = every or faiss.try_extract_index_ivf(index) is None
    if whole or type(index).__name__ == "IndexIVFFlatDedup":  # which cannot list all
        found, ids = index.search(query, count, params=parameters)
        return found[0][ids[0] >= 0], ids[0][ids[0] >= 0]
    _, near, ids = index.range_search(query, -np.finfo(np.float32).max, params=parameters)
    if len(near) <= count:
        return near, ids
    best = np.argpartition(-near, count)[:count]
    return near[best], ids[best]


def _probes(index: Any, count: int, share: float) -> int:
    """Lists that hold half as many again as the `count` positions that are asked for, as those that
    are looked into name the nearest for sure only where they hold more; at least PROBES, and more
    where a filter leaves a share of each."""
    inverted = faiss.try_extract_index_ivf(index)
    if inverted is None:
        return PROBES
    a_list = max(1.0, float(index.ntotal) / int(inverted.nlist))
    wanted = max(PROBES, 1.5 * count / a_list)
    return min(_MOST_PROBES, math.ceil(wanted / max(share, 1e-9)))


def _probes_of_wholes(index: Any, share: float) -> int:
    """Lists of whole images to look into: all of them where a filter leaves few."""
    inverted = faiss.try_extract_index_ivf(index)
    lists = int(inverted.nlist) if inverted else 1
    return math.ceil(lists * share_of_wholes(share * float(index.ntotal)))


def _bitmap(rows: Rows, total: int, each: int) -> NDArray[np.uint8]:
    """One bit an id, the least significant first, set for the vectors of rows."""
    mask = np.zeros(total, bool)
    mask[rows] = True
    return np.packbits(np.repeat(mask, each), bitorder="little")


def _parameters(index: Any, probes: int, selector: Any) -> Any:
    if isinstance(index, faiss.IndexPreTransform):
        outer: Any = faiss.SearchParametersPreTransform()
        outer.index_params = _parameters(faiss.downcast_index(index.index), probes, selector)
        return outer
    parameters: Any = faiss.SearchParameters()
    if isinstance(index, faiss.IndexIVFRaBitQ):
        parameters = faiss.IVFRaBitQSearchParameters()
        parameters.qb = _QUERY_BITS
    elif hasattr(index, "nlist"):
        parameters = faiss.IVFSearchParameters()
    if hasattr(index, "nlist"):
        parameters.nprobe = min(index.nlist, probes)
    parameters.sel = selector
    return parameters
