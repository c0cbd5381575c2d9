"""The truth: the rows of a Lance dataset, and the version of it that is safe on disk."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from lance.optimize import Compaction, CompactionOptions
from numpy.typing import NDArray

from partlens.common.durable import sync
from partlens.indexer.errors import DamagedError, StorageError
from partlens.indexer.gallery import checksums
from partlens.indexer.gallery.committed import (
    COMMITTED,
    DATASET,
    SUMS,
    Committed,
    is_noted,
    note_committed,
    recorded,
    require_checksums,
)
from partlens.indexer.gallery.durability import (
    damage,
    files_below,
    is_refusal,
    refusals,
    sync_new,
)
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.rows_version import (
    RowsVersion,
    any_of,
    later_manifests,
    manifest_path,
    opened,
)
from partlens.indexer.gallery.schema import schema
from partlens.indexer.gallery.staging import Staged

# Older versions are removed; their readers must take a newer one.
_KEPT = timedelta(minutes=5)
# A file is rewritten several times while it grows, so it should not be much larger.
_FILE_BYTES = 16 * 2**20
# Bytes read at most to find out whether damage made a write fail.
_EXAMINED_BYTES = 2**30
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Rewritten:
    """Files that hold the live rows of other files, not committed yet.

    Attributes:
        results: what Lance needs to use them.
        sources: number of each copied fragment -> its file of deleted rows.
    """

    results: Sequence[Any]
    sources: Mapping[int, str | None]


class LanceRows:
    """One row for each image, in a Lance dataset; changes one whole commit at a time.

    Lance does not sync, so a commit counts once its files are synced and committed.json names its
    version. Later versions were never acknowledged: readers ignore them, and the next writer
    removes them. Any thread may read; only one may write.

    Attributes:
        current: the newest committed version that was read.

    Args:
        folder: folder of the gallery.

    Raises:
        DamagedError: the committed version cannot be opened, or its manifest differs from its
            checksum.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._path = folder, folder / DATASET
        self._writer: lance.LanceDataset | None = None
        self._committed = Committed(0, 0)
        self._synced: set[Path] = set()
        self._rewriting = False
        self.current = self._newest(first=True)

    @classmethod
    def create(cls, folder: Path, bound: GallerySpec) -> None:
        """Create an empty dataset; on disk when this returns."""
        empty, path = schema(bound).empty_table(), folder / DATASET
        dataset = lance.write_dataset(empty, str(path), enable_stable_row_ids=True)
        checksums.record(folder / SUMS, _unchanging(sync_new(path, set())))
        Committed(dataset.version, 0).write(folder)
        note_committed(folder)

    def refresh(self) -> bool:
        """Read the newest committed version; False if that is the current one."""
        if Committed.read(self._folder).version == self.current.number:
            return False
        self.current = self._newest()
        return True

    def begin(self) -> lance.LanceDataset:
        """Prepare to write; only for the holder of the writer's lock.

        Returns:
            The dataset at the committed version, for writing.

        Raises:
            StorageError: what a killed writer left cannot be removed.
            DamagedError: committed.json, the checksums or the version are damaged.
        """
        with self._refusals():
            self._committed = Committed.newest(self._folder)
            sums = require_checksums(self._folder)
            # One of these may be cut short, and Lance reads the newest before it writes.
            for path in later_manifests(self._path, self._committed.version):
                path.unlink()
            dataset = opened(self._path, self._committed.version)
            # Not the folders: a writer that was killed may have left their names unsynced.
            self._synced = files_below(self._path)
            self.current = RowsVersion(dataset.checkout_version(dataset.version))
            self._complete(sums)
        self._writer = dataset
        return dataset

    def _complete(self, sums: Mapping[str, str]) -> None:
        """Record what a killed writer, or an earlier version of partlens, did not."""
        if COMMITTED not in sums:
            files = [file for file in self.current.files() if self._place(file) not in sums]
            for file in files:
                _log.warning("%s had no checksum; it is recorded now", self._place(file))
            checksums.record(self._folder / SUMS, files)
        if COMMITTED not in sums or not is_noted(self._folder):
            highest = max(self.current.read(["revision"])["revision"].to_pylist(), default=0)
            if highest > self._committed.revision:
                raise DamagedError(
                    f"{COMMITTED} has revision {self._committed.revision}, but an image has"
                    f" {highest}: restore this file, or the whole gallery, from a backup"
                )
            note_committed(self._folder)

    def upsert(self, table: pa.Table, revision: int, *, replacing: bool) -> NDArray[np.int64]:
        """Insert rows, or replace those of the same id; returns when they are on disk.

        Args:
            replacing: whether some of the ids exist. Lance then reads the ids of all rows.

        Returns:
            The row id of each row of the table.

        Raises:
            StorageError: the disk refused it; nothing has changed.
        """
        with self._commit(revision) as dataset:
            known = {fragment.fragment_id for fragment in dataset.get_fragments()}
            if replacing:
                merge = dataset.merge_insert("id").when_matched_update_all()
                merge.when_not_matched_insert_all().execute(table)
            else:
                dataset.insert(table)
        fragments = [
            one for one in self.current.dataset.get_fragments() if one.fragment_id not in known
        ]
        if replacing:
            return self._row_ids_of(table["id"].to_pylist(), fragments)
        # Rows that are only inserted keep their order, so no data is read.
        return np.asarray(self._new_rows([], fragments)["_rowid"].to_numpy(), np.int64)

    def append(self, staged: Staged, revision: int) -> NDArray[np.int64]:
        """Insert new rows whose files another process has written; returns when they are on disk.

        The files are moved, not copied.

        Args:
            revision: of all rows, at least next_revision.

        Returns:
            The row id of each row, in order.

        Raises:
            StorageError: the disk refused it; nothing has changed, but the files may be gone.
        """
        with self._commit(revision) as dataset:
            known = {fragment.fragment_id for fragment in dataset.get_fragments()}
            (self._path / "data").mkdir(exist_ok=True)
            for file in staged.files:
                file.rename(self._path / "data" / file.name)
            operation = lance.LanceOperation.Append(staged.metadata())
            lance.LanceDataset.commit(dataset, operation, read_version=dataset.version)
            dataset.checkout_latest()  # type: ignore[no-untyped-call]
        fragments = [
            one for one in self.current.dataset.get_fragments() if one.fragment_id not in known
        ]
        return np.asarray(self._new_rows([], fragments)["_rowid"].to_numpy(), np.int64)

    def delete(self, row_ids: Iterable[int]) -> None:
        """Delete rows; on disk when this returns. Raises the errors of upsert."""
        with self._commit() as dataset:
            dataset.delete(any_of(row_ids))

    def _row_ids_of(
        self, ids: Sequence[str], fragments: Sequence[lance.LanceFragment]
    ) -> NDArray[np.int64]:
        """Row ids of the ids in fragments that a merge wrote, in an order of its own."""
        new = self._new_rows(["id"], fragments)
        row_ids = dict(zip(new["id"].to_pylist(), new["_rowid"].to_pylist(), strict=True))
        return np.array([row_ids[id] for id in ids], np.int64)

    def _new_rows(self, columns: list[str], fragments: Sequence[lance.LanceFragment]) -> pa.Table:
        """Columns and `_rowid` of the rows of fragments that were just written."""
        with damage("the rows that were just written cannot be read"):
            scanner = self.current.dataset.scanner(columns, with_row_id=True, fragments=fragments)
            return scanner.to_table()

    @property
    def next_revision(self) -> int:
        """Revision of the images of the next upsert."""
        return self._committed.revision + 1

    @property
    def storage_version(self) -> str:
        """Version of Lance's file format that the truth's files have."""
        return str(self.current.dataset.data_storage_version)

    def rewrite(self, row_bytes: int, dead_share: float) -> Rewritten:
        """Merge small files and drop deleted rows into new files, for `replace`.

        This takes long; other commits may happen meanwhile.

        Args:
            row_bytes: approximate size of a row.
            dead_share: files with a larger share of deleted rows are rewritten too.

        Raises:
            StorageError: the disk refused it; nothing has changed.
            DamagedError: a file differs from its checksum. A copy of it would look whole.
        """
        options: CompactionOptions = {
            "target_rows_per_fragment": max(256, _FILE_BYTES // row_bytes),
            "materialize_deletions_threshold": dead_share,
            "num_threads": 1,
        }
        version, self._rewriting = self.current, True
        try:
            with self._refusals():
                tasks = Compaction.plan(version.dataset, options).tasks
            self._require_whole(version, {one.id for task in tasks for one in task.fragments})
            with self._refusals():
                results = [task.execute(version.dataset) for task in tasks]
        finally:
            self._rewriting = False
        used = {fragment.id for task in tasks for fragment in task.fragments}
        sources = {id: file for id, file in version.fragments().items() if id in used}
        return Rewritten(results, sources)

    def replace(self, rewritten: Rewritten) -> bool:
        """Commit rewritten files; False, and nothing changes, if their rows have changed since."""
        now = self.current.fragments()
        if any(id not in now or now[id] != file for id, file in rewritten.sources.items()):
            return False
        if rewritten.results:
            with self._commit() as dataset:
                Compaction.commit(dataset, list(rewritten.results))
        return True

    def forget_history(self, *, at_once: bool = False) -> None:
        """Remove old versions and the files that only they need; never during `rewrite`.

        Args:
            at_once: remove all versions but the newest; otherwise those older than five minutes.
        """
        dataset = self._to_write()
        with self._refusals():
            dataset.cleanup_old_versions(
                older_than=timedelta(0) if at_once else _KEPT, delete_unverified=True
            )
            checksums.forget_missing(self._folder / SUMS)

    def commit_nothing(self) -> None:
        """Commit a version with the same rows, whose files no longer name changed rows."""
        with self._commit() as dataset:
            dataset.restore()  # type: ignore[no-untyped-call]

    def _newest(self, *, first: bool = False) -> RowsVersion:
        """Open the committed version, which another process may be about to remove.

        Args:
            first: compare the manifest with its checksum, since a changed one must not be
                parsed. Later versions have just been written.
        """
        committed = Committed.newest(self._folder)
        while True:
            try:
                if first:
                    self._require_manifest(committed.version)
                return RowsVersion.open(self._path, committed.version)
            except DamagedError:
                before, committed = committed, Committed.newest(self._folder)
                if committed == before:
                    raise

    def _require_manifest(self, version: int) -> None:
        file = manifest_path(self._path, version)
        if self._differs(file, recorded(self._folder)):
            raise DamagedError(
                f"{file.relative_to(self._folder)}, which says what the newest version holds,"
                " differs from its checksum; bring the gallery back from a backup"
            )

    def _require_whole(self, version: RowsVersion, numbers: Set[int]) -> None:
        """Raise DamagedError if a file of these parts of a version differs from its checksum."""
        sums = recorded(self._folder)
        parts = [part for part in version.parts() if part.fragment_id in numbers]
        for file in (file for part in parts for file in version.data_files(part)):
            if self._place(file) not in sums or self._differs(file, sums):
                raise DamagedError(
                    f"{self._place(file)} differs from its checksum, and a copy of it"
                    " would look whole; `partlens index verify` says what to do"
                )

    def _place(self, file: Path) -> str:
        return file.relative_to(self._folder).as_posix()

    def _differs(self, file: Path, sums: Mapping[str, str]) -> bool:
        """Whether a file is not what its checksum says, where it has one."""
        place = self._place(file)
        with damage(f"{place} cannot be read"):
            return place in sums and checksums.digest(file) != sums[place]

    def _to_write(self) -> lance.LanceDataset:
        return self._writer or self.begin()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """As refusals, but DamagedError if a file of the current version is damaged."""
        try:
            with refusals(self._folder.name):
                yield
        except StorageError as error:
            place = "" if is_refusal(error.__cause__) else self._damaged_file()
            if place:
                raise DamagedError(
                    f"{place} is damaged; `partlens index verify` says what to do"
                ) from error
            raise

    def _damaged_file(self) -> str:
        """A damaged file of the current version; "" if none is found."""
        sums, left = recorded(self._folder), _EXAMINED_BYTES
        for file in self.current.needed():
            try:
                size = file.path.stat().st_size
            except OSError:
                return self._place(file.path)
            if file.size not in (None, size):
                return self._place(file.path)
            if size <= left and self._differs(file.path, sums):
                return self._place(file.path)
            left -= min(size, left)
        return ""

    @contextmanager
    def _commit(self, revision: int | None = None) -> Iterator[lance.LanceDataset]:
        """Commit all changes that the block makes to the dataset, or none of them."""
        dataset, before, known = self._to_write(), self._committed, set(self._synced)
        highest = before.revision if revision is None else revision
        try:
            with self._refusals():
                yield dataset
                new = sync_new(self._path, self._synced)
                checksums.record(self._folder / SUMS, _unchanging(new))
                sync(self._folder / SUMS)
                Committed(dataset.version, highest).write(self._folder)
        except BaseException:
            self._undo(before, known)
            raise
        try:
            note_committed(self._folder)
        except OSError as error:  # it is committed all the same; the next `begin` tries again
            _log.warning("%s cannot be written: %s", SUMS, error)
            self._writer = None
        self._committed = Committed(dataset.version, highest)
        self.current = RowsVersion(dataset.checkout_version(dataset.version))

    def _undo(self, before: Committed, known: set[Path]) -> None:
        """Remove what a failed commit wrote, unless committed.json already names it."""
        self._writer = None
        if Committed.read(self._folder) == before and not self._rewriting:
            # Do not fill a full disk with files that nothing refers to.
            for path in files_below(self._path) - known:
                if path.is_file() and path.suffix != ".json":
                    path.unlink(missing_ok=True)
        self.begin()


def _unchanging(files: Sequence[Path]) -> list[Path]:
    """The files without Lance's hint of the newest version, which it rewrites."""
    return [file for file in files if file.suffix != ".json"]
