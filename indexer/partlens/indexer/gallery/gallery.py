"""A gallery on disk: opening, refreshing and writing. Read it through a GalleryView."""

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import replace
from typing import TypeVar

from partlens.common.bucket_address import Place as GalleryPlace
from partlens.common.compute import Device
from partlens.common.storage import Storage
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import (
    DamagedError,
    GalleryError,
    InvalidImageError,
    LockedError,
    ModelMismatchError,
    StorageError,
    SupersededError,
)
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.compaction import Compaction, rewritten
from partlens.indexer.gallery.corrections import corrected, same_pictures
from partlens.indexer.gallery.creation import create_empty
from partlens.indexer.gallery.durability import Lock, WriterLock, refusals
from partlens.indexer.gallery.fan_out import Shards
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import LOCK
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.image_columns import ImageColumns
from partlens.indexer.gallery.indexes import INDEXES, Indexes
from partlens.indexer.gallery.inherited import Origin
from partlens.indexer.gallery.integrity import require_readable
from partlens.indexer.gallery.kept_rows import Kept
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.leftovers import remove_leftovers
from partlens.indexer.gallery.lineage import Lineage
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.loading import (
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
from partlens.indexer.gallery.staging import Staged, clear_staging, staging
from partlens.indexer.gallery.unfinished import unfinished
from partlens.indexer.gallery.view import GalleryView

# Retries of a read. Each is needed only if another process purges the gallery meanwhile.
_RETRIES = 5
T = TypeVar("T")


class Gallery(AbstractContextManager["Gallery", None]):
    """Images by id, with their contributions. One process writes, many can read.

    `view` is the gallery as of the last `refresh`, `add`, `correct` or `delete`; a Follower
    refreshes it. With its first write, this process becomes the writer until the gallery is closed.
    Methods are thread-safe, and reads never wait for writes.

    Attributes:
        home: what keeps the truth.
        path: folder of the derived files on this machine; where the home is a folder, that folder.
        damage: non-fatal damage of the truth found on opening; a Scrubber finds the rest.
        shards: what answers its searches; None to search in this process. With shards, segments
            get no indexes here.
    """

    def __init__(
        self,
        home: Home,
        bound: GallerySpec,
        device: Device = "cpu",
        shards: Shards | None = None,
    ) -> None:
        self.home, self.bound, self.spec, self.shards = home, bound, bound.spec, shards
        self.path = path = home.folder
        self._truth = LanceRows(home)
        self._lock: Lock | None = None
        self._staging_lock: Lock | None = None
        self._writing = threading.RLock()
        self._changed_at = 0.0
        self._mending, self._owed = False, True
        self.damage = require_readable(home, self._truth)
        self.indexes = Indexes(path / INDEXES, self.spec.dimensions, device)
        self._kept = Kept()
        # A folder's segments are replaced with it; others lie apart.
        self._lineage = Lineage(home, path, bound) if home.remote else None
        self._change_view(self._load())
        self._compaction = Compaction(
            path / SEGMENTS,
            live=lambda: self._view.live,
            swap=self._swap,
            index=self._index,
            unindexed=lambda: self.indexes.missing(self._indexed),
            lacks_index=lambda: self.indexes.lacks_files(self._indexed),
            tidy=self._tidy_truth,
            require_room=home.require_room,
        )

    @classmethod
    def create(
        cls, place: GalleryPlace, spec: ModelSpec, storage: Storage = "float16"
    ) -> "Gallery":
        """Create an empty gallery bound to a model.

        Args:
            place: path of a folder, or address in a bucket.
            storage: storage type of the contributions.

        Raises:
            AlreadyExistsError: the place already exists.
            StorageError: the disk or the store refused the write.
        """
        bound = GallerySpec(spec, storage)
        create_empty(place, bound)
        return cls(home_of(place), bound)

    @classmethod
    def open(
        cls,
        place: GalleryPlace | Home,
        spec: ModelSpec | None = None,
        device: Device = "cpu",
        shards: Shards | None = None,
    ) -> "Gallery":
        """Open the gallery at a place.

        Args:
            place: path of a folder, address in a bucket, or a home.
            spec: spec of the model that will be used with it; None to read, and to search with
                stored features only.
            device: device that searches the positions of large segments.
            shards: what answers searches; None to search in this process.

        Raises:
            NotFoundError: there is no gallery at this place.
            ModelMismatchError: the gallery is bound to another model.
            DamagedError, NewerFormatError: its files are damaged, or written by a newer version.
            GpuError: the device is not available.
        """
        home = home_of(place)
        bound = GallerySpec.read(home)
        if spec is not None and spec.digest != bound.spec.digest:
            raise ModelMismatchError(bound.spec.digest, spec.digest)
        return cls(home, bound, device, shards)

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
        if self._lock is None:
            return
        if self._lineage is not None and not self._lock.lost:
            with suppress(StorageError):
                self._lineage.remember(self._view.version)
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
                    self._change_view(self._load(self._view.live.segments, self._lock))
                    return True
                except DamagedError:
                    # A writer may have cleaned it up meanwhile; then there is a newer one.
                    if not self._truth.refresh():
                        raise

    def derive(self) -> bool:
        """Merge and index segments in the background, where the truth is elsewhere and another
        process writes to it; and drop the rows of erased images. Its own changes do the same.

        Returns:
            Whether there are rows that could not be dropped now; call it again soon.

        Raises:
            DamagedError, UnreachableError: it cannot be seen which images are being erased.
        """
        if not self.home.remote:
            return False
        # At first too, as images may have been erased before this process began.
        self._owed = self._owed or bool(unfinished(self.home))
        with self._writing:
            if self._lock is None and self._compaction.after_refresh(
                self._deriving, everything=self._owed
            ):
                self._owed = False
        return self._owed

    @contextmanager
    def _deriving(self) -> Iterator[None]:
        with WriterLock(self.path / LOCK):
            yield
            remove_leftovers(self.path, self._view.live.segments)

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
        self.home.require_room(len(images) * self.bound.row_bytes)
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

    @contextmanager
    def staging(self) -> Iterator[str]:
        """A place for rows that other processes write, cleared when the context is left.

        This process is the only writer from now on, until the gallery is closed.

        Raises:
            LockedError, StorageError: as add.
        """
        with self.writing():
            # What a killed process left there is removed.
            self._staging_lock = self._lock
        with staging(self.home) as folder:
            yield folder

    def add_staged(self, staged: Staged, revision: int) -> int:
        """Insert images that other processes have written to files; on disk when this returns.

        Args:
            staged: rows of images whose ids the gallery does not have.
            revision: that all rows have, at least next_revision.

        Returns:
            How many images were inserted.

        Raises:
            InvalidImageError: the gallery has one of the ids, or the revision is an earlier one;
                nothing is added.
            DamagedError: the files do not hold what was written to them; nothing is added.
            LockedError: another process has written since `staging` began; nothing is added.
            StorageError: as add.
        """
        with self.writing() as before:
            if self._lock is not self._staging_lock:
                raise LockedError(
                    f"gallery {self.home.name!r} was taken over by another process, which may have"
                    " removed the rows that wait; start again to resume"
                )
            rows = staged.read(self.home, self.bound, revision)
            self.home.require_room(len(rows.table) * self.bound.row_bytes)
            ids = rows.table["id"].to_pylist()
            if len(set(ids)) < len(ids) or before.live.find(ids):
                raise InvalidImageError("an id appears twice among the images, or exists already")
            if revision < self._truth.next_revision:
                raise InvalidImageError(
                    f"the images have revision {revision}; the gallery needs at least"
                    f" {self._truth.next_revision}"
                )
            self._commit(rows, revision, [], staged)
            return len(ids)

    @property
    def next_revision(self) -> int:
        """Revision of the next commit, while no other process writes."""
        return self._truth.next_revision

    @property
    def storage_version(self) -> str:
        """Version of Lance's file format that staged rows must have."""
        return self._truth.storage_version

    def _commit(
        self,
        rows: Packed,
        revision: int,
        replaced: Sequence[Place],
        staged: Staged | None = None,
    ) -> None:
        """Write rows that replace others; the caller holds the writing lock.

        Args:
            staged: the files that hold the rows already, if there are any.
        """
        before = self._view.live
        if staged is None:
            row_ids = self._truth.upsert(rows.table, revision, replacing=bool(replaced))
        else:
            row_ids = self._truth.append(staged, revision)
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
                        with refusals(self.home.name):
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
            self._change_view(self._load(known, self._lock))
            self._changed_at = time.monotonic()
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
        if self._lock is not None and self._lock.lost:
            self._release()
        if self._lock is None:
            lock = self.home.lock()
            try:
                self._truth.begin()
                clear_staging(self.home)
                self._change_view(self._load(self._view.live.segments, lock))
            except GalleryError:
                lock.release()
                raise
            # After loading, as the last writer may have replaced segments without a commit.
            remove_leftovers(self.path, self._view.live.segments)
            self._lock = lock
        self._truth.prepare()
        # Another process has written, or a commit of this one failed after it reached the disk.
        self.refresh()

    def _load(self, known: Sequence[Segment] = (), lock: Lock | None = None) -> GalleryView:
        """A view of the truth's current version; arguments as of loading.load."""
        version = self._truth.current
        if self._lineage is not None and not self._lineage.see(version, known):
            known = ()
        folder, room = self.home.folder, self.home.require_room
        live = load(version, folder, self.bound, known, lock, require_room=room)
        return GalleryView(
            self.home, self.spec, version, live, self.indexes, self._kept, self.shards
        )

    def _change_view(self, view: GalleryView) -> None:
        self._view = view
        self._kept.follow(view.live)

    def _show(self, live: LiveRows) -> None:
        """Make the latest commit the current view."""
        self._change_view(replace(self._view, version=self._truth.current, live=live))
        self._changed_at = time.monotonic()

    def _swap(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Replace old segments by new ones; running searches keep the old ones."""
        if not old:
            return
        with self._writing:
            self._show(self._view.live.replaced(old, new))
        segments.remove(segment.path for segment in old if segment.path)
        self.indexes.keep_only([*self._view.live.segments, *new])

    @property
    def _indexed(self) -> Sequence[Segment]:
        """The segments that should have an index, if they are large enough."""
        return self._view.live.segments if self.shards is None else ()

    def _index(self, segment: Segment, origin: Origin | None = None) -> None:
        if self.shards is None:
            self.indexes.build(segment, len(self._view), origin)

    def _tidy_truth(self, dead_share: float) -> None:
        """Rewrite files of the truth, and remove versions that are no longer read."""
        with rewritten(self._truth, self.bound.row_bytes, dead_share, self._writing):
            self._show(self._view.live)
            self._truth.forget_history()
