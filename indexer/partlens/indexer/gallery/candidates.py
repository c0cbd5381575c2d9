"""Candidates for galleries too large to score whole: the nearest positions and whole images."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, NamedTuple

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
from partlens.indexer.gallery.gpu import MOST, GpuIndex
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.indexes import SegmentIndex
from partlens.indexer.gallery.plan import PROBES
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.stages import timing
from partlens.indexer.gallery.threads import aside

Chosen = Sequence[tuple[Segment, Rows]]
Keys = NDArray[np.int64]
"""The number of a segment, shifted by _SEGMENT_SHIFT, plus a row."""
_SEGMENT_SHIFT = 40
_ROW = (1 << _SEGMENT_SHIFT) - 1
_POSITIONS, _WHOLES = 20, 5
"""Positions and whole images that are asked for, for each candidate: the best of a sum are seldom
the best of its terms, and some images have several positions that are near."""
_MORE = (1, 4, 16)
"""How many times as many, where most of those that are named are of copies of few images."""
_MOST_PROBES = 512
"""Lists of positions that are looked into at most, where a filter leaves few of each."""
_EVERY = 2**31 - 1
"""All lists of whole images: these lie too far from each other to fall into groups."""
_QUERY_BITS = 8
"""Of a query against RaBitQ codes: its default, no rounding, measured 10 times as slow."""


class Named(NamedTuple):
    """Vectors that indexes name, in no order.

    Attributes:
        keys: of the rows that they are of; with positions, a row may come several times.
        near: the product of each with the query, shape as keys.
        whole: share of what was asked for that they are. Graphs name few where parts of them are
            not connected.
    """

    keys: Keys
    near: FloatArray
    whole: float


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
    return [(segment, rows) for segment, _, rows in _of_segments(chosen, np.sort(best))]


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
        named = [_named_positions(chosen, part, _POSITIONS * count, index_of) for part in placed]
        listed = [one.keys for one in named] + others()
    keys, inverse = np.unique(np.concatenate(listed), return_inverse=True)
    seem = np.zeros(len(keys), np.float32)
    if by_sums or by_embeddings:
        for segment, there, rows in _of_segments(chosen, keys):
            seem[there] = _about_images(along, segment, index_of(segment), rows)
    ends = np.cumsum([len(one.keys) for one in named])
    for part, one, of in zip(placed, named, np.split(inverse, ends), strict=False):
        seem += np.float32(part.weight * share) * about_part(one, of, len(keys))
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


def about_part(named: Named, rows: NDArray[np.integer], count: int) -> FloatArray:
    """About PART of M rows by the positions that are named of them, shape [M].

    The last position that is named, as of rows of which none is, and the length of what the named
    ones of a row have beyond it: a row with several is likely to show the whole region. Measured
    with 100,000 images, the nearest position alone found less, and a sum less where more are
    named. The less of what was asked for is named, the less that tells.

    Args:
        named: with the cosine of each position with the region's feature.
        rows: 0..M-1, of each position.
        count: M.

    >>> named = Named(np.array([5, 4, 5, 4]), np.array([0.75, 0.25, 0.625, 0.5]), 1.0)
    >>> about_part(named, np.array([1, 0, 1, 0]), 3).tolist()
    [0.5, 0.875, 0.25]
    """
    last = named.near.min(initial=1)
    beyond = np.sqrt(np.bincount(rows, (named.near - last) ** 2, count))
    return np.asarray(last + named.whole * beyond, np.float32)


def _of_segments(chosen: Chosen, keys: Keys) -> Iterator[tuple[Segment, NDArray[np.bool_], Rows]]:
    """Each segment, which keys are its own, and their rows."""
    numbers, rows = keys >> _SEGMENT_SHIFT, keys & _ROW
    for number, (segment, _) in enumerate(chosen):
        there = numbers == number
        yield segment, there, rows[there]


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
    some, asked = list[tuple[FloatArray, Keys]](), 0
    for number, (segment, rows) in enumerate(chosen):
        index = index_of(segment)
        each = segment.contributions.shape[1] if of == "positions" else 1
        searched = getattr(index, of)
        found, ids = _nearest(searched, query[None], rows, len(segment), each, count)
        some.append((found, (number << _SEGMENT_SHIFT) + ids // each))
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
    probes = _EVERY if each == 1 else _probes(index, count, share)
    parameters = _parameters(index, probes, selector)

    def search() -> tuple[FloatArray, NDArray[np.int64]]:
        found: tuple[FloatArray, NDArray[np.int64]] = index.search(
            query, min(count, index.ntotal), params=parameters
        )
        return found

    with timing("images" if each == 1 else "positions", search):
        found, ids = search()
    return found[0][ids[0] >= 0], ids[0][ids[0] >= 0]


def _probes(index: Any, count: int, share: float) -> int:
    """Lists that hold twice the `count` positions that are asked, as those that are looked into
    name the nearest for sure only where they hold more; at least PROBES, and more where a filter
    leaves a share of each."""
    inverted = faiss.try_extract_index_ivf(index)
    if inverted is None:
        return PROBES
    a_list = max(1.0, float(index.ntotal) / int(inverted.nlist))
    wanted = max(PROBES, 2 * count / a_list)
    return min(_MOST_PROBES, math.ceil(wanted / max(share, 1e-9)))


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
