"""Arrays in memory-mapped files, read so that a file that is cut short ends no process."""

import ctypes
import logging
import os
from mmap import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.stored import Rows
from partlens.indexer.errors import DamagedError

_log = logging.getLogger(__name__)
_MOST_VECTORS = 1024
"""IOV_MAX of Linux."""


class MappedArray:
    """The array of a .npy file. Rows are copied out of the mapping by the system.

    Reading a mapped page that a disk no longer gives, as of a file that was truncated, ends a
    process by SIGBUS. The system call process_vm_readv copies the same bytes and reports an error
    instead. Where the system has no such call or forbids it, rows are read without this guard.
    Thread-safe.

    Attributes:
        shape, dtype: shape and type of the whole array, as of np.ndarray.
        failed: whether rows could not be read; they are damaged.

    Raises:
        OSError, ValueError: the file cannot be read, or is not a .npy file.
    """

    def __init__(self, path: Path) -> None:
        array: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        mapping: Any = array.base
        if not (isinstance(mapping, mmap) and array.ndim and array.flags.c_contiguous):
            raise ValueError(f"{path.name} does not hold rows")
        self._array: NDArray[Any] = np.asarray(array)
        self._mapping, self._size = mapping, len(mapping)
        self._path, self.shape, self.dtype = path, self._array.shape, self._array.dtype
        self._row_bytes = self._array[:1].nbytes
        self.failed = False

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        """A copy of some rows.

        Raises:
            IndexError: there is no such row.
            DamagedError: the file was truncated, or the disk cannot read it.
        """
        if not self.guarded:
            self.require()
            return np.array(self._array[rows])
        wanted = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows {wanted.min()} to {wanted.max()}; there are {len(self)}")
        found = np.empty((*wanted.shape, *self.shape[1:]), self.dtype)
        flat = wanted.reshape(-1)
        for start in range(0, len(flat), _MOST_VECTORS):
            some = flat[start : start + _MOST_VECTORS]
            self._copy(some, found.ctypes.data + start * self._row_bytes)
        self.require()
        return found

    @property
    def guarded(self) -> bool:
        """See stored.FileArray."""
        return _process_vm_readv is not None

    @property
    def address(self) -> int:
        """See stored.FileArray."""
        return self._array.ctypes.data

    def require(self, copied: bool = True) -> None:
        """Mark this as failed if rows were not copied or the file is too short by now.

        Raises:
            DamagedError: so it is.
        """
        # Beyond the end of a file the rest of its last page reads as zeros.
        if copied and self._mapping.size() >= self._size:
            return
        self.failed = True
        raise DamagedError(
            f"{self._path.parent.name}/{self._path.name} was truncated while it was in use, or"
            " the disk cannot read it; a server rebuilds it, and so does"
            " `partlens index verify --repair`"
        )

    def _copy(self, rows: NDArray[np.int64], to: int) -> None:
        """Copy up to _MOST_VECTORS rows to an address."""
        size = len(rows) * self._row_bytes
        local = np.array([[to, size]], np.uint64)
        remote = np.empty((len(rows), 2), np.uint64)
        remote[:, 0] = self._array.ctypes.data + rows * self._row_bytes
        remote[:, 1] = self._row_bytes
        copied = _process_vm_readv(
            os.getpid(), local.ctypes.data, 1, remote.ctypes.data, len(remote), 0
        )
        self.require(copied == size)


def _guarded_copy() -> Any:
    """The system call; None if it cannot be used."""
    try:
        call = ctypes.CDLL(None, use_errno=True).process_vm_readv
    except AttributeError:
        return None
    call.restype = ctypes.c_ssize_t
    call.argtypes = [
        ctypes.c_int,
        ctypes.c_void_p,
        ctypes.c_ulong,
        ctypes.c_void_p,
        ctypes.c_ulong,
        ctypes.c_ulong,
    ]
    one = np.zeros(1, np.uint64)
    vector = np.array([one.ctypes.data, one.nbytes], np.uint64).ctypes.data
    if call(os.getpid(), vector, 1, vector, 1, 0) != one.nbytes:
        reason = os.strerror(ctypes.get_errno())
        _log.warning("segments are read without a guard against truncated files: %s", reason)
        return None
    return call


_process_vm_readv = _guarded_copy()
