"""A gallery on disk: opening, refreshing and writing. Read it through a GalleryView."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

from partlens.common.compute import Device
from partlens.common.storage import Storage
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import (
    DamagedError,
    GalleryError,
    ModelMismatchError,
    SupersededError,
)
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.compaction import Compaction, rewritten
from partlens.indexer.gallery.corrections import corrected, same_pictures
from partlens.indexer.gallery.creation import create_folder
from partlens.indexer.gallery.durability import WriterLock, refusals
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.image_columns import ImageColumns
from partlens.indexer.gallery.indexes import INDEXES, Indexes
from partlens.indexer.gallery.inherited import Origin
from partlens.indexer.gallery.integrity import require_readable
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.leftovers import remove_leftovers
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.loading import (
    LOCK,
    SEGMENTS,
    load,
    write_or_keep,
)
from partlens.indexer.gallery.mending import rebuilt, segments_of
from partlens.indexer.gallery.plan import IndexChoice
from partlens.indexer.gallery.records import (
    Correction,
    NewImage,
    Place,
    StoredImage,
    require_correct,
    require_storable,
)
from partlens.indexer.gallery.schema import Packed, packed
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.view import GalleryView

# Retries of a read. Each is needed only if another process purges the gallery meanwhile.
_RETRIES = 5
T = TypeVar("T")


class Gallery(AbstractContextManager["Gallery", None]):
    """A folder of images by id, with their contributions. One process writes, many can read.

    `view` is the gallery as of the last `refresh`, `add`, `correct` or `delete`; a Follower
    refreshes it. With its first write, this process becomes the writer until the gallery is closed.
    Methods are thread-safe, and reads never wait for writes.

    Attributes:
        damage: non-fatal damage of the truth found on opening; a Scrubber finds the rest.
    """

    def __init__(self, path: Path, bound: GallerySpec, device: Device = "cpu") -> None:
        self.path, self.bound, self.spec = path, bound, bound.spec
        self._truth = LanceRows(path)
        self._lock: WriterLock | None = None
        self._writing = threading.RLock()
        self._changed_at = 0.0
        self._mending = False
        self.damage = require_readable(path, self._truth)
        self.indexes = Indexes(path / INDEXES, self.spec.dimensions, device)
        self._view = self._load()
        self._compaction = Compaction(
            path / SEGMENTS,
            live=lambda: self._view.live,
            swap=self._swap,
            index=self._index,
            unindexed=lambda: self.indexes.missing(self._view.live.segments),
            lacks_index=lambda: self.indexes.lacks_files(self._view.live.segments),
            tidy=self._tidy_truth,
        )

    @classmethod
    def create(cls, path: Path, spec: ModelSpec, storage: Storage = "float16") -> "Gallery":
        """Create an empty gallery bound to a model.

        Args:
            storage: storage type of the contributions.

        Raises:
            AlreadyExistsError: the path already exists.
            StorageError: the disk refused the write.
        """
        bound = GallerySpec(spec, storage)
        create_folder(path, bound)
        return cls(path, bound)

    @classmethod
    def open(cls, path: Path, spec: ModelSpec | None = None, device: Device = "cpu") -> "Gallery":
        """Open the gallery at a path.

        Args:
            spec: spec of the model that will be used with it; None to read, and to search with
                stored features only.
            device: device that searches the positions of large segments.

        Raises:
            NotFoundError: there is no gallery at this path.
            ModelMismatchError: the gallery is bound to another model.
            DamagedError, NewerFormatError: its files are damaged, or written by a newer version.
            GpuError: the device is not available.
        """
        bound = GallerySpec.read(path)
        if spec is not None and spec.digest != bound.spec.digest:
            raise ModelMismatchError(bound.spec.digest, spec.digest)
        return cls(path, bound, device)

    @property
    def view(self) -> GalleryView:
        """The current view. A view never changes; it is replaced by a newer one."""
        return self._view

    def read(self, work: Callable[[GalleryView], T]) -> T:
        """Run `work` on the current view and return its result.

        While this process is the only writer, a view's files stay. If another process removes
        them, `work` is run again from the start on a newer view.

        Raises:
            Whatever `work` raises.
        """
        for _ in range(_RETRIES):
            try:
                return work(self._view)
            except SupersededError:
                self.refresh()
        return work(self._view)

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop writing, so that another process can write."""
        self._compaction.stop()
        with self._writing:
            self._release()

    def _release(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close_if_idle(self, seconds: float) -> None:
        """Let another process write if nothing has changed for this many seconds."""
        if self._lock is None or time.monotonic() - self._changed_at <= seconds:
            return
        with self._writing:  # mending and compaction start under this lock
            if not self._mending and not self._compaction.is_running():
                self._release()

    def refresh(self) -> bool:
        """Load commits of other processes; return whether there were any.

        Raises:
            DamagedError: the new commit cannot be read; the current view stays.
        """
        with self._writing:
            self._truth.refresh()
            self.indexes.see(self._view.live.segments)
            if self._truth.current.number == self._view.number:
                return False
            while True:
                try:
                    self._view = self._load(self._view.live.segments, self._lock)
                    return True
                except DamagedError:
                    # A writer may have cleaned it up meanwhile; then there is a newer one.
                    if not self._truth.refresh():
                        raise

    @contextmanager
    def writing(self) -> Iterator[GalleryView]:
        """Block other writers within the block; yields the newest view.

        Checks made on this view still hold when the block then adds, corrects or deletes.

        Raises:
            LockedError: another process is writing.
            StorageError: the disk refused the write.
        """
        with self._writing:
            self._become_writer()
            yield self._view

    def add(self, images: Sequence[NewImage]) -> Sequence[StoredImage]:
        """Insert images, or replace those with the same id; on disk when this returns.

        Returns:
            The replaced images, as they were before.

        Raises:
            InvalidImageError: an image cannot be stored, or an id appears twice; nothing is added.
            LockedError: another process is writing.
            StorageError: the disk refused the write; nothing is added.
        """
        if not images:
            return []
        require_storable(images, self.spec.positions, self.spec.dimensions)
        with self.writing() as before:
            ids, revision = [image.id for image in images], self._truth.next_revision
            replaced = before.stored(ids)
            places = list(before.live.find(ids).values())
            self._commit(packed(images, revision, self.bound), revision, places)
            return list(replaced.values())

    def correct(self, corrections: Sequence[Correction]) -> Sequence[StoredImage]:
        """Change the uri and metadata of images, not their pictures; on disk when this returns.

        Stored contributions, bias and thumbnails do not change. A corrected image gets a new
        revision, like an added one. Ids that are not in the gallery, or that have another picture
        by now, are skipped.

        Returns:
            The corrected images, as they were before.

        Raises:
            InvalidImageError: a correction cannot be stored, or an id appears twice; nothing is
                changed.
            DamagedError: the stored rows cannot be read; nothing is changed.
            LockedError, StorageError: as add.
        """
        if not corrections:
            return []
        require_correct(corrections)
        with self.writing() as before:
            there = same_pictures(corrections, before.stored([one.id for one in corrections]))
            if there:
                revision = self._truth.next_revision
                mine = {one.id: one for one in corrections if one.id in there}
                places = list(before.live.find(list(there)).values())
                row_ids = before.live.row_ids(places)
                rows = corrected(before.version, row_ids, mine, revision, self.bound)
                self._commit(rows, revision, places)
            return list(there.values())

    def _commit(self, rows: Packed, revision: int, replaced: Sequence[Place]) -> None:
        """Write rows that replace others; the caller holds the writing lock."""
        before = self._view.live
        row_ids = self._truth.upsert(rows.table, revision, replacing=bool(replaced))
        columns = ImageColumns.of_truth(rows.table, row_ids, rows.attributes)
        fresh = write_or_keep(self.path, columns, rows.contributions, rows.bias)
        self._show(before.without(replaced).holding(fresh))
        self._compaction.after_commit()

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the images with these ids; return how many existed. On disk when this returns.

        Raises:
            LockedError: another process is writing.
            StorageError: the disk refused the write; nothing is deleted.
        """
        with self.writing() as before:
            gone = list(before.live.find(list(ids)).values())
            if gone:
                self._truth.delete(before.live.row_ids(gone))
                self._show(before.live.without(gone))
                self._compaction.after_commit()
            return len(gone)

    def compact(self, choice: IndexChoice | None = None) -> None:
        """Merge small segments and files now, and drop deleted rows.

        Args:
            choice: how to index large segments from now on; None to keep the current choice.

        Raises:
            LockedError, StorageError: see add.
            FactoryError: FAISS cannot build the chosen index; nothing is changed.
        """
        with self._writing:
            self._become_writer()
            if choice is not None:
                self.indexes.choose(choice)
        self._compaction.run()
        self.announce()

    def purge(self) -> int:
        """Remove all data of deleted images from every file; adding and deleting wait meanwhile.

        Returns:
            Number of the only version that is left.

        Raises:
            LockedError, StorageError: see add; call it again.
        """
        with self._compaction.running, self._writing:
            self._become_writer()
            self._compaction.run()
            # The newest version must not list deleted rows, and the older versions are removed.
            self.announce()
            self._truth.forget_history(at_once=True)
            return self._view.number

    def mend(self, finding: Finding, require_going: Callable[[], None] = lambda: None) -> None:
        """Rebuild a damaged segment or its index from the truth; searches continue meanwhile.

        Args:
            finding: a repairable finding; ignored if its segment is no longer used.
            require_going: called between steps; if it raises, mending stops and nothing is changed.

        Raises:
            LockedError, StorageError: see add.
            DamagedError: the truth is damaged too.
        """
        damaged = segments_of(finding, self._view)
        if not damaged:
            return
        for segment in damaged if finding.kind == "indexes" else ():
            self.indexes.forget(segment)  # its results can no longer be trusted
        with self._compaction.running:
            with self._writing:
                self._become_writer()
                self._mending = True
            try:
                for segment in damaged:
                    if finding.kind == "segments":
                        self._replace(segment, require_going)
                    else:
                        with refusals(self.path.name):
                            self._index(segment)
                self.announce()
            finally:
                self._mending = False
        with self._writing:
            self._compaction.after_commit()

    def _replace(self, damaged: Segment, require_going: Callable[[], None]) -> None:
        """Replace a segment whose content cannot be trusted."""
        made = rebuilt(self._view, damaged, self.bound, require_going)
        with self._writing:
            segments.remove([damaged.path] if damaged.path else [])
            known = [*(one for one in self._view.live.segments if one is not damaged), *made]
            self._view, self._changed_at = self._load(known, self._lock), time.monotonic()
            self.indexes.keep_only(self._view.live.segments)

    def announce(self) -> None:
        """Make followers reload changes that affect no image, such as mended segments.

        Raises:
            LockedError, StorageError: see add.
        """
        with self._writing:
            self._become_writer()
            self._truth.commit_nothing()
            self._show(self._view.live)

    def _become_writer(self) -> None:
        if self._lock is None:
            lock = WriterLock(self.path / LOCK)
            try:
                self._truth.begin()
                self._view = self._load(self._view.live.segments, lock)
            except GalleryError:
                lock.release()
                raise
            # After loading, as the last writer may have replaced segments without a commit.
            remove_leftovers(self.path, self._view.live.segments)
            self._lock = lock
        # Another process has written, or a commit of this one failed after it reached the disk.
        self.refresh()

    def _load(self, known: Sequence[Segment] = (), lock: WriterLock | None = None) -> GalleryView:
        """A view of the truth's current version; arguments as of loading.load."""
        version = self._truth.current
        live = load(version, self.path, self.bound, known, lock)
        return GalleryView(self.path, self.spec, version, live, self.indexes)

    def _show(self, live: LiveRows) -> None:
        """Make the latest commit the current view."""
        self._view = replace(self._view, version=self._truth.current, live=live)
        self._changed_at = time.monotonic()

    def _swap(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Replace old segments by new ones; running searches keep the old ones."""
        if not old:
            return
        with self._writing:
            self._show(self._view.live.replaced(old, new))
        segments.remove(segment.path for segment in old if segment.path)
        self.indexes.keep_only([*self._view.live.segments, *new])

    def _index(self, segment: Segment, origin: Origin | None = None) -> None:
        self.indexes.build(segment, len(self._view), origin)

    def _tidy_truth(self, dead_share: float) -> None:
        """Rewrite files of the truth, and remove versions that are no longer read."""
        with rewritten(self._truth, self.bound.row_bytes, dead_share, self._writing):
            self._show(self._view.live)
            self._truth.forget_history()
