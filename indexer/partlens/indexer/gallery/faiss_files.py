"""Reads files of FAISS indexes that may have been changed by someone who also changed their
checksums."""

import threading
from pathlib import Path
from typing import Any

import faiss
import numpy as np
from numpy.typing import NDArray

_lock = threading.Lock()


def read_index(path: Path, dimensions: int, vectors: int) -> Any:
    """An index, once FAISS and the numbers that a search relies on have been checked.

    Args:
        dimensions: that it must have.
        vectors: most that it may hold; its ids are below.

    Raises:
        ValueError: it is not such an index.
        OSError, RuntimeError, MemoryError: FAISS cannot read the file.
    """
    with _lock:  # FAISS has one limit for the whole process
        before = faiss.get_deserialization_vector_byte_limit()
        # No array in a file is larger than the file; FAISS would allocate what a header asks for.
        faiss.set_deserialization_vector_byte_limit(max(path.stat().st_size, 1))
        try:
            index = faiss.read_index(str(path))
        finally:
            faiss.set_deserialization_vector_byte_limit(before)
    if index.d != dimensions or index.metric_type != faiss.METRIC_INNER_PRODUCT:
        raise ValueError(f"{path.name} is an index of other vectors")
    if not index.is_trained or not 0 <= index.ntotal <= vectors:
        raise ValueError(f"{path.name} has {index.ntotal} vectors; at most {vectors} are expected")
    ids = ids_of(index)
    if len(ids) != index.ntotal or (len(ids) and not 0 <= ids.min() <= ids.max() < vectors):
        raise ValueError(f"{path.name} names vectors that do not exist")
    return index


def ids_of(index: Any) -> NDArray[np.int64]:
    """The ids of all vectors."""
    inverted: Any = faiss.try_extract_index_ivf(index)
    if inverted is None:
        if not isinstance(index, faiss.IndexIDMap):
            raise ValueError(f"an index of the kind {type(index).__name__} is not expected")
        return np.asarray(faiss.vector_to_array(index.id_map))
    lists: Any = faiss.downcast_InvertedLists(inverted.invlists)
    packed = type(lists).__name__ == "BlockInvertedLists"  # which have no code size
    fits = packed or lists.code_size == inverted.code_size
    if lists.nlist != inverted.nlist or not fits:
        raise ValueError("its lists are those of another index")
    sizes = [lists.list_size(number) for number in range(lists.nlist)]
    found = [
        faiss.rev_swig_ptr(lists.get_ids(number), size).copy()
        for number, size in enumerate(sizes)
        if size
    ]
    return np.concatenate(found) if found else np.zeros(0, np.int64)
