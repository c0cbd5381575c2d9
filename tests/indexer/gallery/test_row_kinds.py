"""The kernel reads rows of files where they are; arrays in memory are no files."""

from pathlib import Path

import numpy as np

from partlens.explainer.stored import is_in_file
from partlens.indexer.gallery.row_file import RowFile


def test_rows_of_files_are_seen_as_such(tmp_path: Path) -> None:
    array = np.arange(12, dtype=np.float16).reshape(3, 4)
    np.save(tmp_path / "rows.npy", array)
    assert is_in_file(RowFile(tmp_path / "rows.npy"))
    assert not is_in_file(array)
