"""The truth: the rows of a Lance dataset, and the version of it that is safe on disk."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import lance
import numpy as np
import pyarrow as pa
from lance.optimize import Compaction, CompactionOptions
from numpy.typing import NDArray

from partlens.indexer.errors import DamagedError, LockedError, StorageError, UnreachableError
from partlens.indexer.gallery import checksums
from partlens.indexer.gallery.committed import (
    COMMITTED,
    SUMS,
    Committed,
    forget_missing,
    is_noted,
    note_committed,
    record,
    recorded,
    require_checksums,
)
from partlens.indexer.gallery.durability import damage, is_refusal, refusals
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import DATASET
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.rows_version import (
    RowsVersion,
    any_of,
    later_manifests,
    manifest_place,
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
_TRANSACTIONS = f"{DATASET}/_transactions/"
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

    Lance does not sync, so a commit counts once its files are durable and committed.json names its
    version. Later versions were never acknowledged: readers ignore them, and the next writer
    removes them, or commits over them. Any thread may read; only one may write.

    Attributes:
        current: the newest committed version that was read.

    Args:
        home: of the gallery.

    Raises:
        DamagedError: the committed version cannot be opened, or its manifest differs from its
            checksum.
    """

    def __init__(self, home: Home) -> None:
        self._home = home
        self._writer: lance.LanceDataset | None = None
        self._committed = Committed(0, 0)
        self._rewriting = False
        self.current = self._newest(first=True)

    @classmethod
    def create(cls, home: Home, bound: GallerySpec) -> None:
        """Create an empty dataset; durable when this returns."""
        dataset = lance.write_dataset(
            schema(bound).empty_table(),
            home.dataset,
            enable_stable_row_ids=True,
            storage_options=dict(home.options) if home.options else None,
        )
        record(home, home.settle(RowsVersion(dataset).files))
        Committed(dataset.version, 0).write(home)
        note_committed(home)

    def refresh(self) -> bool:
        """Read the newest committed version; False if that is the current one."""
        if Committed.read(self._home).version == self.current.number:
            return False
        self.current = self._newest()
        return True

    def version(self, number: int) -> RowsVersion:
        """An earlier committed version; DamagedError if it is no longer there."""
        return RowsVersion.open(self._home, number)

    def has_version(self, number: int) -> bool:
        """Whether a version that was committed is still there."""
        return self._home.state(manifest_place(number)) is not None

    def begin(self) -> lance.LanceDataset:
        """Prepare to write; only for the holder of the writer's lock.

        Returns:
            The dataset at the committed version, for writing.

        Raises:
            StorageError: what a killed writer left cannot be removed.
            DamagedError: committed.json, the checksums or the version are damaged.
        """
        with self._refusals():
            self._committed = Committed.newest(self._home)
            sums = require_checksums(self._home)
            later = later_manifests(self._home, self._committed.version)
            if not self._home.remote:
                # One of these may be cut short, and Lance reads the newest before it writes.
                self._home.remove(later)
            dataset = opened(self._home, self._committed.version)
            self.current = RowsVersion(dataset.checkout_version(dataset.version))
            self._home.begin(self.current.files)
            self._complete(sums)
        self._writer = dataset
        if self._home.unsettled or (later and self._home.remote):
            # What another writer, or a failed request, sends from now on cannot be committed.
            self.commit_nothing()
            self._home.settled()
        return dataset

    def _complete(self, sums: Mapping[str, str]) -> None:
        """Record what a killed writer, or an earlier version of partlens, did not."""
        if COMMITTED not in sums:
            places = [place for place in self.current.files() if place not in sums]
            for place in places:
                _log.warning("%s had no checksum; it is recorded now", place)
            record(self._home, places)
        if COMMITTED not in sums or not is_noted(self._home):
            highest = max(self.current.read(["revision"])["revision"].to_pylist(), default=0)
            if highest > self._committed.revision:
                raise DamagedError(
                    f"{COMMITTED} has revision {self._committed.revision}, but an image has"
                    f" {highest}: restore this file, or the whole gallery, from a backup"
                )
            note_committed(self._home)

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

        The files are moved: they are not read, and nothing is left in their old place.

        Args:
            revision: of all rows, at least next_revision.

        Returns:
            The row id of each row, in order.

        Raises:
            StorageError: the disk refused it; nothing has changed, but the files may be gone.
        """
        with self._commit(revision) as dataset:
            known = {fragment.fragment_id for fragment in dataset.get_fragments()}
            self._home.move(staged.files)
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
            self._home.require_lock()
            dataset.cleanup_old_versions(
                older_than=timedelta(0) if at_once else _KEPT,
                # Elsewhere, these may be the files of the next writer.
                delete_unverified=not self._home.remote,
            )
            if at_once and self._home.remote:
                self._remove_unneeded()
            forget_missing(self._home)

    def _remove_unneeded(self) -> None:
        """Remove what writers left that were killed, or that lost the lock."""
        needed = set(self.current.files())
        # The newest transaction stays; its name begins with the version it was made from.
        transaction = f"{_TRANSACTIONS}{self.current.number - 1}-"
        there = [place for place in self._home.places() if place.startswith(f"{DATASET}/")]
        left = [
            place
            for place in there
            if place not in needed
            and not place.startswith(transaction)
            and not place.endswith(".json")
        ]
        # After they were listed: the files of a later writer are not among them.
        self._home.require_lock()
        self._home.remove(left)

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
        committed = Committed.newest(self._home)
        while True:
            try:
                if first:
                    self._require_manifest(committed.version)
                return RowsVersion.open(self._home, committed.version)
            except DamagedError:
                before, committed = committed, Committed.newest(self._home)
                if committed == before:
                    raise

    def _require_manifest(self, version: int) -> None:
        place = manifest_place(version)
        if self._differs(place, recorded(self._home)):
            raise DamagedError(
                f"{place}, which says what the newest version holds,"
                " differs from its checksum; bring the gallery back from a backup"
            )

    def _require_whole(self, version: RowsVersion, numbers: Set[int]) -> None:
        """Raise DamagedError if a file of these parts of a version differs from its checksum."""
        sums = recorded(self._home)
        parts = [part for part in version.parts() if part.fragment_id in numbers]
        for place in (place for part in parts for place in version.data_files(part)):
            if place not in sums or self._differs(place, sums):
                raise DamagedError(
                    f"{place} differs from its checksum, and a copy of it"
                    " would look whole; `partlens index verify` says what to do"
                )

    def _differs(self, place: str, sums: Mapping[str, str]) -> bool:
        """Whether a file is not what its checksum says, where it has one."""
        with damage(f"{place} cannot be read"):
            return place in sums and checksums.digest(self._home.file(place)) != sums[place]

    def prepare(self) -> None:
        """Prepare to write again after a commit that failed; raises as begin."""
        self._to_write()

    def _to_write(self) -> lance.LanceDataset:
        # Not by its truth: an empty dataset counts as false.
        return self.begin() if self._writer is None else self._writer

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        """As refusals, but DamagedError if a file of the current version is damaged."""
        try:
            with refusals(self._home.name):
                yield
        except UnreachableError:
            raise
        except StorageError as error:
            place = "" if is_refusal(error.__cause__) else self._damaged_file()
            if place:
                raise DamagedError(
                    f"{place} is damaged; `partlens index verify` says what to do"
                ) from error
            raise

    def _damaged_file(self) -> str:
        """A damaged file of the current version; "" if none is found."""
        sums, left = recorded(self._home), _EXAMINED_BYTES
        for file in self.current.needed():
            try:
                state = self._home.state(file.place)
            except OSError:
                return file.place
            if state is None or file.size not in (None, state.size):
                return file.place
            if state.size <= left and self._differs(file.place, sums):
                return file.place
            left -= min(state.size, left)
        return ""

    @contextmanager
    def _commit(self, revision: int | None = None) -> Iterator[lance.LanceDataset]:
        """Commit all changes that the block makes to the dataset, or none of them."""
        dataset, before = self._to_write(), self._committed
        highest = before.revision if revision is None else revision
        try:
            with self._refusals():
                self._home.start()
                yield dataset
                record(self._home, self._home.settle(RowsVersion(dataset).files))
                Committed(dataset.version, highest).write(self._home)
        except BaseException:
            self._undo(before)
            raise
        try:
            note_committed(self._home)
        except (
            OSError,
            StorageError,
            LockedError,
        ) as error:  # it is committed all the same; the next `begin` tries again
            _log.warning("%s cannot be written: %s", SUMS, error)
            self._writer = None
        self._committed = Committed(dataset.version, highest)
        self.current = RowsVersion(dataset.checkout_version(dataset.version))

    def _undo(self, before: Committed) -> None:
        """Remove what a failed commit wrote, unless committed.json already names it."""
        self._writer = None
        if self._home.remote:
            self._home.doubt()  # and the next commit begins with a version of the same rows
            return
        if Committed.read(self._home) == before and not self._rewriting:
            self._home.undo()
        self.begin()
