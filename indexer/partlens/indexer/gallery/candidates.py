"""Candidates for galleries too large to score whole: the nearest positions and embeddings."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import faiss
import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring import MIXTURES, QueryPart, Score
from partlens.indexer.gallery.catalogue import Rows
from partlens.indexer.gallery.gpu import GpuIndex
from partlens.indexer.gallery.indexes import SegmentIndex
from partlens.indexer.gallery.plan import PROBES
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment

Chosen = Sequence[tuple[Segment, Rows]]
Keys = NDArray[np.int64]
"""The number of a segment, shifted by _SEGMENT_SHIFT, plus a row."""
_SEGMENT_SHIFT = 40
_LISTED = 2
"""Rows that are listed for each candidate: the best of a sum are seldom the best of its terms."""
_POSITIONS_A_ROW = 2
"""Positions that are asked for each of these rows, as some rows have several that are near."""
_MOST_PROBES = 512
"""Lists of positions that are looked into at most, where a filter leaves few of each."""
_EVERY = 2**31 - 1
"""All lists of embeddings: whole images lie too far from each other to fall into groups."""
_QUERY_BITS = 8
"""Of a query against RaBitQ codes: its default, no rounding, measured 10 times as slow."""


class Named(NamedTuple):
    """What an index gives for one term of a score.

    Attributes:
        keys: of rows, sorted.
        near: what each adds to the score, about.
        rest: what rows that are not named add at most.
    """

    keys: Keys
    near: NDArray[np.float64]
    rest: float


def candidate_rows(
    chosen: Chosen,
    parts: Sequence[QueryPart],
    score: Score,
    count: int,
    index_of: Callable[[Segment], SegmentIndex],
) -> list[tuple[Segment, Rows]]:
    """The `count` rows that seem best by what the indexes say of each term of the score.

    WHOLE and SURROUNDINGS are cosines with embeddings, the former but for a length; PART is near
    the largest cosine of the region's feature with a position. A row that an index does not name
    is taken to add as much as the last that it names.

    Args:
        chosen: the rows that may be candidates.
        parts: of the query; those that are excluded name no candidates.
    """
    shares, listed = MIXTURES[score], _LISTED * count
    terms = list[Named]()
    for part in parts:
        if part.weight <= 0:
            continue
        for share, feature, of_images in (
            (shares.part, part.feature, False),
            (shares.surroundings, part.surroundings, True),
            (shares.whole, part.feature, True),
        ):
            if share:
                found = _nearest_rows(chosen, feature, listed, index_of, of_images=of_images)
                terms.append(_named(*found, part.weight * share, listed))
    keys = best(terms, count)
    numbers, rows = keys >> _SEGMENT_SHIFT, keys & (1 << _SEGMENT_SHIFT) - 1
    return [
        (segment, np.sort(rows[numbers == number])) for number, (segment, _) in enumerate(chosen)
    ]


def best(terms: Sequence[Named], count: int) -> Keys:
    """The keys of the largest sums of all terms.

    >>> one = Named(np.array([1, 5]), np.array([0.9, 0.8]), 0.7)
    >>> other = Named(np.array([2, 5]), np.array([0.4, 0.3]), 0.1)
    >>> best([one, other], 2).tolist()
    [2, 5]
    """
    keys = np.unique(np.concatenate([term.keys for term in terms]))
    sums = np.zeros(len(keys))
    for term in terms:
        adds = np.full(len(keys), term.rest)
        adds[np.searchsorted(keys, term.keys)] = term.near
        sums += adds
    return keys[np.argsort(-sums, kind="stable")[:count]]


def _named(near: FloatArray, keys: Keys, share: float, listed: int) -> Named:
    """Each row once, with the nearest of its positions."""
    order = np.argsort(-near, kind="stable")
    there, first = np.unique(keys[order], return_index=True)
    kept = np.sort(np.argsort(first, kind="stable")[:listed])
    values = share * near[order][first[kept]].astype(np.float64)
    return Named(there[kept], values, float(values.min(initial=share)))


def _nearest_rows(
    chosen: Chosen,
    feature: FloatArray,
    listed: int,
    index_of: Callable[[Segment], SegmentIndex],
    *,
    of_images: bool,
) -> tuple[FloatArray, Keys]:
    """Similarities and keys, in no order; with positions, rows may come several times."""
    length = max(float(np.linalg.norm(feature)), 1e-30)
    query = np.asarray(feature / length, np.float32)[None]
    near, keys = list[FloatArray](), list[Keys]()
    for number, (segment, rows) in enumerate(chosen):
        index = index_of(segment)
        each = 1 if of_images else segment.contributions.shape[1]
        asked = listed if of_images else _POSITIONS_A_ROW * listed
        searched = index.embeddings if of_images else index.positions
        found, ids = _nearest(searched, query, rows, len(segment), each, asked)
        near.append(found)
        keys.append((number << _SEGMENT_SHIFT) + ids // each)
    return np.concatenate(near), np.concatenate(keys)


def _nearest(
    index: Any, query: FloatArray, rows: Rows, total: int, each: int, count: int
) -> tuple[FloatArray, NDArray[np.int64]]:
    """Similarities and ids of vectors of the rows, of which each has `each`."""
    if isinstance(index, GpuIndex):
        there = index.nearest(query, rows, total, each, count)
        if there is not None:
            return there
        index = index.host
    share = len(rows) / total
    bits = _bitmap(rows, total, each) if share < 1 else None
    selector = None if bits is None else faiss.IDSelectorBitmap(len(bits), faiss.swig_ptr(bits))
    of_positions = min(_MOST_PROBES, round(PROBES / max(share, 1e-9)))
    parameters = _parameters(index, _EVERY if each == 1 else of_positions, selector)
    found, ids = index.search(query, min(count, index.ntotal), params=parameters)
    return found[0][ids[0] >= 0], ids[0][ids[0] >= 0]


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
