"""Rows of files are read where they are; arrays in memory are not files."""

import os
import time
from pathlib import Path

import numpy as np
import pytest

from partlens.explainer.stored import is_in_file
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery.row_file import RowFile


def test_rows_of_files_are_seen_as_such(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float16).reshape(3, 4)
    np.save(tmp_path / "rows.npy", array)
    assert is_in_file(RowFile(tmp_path / "rows.npy"))
    assert not is_in_file(array)


def test_rows_that_are_on_disk_only_are_read_ahead(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((2000, 1024), np.float32)
    np.save(tmp_path / "rows.npy", array)
    file, rows = RowFile(tmp_path / "rows.npy"), np.arange(50, 2000, 150)
    os.fsync(file.descriptor)
    os.posix_fadvise(file.descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
    if in_memory(file, rows).any():
        pytest.skip("this file system keeps its files in memory")
    file.read_ahead(rows)
    deadline = time.monotonic() + 60
    while not in_memory(file, rows).all():
        assert time.monotonic() < deadline
        time.sleep(0.01)
    np.testing.assert_array_equal(file[rows], array[rows])


def test_reading_ahead_leaves_errors_to_the_reader(tmp_path: Path) -> None:
    np.save(tmp_path / "rows.npy", np.zeros((4, 2048), np.float32))
    file = RowFile(tmp_path / "rows.npy")
    os.truncate(tmp_path / "rows.npy", 200)
    file.read_ahead(np.arange(4))
    with pytest.raises(DamagedError):
        file[np.arange(4)]


def in_memory(file: RowFile, rows: np.ndarray) -> np.ndarray:
    """Whether the system could give each row without reading it from the disk, shape as rows."""
    found, buffer = np.zeros(len(rows), bool), bytearray(4096)
    for i, row in enumerate(rows):
        try:
            os.preadv(file.descriptor, [buffer], file.offset + int(row) * 4096, os.RWF_NOWAIT)
            found[i] = True
        except BlockingIOError:
            pass
    return found
