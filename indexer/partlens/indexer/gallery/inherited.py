"""Indexes a segment by the lists that most of its vectors were in before.

Finding lists and sorting vectors into them is most of the work of an index. Where a segment is a
larger one without its dead rows, or has grown by merging, each list keeps its members, and its
centre is computed from those that remain. Vectors of other segments join the nearest list. So no
number of the new index comes from a vector that it does not hold.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

from partlens.indexer.gallery.faiss_files import ids_of
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.segments import Segment

_SEED = 0


@dataclass(frozen=True, eq=False)
class Origin:
    """The segment that most rows of a new one come from.

    Attributes:
        segment: the earlier segment.
        rows: for each row of the new one, its row there, -1 if it comes from another, shape [M].
    """

    segment: Segment
    rows: NDArray[np.int64]

    @classmethod
    def of(cls, parts: Sequence[tuple[Segment, NDArray[np.int64]]]) -> "Origin":
        """That of rows of several segments, one after another."""
        largest = max(range(len(parts)), key=lambda number: len(parts[number][1]))
        rows = np.full(sum(len(some) for _, some in parts), -1)
        start = sum(len(some) for _, some in parts[:largest])
        segment, some = parts[largest]
        rows[start : start + len(some)] = some
        return cls(segment, rows)

    @property
    def kept(self) -> int:
        """How many rows of the new segment come from it."""
        return int(np.count_nonzero(self.rows >= 0))


def can_reuse(before: Any, empty: Any) -> bool:
    """Whether an empty index can take the lists of a trained one."""
    return (
        isinstance(before, faiss.IndexIVF)
        and type(before) is type(empty)
        and before.nlist == empty.nlist
        and type(faiss.downcast_index(empty.quantizer)) is faiss.IndexFlat
    )


def lists_before(index: Any, origin: Origin) -> NDArray[np.int32]:
    """The list of each position of the new segment, -1 if it was in none, shape [M * P].

    Args:
        index: of the positions of the earlier segment; an id is row * P + position.
    """
    rows, positions, _ = origin.segment.contributions.shape
    sizes = [index.invlists.list_size(number) for number in range(index.nlist)]
    lists = np.full((rows + 1, positions), -1, np.int32)  # the last for rows of other segments
    lists.reshape(-1)[ids_of(index)] = np.repeat(np.arange(index.nlist, dtype=np.int32), sizes)
    return lists[origin.rows].reshape(-1)


def give_centres(index: Any, parts: Iterable[tuple[FloatArray, NDArray[np.int32]]]) -> None:
    """Give the lists of an empty index their centres: means of their vectors, of length 1.

    Args:
        parts: vectors, shape [n, D], and the list of each, -1 for none.
    """
    sums = np.zeros((index.nlist, index.d))
    for vectors, lists in parts:
        order = np.argsort(lists, kind="stable")[np.count_nonzero(lists < 0) :]
        if len(order):
            which, starts = np.unique(lists[order], return_index=True)
            sums[which] += np.add.reduceat(vectors[order], starts, axis=0)
    nothing = ~sums.any(axis=1)
    sums[nothing] = np.random.default_rng(_SEED).standard_normal(sums[nothing].shape)
    sums /= np.linalg.norm(sums, axis=1, keepdims=True)
    index.quantizer.add(sums.astype(np.float32))


def add_to_lists(
    index: Any, vectors: FloatArray, ids: NDArray[np.int64], lists: NDArray[np.int32]
) -> None:
    """Add vectors, shape [n, D], to the list of each; to the nearest one where it is -1."""
    known = lists >= 0
    if known.all():
        arrays = [np.ascontiguousarray(one) for one in (vectors, ids, lists.astype(np.int64))]
        index.add_core(len(vectors), *map(faiss.swig_ptr, arrays))
        return
    if known.any():
        add_to_lists(index, vectors[known], ids[known], lists[known])
    index.add_with_ids(vectors[~known], ids[~known])
