"""The rows of the truth at one commit, for reading; they never change."""

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import lance
import pyarrow as pa

from partlens.indexer.gallery.durability import damage
from partlens.indexer.gallery.home.folder import DATASET
from partlens.indexer.gallery.home.home import Home

_LARGEST = 2**64 - 1
_VERSIONS = f"{DATASET}/_versions"
_MANIFEST = re.compile(r"(\d+)\.manifest")
# Lance caches what it reads of every version, up to 1 GiB by default.
_CACHE_BYTES = 16 * 2**20
_BATCH_ROWS = 256


def manifest_place(version: int) -> str:
    """The manifest of a version. Its name counts down, so that the newest sorts first."""
    return f"{_VERSIONS}/{_LARGEST - version:020}.manifest"


def later_manifests(home: Home, version: int) -> list[str]:
    """The places of the manifests of later versions."""
    return [place for place, number in _manifests(home) if number > version]


def earlier_manifests(home: Home, version: int) -> list[str]:
    """The places of the manifests of earlier versions."""
    return [place for place, number in _manifests(home) if number < version]


def _manifests(home: Home) -> list[tuple[str, int]]:
    matches = map(_MANIFEST.fullmatch, home.names(_VERSIONS))
    return [(f"{_VERSIONS}/{found[0]}", _LARGEST - int(found[1])) for found in matches if found]


def opened(home: Home, version: int) -> lance.LanceDataset:
    """Open a version of a gallery's dataset with a small cache."""
    return lance.dataset(
        home.dataset,
        version=version,
        metadata_cache_size_bytes=_CACHE_BYTES,
        storage_options=dict(home.options) if home.options else None,
    )


class NeededFile(NamedTuple):
    """A file that reading a version needs.

    Attributes:
        place: the file, relative to the gallery.
        images: number of images that depend on it.
        of_rows: whether it holds rows; otherwise it lists rows.
        size: size in bytes, if that is recorded.
    """

    place: str
    images: int
    of_rows: bool = False
    size: int | None = None


class RowsVersion:
    """Rows of the truth at one commit. Thread-safe.

    Args:
        dataset: dataset opened at that version; never used for writing.
    """

    def __init__(self, dataset: lance.LanceDataset) -> None:
        self.dataset = dataset
        self.number: int = dataset.version

    @classmethod
    def open(cls, home: Home, number: int) -> "RowsVersion":
        """Open a version of a gallery.

        Raises:
            DamagedError: it cannot be opened.
        """
        with damage(f"version {number} of the gallery cannot be opened"):
            return cls(opened(home, number))

    def __len__(self) -> int:
        return int(self.dataset.count_rows())

    def read(self, columns: Sequence[str], row_ids: Iterable[int] | None = None) -> pa.Table:
        """Columns and `_rowid` of all rows, or of the given ones, in no particular order.

        Raises:
            DamagedError: the files of these rows cannot be read.
        """
        with damage("rows of the gallery cannot be read"):
            return self.dataset.to_table(
                columns=list(columns),
                filter=None if row_ids is None else any_of(row_ids),
                with_row_id=True,
            )

    def take(self, columns: Sequence[str], row_ids: Sequence[int]) -> pa.Table:
        """Columns and `_rowid` of a few rows, in no particular order; raises the errors of read.

        In less than half of the time: read plans a scan first.
        """
        with damage("rows of the gallery cannot be read"):
            # Lance's `take` counts rows from the first one; by row id it has only this.
            return self.dataset._take_rows(list(row_ids), columns=[*columns, "_rowid"])

    def read_part(self, columns: Sequence[str], part: lance.LanceFragment) -> pa.Table:
        """Columns and `_rowid` of one part, in no particular order; raises the errors of read."""
        with damage("rows of the gallery cannot be read"):
            scanner = self.dataset.scanner(list(columns), with_row_id=True, fragments=[part])
            return scanner.to_table()

    def batches(
        self, columns: Sequence[str], part: lance.LanceFragment | None = None
    ) -> Iterator[pa.Table]:
        """Columns of all rows, or of one part, in batches; raises the errors of read."""
        with damage("rows of the gallery cannot be read"):
            scanner = self.dataset.scanner(
                columns=list(columns),
                batch_size=_BATCH_ROWS,
                fragments=None if part is None else [part],
            )
            for batch in scanner.to_batches():
                yield pa.Table.from_batches([batch])

    def parts(self) -> Sequence[lance.LanceFragment]:
        """Lance's fragments: rows that were written together."""
        return self.dataset.get_fragments()

    def data_files(self, part: lance.LanceFragment) -> list[str]:
        """The files with the rows of a part, without its file of deleted rows."""
        return [f"{DATASET}/data/{file.path}" for file in part.data_files()]

    def fragments(self) -> dict[int, str | None]:
        """Lance's number of each part -> its file of deleted rows."""
        return {each.fragment_id: each.deletion_file() for each in self.parts()}

    def needed(self) -> list[NeededFile]:
        """Every file that reading this version needs."""
        found = [NeededFile(manifest_place(self.number), len(self))]
        for part in self.parts():
            images = part.count_rows()
            for file in part.data_files():
                size = file.file_size_bytes or None
                found.append(NeededFile(f"{DATASET}/data/{file.path}", images, True, size))
            if deletions := part.deletion_file():
                found.append(NeededFile(f"{DATASET}/{deletions}", images))
        return found

    def files(self) -> list[str]:
        """The places of the files that reading this version needs."""
        found = [manifest_place(self.number)]
        for part in self.parts():
            found += self.data_files(part)
            if deletions := part.deletion_file():
                found.append(f"{DATASET}/{deletions}")
        return found


def any_of(row_ids: Iterable[int]) -> str:
    """A filter for rows by id; Lance looks them up without a scan."""
    return f"_rowid IN ({', '.join(str(int(row_id)) for row_id in row_ids)})"
