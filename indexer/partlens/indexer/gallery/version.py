"""One committed version of the truth, for reading; never changes."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import lance
import pyarrow as pa

from partlens.indexer.gallery.durability import damage

_LARGEST = 2**64 - 1
# Lance keeps what it read of every version, up to 1 GiB if it is not told less.
_CACHE_BYTES = 16 * 2**20
_BATCH_ROWS = 256


def manifest_path(dataset: Path, version: int) -> Path:
    """The file that makes a version; its name counts down, so that the newest sorts first."""
    return dataset / "_versions" / f"{_LARGEST - version:020}.manifest"


def later_manifests(dataset: Path, version: int) -> list[Path]:
    """The files that make versions after this one."""
    paths = (dataset / "_versions").glob("*.manifest")
    return [path for path in paths if path.stem.isdigit() and _LARGEST - int(path.stem) > version]


def opened(dataset: Path, version: int) -> lance.LanceDataset:
    """A version of a dataset, which remembers little of the versions that come after it."""
    return lance.dataset(str(dataset), version=version, metadata_cache_size_bytes=_CACHE_BYTES)


class NeededFile(NamedTuple):
    """A file that reading a version needs.

    Attributes:
        path: of the file.
        images: how many depend on it.
        of_rows: whether it holds rows, or says which rows there are.
        size: in bytes, where that was written down.
    """

    path: Path
    images: int
    of_rows: bool = False
    size: int | None = None


class Version:
    """Rows of the truth as of one commit. Safe to use from threads.

    Args:
        dataset: opened at that version; it must not be written through.
    """

    def __init__(self, dataset: lance.LanceDataset) -> None:
        self.dataset = dataset
        self.number: int = dataset.version

    @classmethod
    def open(cls, path: Path, number: int) -> "Version":
        """A version on disk.

        Raises:
            DamagedError: it cannot be opened.
        """
        with damage(f"version {number} of the gallery cannot be opened"):
            return cls(opened(path, number))

    def __len__(self) -> int:
        return int(self.dataset.count_rows())

    def read(self, columns: Sequence[str], row_ids: Iterable[int] | None = None) -> pa.Table:
        """Columns and `_rowid` of all rows, or of these, in no particular order.

        Raises:
            DamagedError: the files of these rows cannot be read.
        """
        with damage("rows of the gallery cannot be read"):
            return self.dataset.to_table(
                columns=list(columns),
                filter=None if row_ids is None else any_of(row_ids),
                with_row_id=True,
            )

    def batches(
        self, columns: Sequence[str], part: lance.LanceFragment | None = None
    ) -> Iterator[pa.Table]:
        """Columns of all rows, or of one of the parts, some at a time; raises as read does."""
        with damage("rows of the gallery cannot be read"):
            scanner = self.dataset.scanner(
                columns=list(columns),
                batch_size=_BATCH_ROWS,
                fragments=None if part is None else [part],
            )
            for batch in scanner.to_batches():
                yield pa.Table.from_batches([batch])

    def parts(self) -> Sequence[lance.LanceFragment]:
        """What Lance calls fragments: rows that were written together."""
        return self.dataset.get_fragments()

    def data_files(self, part: lance.LanceFragment) -> list[Path]:
        """The files that hold the rows of a part, without the one that says which are dead."""
        return [Path(self.dataset.uri) / "data" / file.path for file in part.data_files()]

    def fragments(self) -> dict[int, str | None]:
        """Lance's number of each part -> the file that says which of its rows are dead."""
        return {each.fragment_id: each.deletion_file() for each in self.parts()}

    def needed(self) -> list[NeededFile]:
        """Every file that reading this version needs."""
        root = Path(self.dataset.uri)
        found = [NeededFile(manifest_path(root, self.number), len(self))]
        for part in self.parts():
            images = part.count_rows()
            for file in part.data_files():
                size = file.file_size_bytes or None
                found.append(NeededFile(root / "data" / file.path, images, True, size))
            if deletions := part.deletion_file():
                found.append(NeededFile(root / deletions, images))
        return found

    def files(self) -> list[Path]:
        """The paths of the files that reading this version needs."""
        return [file.path for file in self.needed()]


def any_of(row_ids: Iterable[int]) -> str:
    """A filter that these rows pass; Lance looks them up, and does not scan for them."""
    return f"_rowid IN ({', '.join(str(int(row_id)) for row_id in row_ids)})"
