"""Arrays in files, read row by row, so that a file that is cut short ends no process."""

import os
import weakref
from contextlib import suppress
from math import prod
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.stored import Rows
from partlens.indexer.errors import DamagedError

_SAMPLES, _SAMPLE_BYTES = 8, 4096
"""Rows that are tried to tell whether rows are in memory, and bytes of each."""


class RowFile:
    """The array of a .npy file, a stored.FileArray. Rows are read by calls of the system.

    Reading a page of a mapped file that the disk no longer gives, as of a file that was truncated,
    ends a process by SIGBUS; a call of the system reports an error instead (decision 14). The file
    stays open, and readable even where it is removed. Thread-safe.

    Attributes:
        shape, dtype: shape and type of the whole array, as of np.ndarray.
        descriptor, offset: see stored.FileArray.
        failed: whether rows could not be read; they are damaged.

    Raises:
        OSError, ValueError: the file cannot be read, or is not a .npy file of rows.
    """

    def __init__(self, path: Path) -> None:
        self._path, self.failed = path, False
        with path.open("rb") as file:
            self.shape, self.dtype = _header(file)
            self.offset = file.tell()
            self._row_bytes = self.dtype.itemsize * prod(self.shape[1:])
            self._size = self.offset + self._row_bytes * len(self)
            if os.fstat(file.fileno()).st_size < self._size:
                raise ValueError(f"{path.name} is shorter than its header says")
            self.descriptor = os.dup(file.fileno())
        # Not at exit: threads that outlive the program may still read.
        weakref.finalize(self, os.close, self.descriptor).atexit = False

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: Rows) -> NDArray[Any]:
        """A copy of some rows.

        Raises:
            IndexError: there is no such row.
            DamagedError: the file was truncated, or the disk cannot read it.
        """
        wanted = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(self):
            raise IndexError(f"rows {wanted.min()} to {wanted.max()}; there are {len(self)}")
        found = np.empty((*wanted.shape, *self.shape[1:]), self.dtype)
        if found.size:
            flat = wanted.reshape(-1)
            to, size = found.reshape(-1).view(np.uint8).data, self._row_bytes
            # One call for rows that follow each other.
            starts = np.flatnonzero(np.diff(flat, prepend=flat[0] - 2) != 1).tolist()
            for start, end in zip(starts, [*starts[1:], len(flat)], strict=True):
                self._read(to[start * size : end * size], self.offset + int(flat[start]) * size)
        self.require()
        return found

    def read_ahead(self, rows: NDArray[np.int64]) -> None:
        """Have the system read rows at once that will be wanted one by one, unless they seem to be
        in memory. Errors are left to those who read.

        Args:
            rows: [M], 0 to len(self) - 1.
        """
        with suppress(OSError):
            if all(self._is_in_memory(int(row)) for row in rows[:: 1 + len(rows) // _SAMPLES]):
                return
            for row in rows.tolist():
                os.posix_fadvise(
                    self.descriptor,
                    self.offset + row * self._row_bytes,
                    self._row_bytes,
                    os.POSIX_FADV_WILLNEED,
                )

    def _is_in_memory(self, row: int) -> bool:
        sample = bytearray(min(self._row_bytes, _SAMPLE_BYTES))
        try:
            os.preadv(self.descriptor, [sample], self.offset + row * self._row_bytes, os.RWF_NOWAIT)
        except BlockingIOError:
            return False
        return True

    def require(self, copied: bool = True) -> None:
        """Mark this as failed if rows were not read or the file is too short by now.

        Raises:
            DamagedError: so it is.
        """
        if copied and os.fstat(self.descriptor).st_size >= self._size:
            return
        self.failed = True
        raise DamagedError(
            f"{self._path.parent.name}/{self._path.name} was truncated while it was in use, or"
            " the disk cannot read it; a server rebuilds it, and so does"
            " `partlens index verify --repair`"
        )

    def _read(self, to: memoryview, offset: int) -> None:
        done = 0
        while done < len(to):
            try:
                found = os.pread(self.descriptor, len(to) - done, offset + done)
            except OSError:
                found = b""
            self.require(bool(found))
            to[done : done + len(found)] = found
            done += len(found)


def _header(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    read = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read is None:
        raise ValueError(f"version {version} of .npy files is not known")
    shape, by_columns, dtype = read(file)
    if not shape or by_columns or dtype.hasobject:
        raise ValueError("the file does not hold rows of numbers")
    return shape, dtype
