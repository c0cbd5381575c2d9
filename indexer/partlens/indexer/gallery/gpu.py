"""FAISS indexes on a GPU, each beside the one on the CPU that it was copied from."""

import logging
import weakref
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import faiss
import numpy as np
from numpy.typing import NDArray

from partlens.common.installing import pip_install
from partlens.indexer.errors import IndexerError
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.plan import PROBES
from partlens.indexer.gallery.records import FloatArray

MOST = 2048
"""Results that FAISS gives on a GPU at most."""
ENOUGH = 0.125
"""Share of what is asked for that will do; where MOST is less, the CPU looks."""
LEAST_SHARE = 0.5
"""Of rows that must pass a filter for a search on the GPU: there FAISS knows no filters, so that
what does not pass is found too, and dropped."""
_SECONDS = 60.0
"""That a search may take."""
_log = logging.getLogger(__name__)
T = TypeVar("T")


class GpuError(IndexerError, RuntimeError):
    """There is no GPU that FAISS can use, or it does not answer."""


class Owner:
    """The one thread that touches a GPU; FAISS's memory of a GPU belongs to no other.

    Args:
        copy: makes the copy of an index on the GPU, on that thread.
    """

    def __init__(self, copy: Callable[[Any], Any]) -> None:
        self._copy = copy
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="partlens-gpu")
        self._copies: dict[int, Any] = {}

    def add(self, key: int, index: Any) -> None:
        """Copies an index to the GPU.

        Raises:
            RuntimeError: FAISS has no such index on a GPU, or it does not fit.
        """

        def work() -> None:
            copied = self._copy(index)
            if hasattr(copied, "nprobe"):
                # As many as the CPU looks into where the fewest rows pass that come here.
                copied.nprobe = min(copied.nlist, round(PROBES / LEAST_SHARE))
            self._copies[key] = copied

        self._do(work)

    def search(self, key: int, query: FloatArray, count: int) -> tuple[Any, Any]:
        """Similarities and ids of the nearest, each [1, count]."""
        found: tuple[Any, Any] = self._do(lambda: self._copies[key].search(query, count))
        return found

    def remove(self, key: int) -> None:
        """Gives the copy's memory back, soon."""
        self._thread.submit(self._copies.pop, key, None)

    def _do(self, work: Callable[[], T]) -> T:
        done: Future[T] = self._thread.submit(work)
        try:
            return done.result(_SECONDS)
        except TimeoutError as error:
            done.cancel()
            raise GpuError(f"the GPU gave nothing for {_SECONDS:g} s") from error


class GpuIndex:
    """An index on a GPU, and the same on the CPU for what a GPU cannot do.

    Attributes:
        host: the index on the CPU.
    """

    def __init__(self, host: Any, owner: Owner) -> None:
        self.host, self._owner = host, owner
        owner.add(id(self), host)
        self._end = weakref.finalize(self, owner.remove, id(self))

    def nearest(
        self, query: FloatArray, rows: Rows, total: int, each: int, count: int
    ) -> tuple[FloatArray, NDArray[np.int64]] | None:
        """Similarities and ids of vectors of the rows; None where the CPU has to look.

        Args:
            query: of length 1, shape [1, D].
            rows: which may be found.
            total: rows that there are.
            each: vectors of each row.
            count: vectors that are wanted; MOST are given at most.
        """
        share = len(rows) / total
        if share < LEAST_SHARE or count * ENOUGH > MOST:
            return None
        count = min(count, MOST)
        # Some more than what is dropped on average.
        wanted = min(MOST, self.host.ntotal, round(1.2 * count / share) + 16)
        near, ids = self._owner.search(id(self), query, wanted)
        kept = ids[0] >= 0
        if share < 1:
            passing = np.zeros(total, bool)
            passing[rows] = True
            kept &= passing[ids[0] // each]
        chosen = np.flatnonzero(kept)[:count]
        return near[0][chosen], ids[0][chosen]


def gpu_copy(index: Any, owner: Owner | None = None) -> Any:
    """An index on the first GPU; the index itself, with a line in the log, where that cannot be.

    Raises:
        GpuError: there is no GPU that FAISS can use.
    """
    try:
        return GpuIndex(index, owner or _owner())
    except RuntimeError as error:
        if isinstance(error, GpuError):
            raise
        _log.warning("an index stays on the CPU: %s", error)
        return index


def require_gpu() -> None:
    """Raise GpuError unless FAISS can use a GPU."""
    if not hasattr(faiss, "StandardGpuResources"):
        raise GpuError(
            f"this faiss is for CPUs only; pip uninstall faiss-cpu, then {pip_install('faiss-gpu')}"
        )
    if not faiss.get_num_gpus():
        raise GpuError("FAISS finds no GPU; `nvidia-smi` and `partlens doctor` say more")


@cache
def _owner() -> Owner:
    require_gpu()
    resources: list[Any] = []

    def copy(index: Any) -> Any:
        if not resources:
            resources.append(faiss.StandardGpuResources())
        options = faiss.GpuClonerOptions()
        options.useFloat16 = True
        return faiss.index_cpu_to_gpu(resources[0], 0, index, options)

    return Owner(copy)
