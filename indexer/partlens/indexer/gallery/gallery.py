"""A gallery on disk: opening, refreshing and writing. Read it through a GalleryView."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from partlens.common.compute import Device
from partlens.common.durable import move_into_place
from partlens.common.storage import Storage
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    GalleryError,
    InvalidImageError,
    ModelMismatchError,
    SupersededError,
)
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.binding import Binding
from partlens.indexer.gallery.catalogue import Catalogue
from partlens.indexer.gallery.compaction import Compaction
from partlens.indexer.gallery.corrections import corrected
from partlens.indexer.gallery.durability import WriterLock, refusals
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.indexes import INDEXES, Indexes
from partlens.indexer.gallery.integrity import glance
from partlens.indexer.gallery.leftovers import remove_leftovers
from partlens.indexer.gallery.live_rows import LiveRows, Place
from partlens.indexer.gallery.loading import (
    LOCK,
    SEGMENTS,
    load,
    not_held,
    stored,
    write_or_keep,
)
from partlens.indexer.gallery.plan import INDEXED_ROWS, IndexChoice
from partlens.indexer.gallery.records import Correction, NewImage, StoredImage
from partlens.indexer.gallery.schema import Packed, packed
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.truth import Truth
from partlens.indexer.gallery.view import GalleryView

# Estimate, used to choose the number of rows per file of the truth.
_THUMBNAIL_BYTES = 8192
# Retries of a read. Each is needed only if another process purges the gallery meanwhile.
_RETRIES = 5
T = TypeVar("T")
_log = logging.getLogger(__name__)


class Gallery:
    """A folder of images by id, with their contributions. One process writes, many can read.

    `view` is the gallery as of the last `refresh`, `add`, `correct` or `delete`; a Follower
    refreshes it. With its first write, this process becomes the writer until the gallery is closed.
    Methods are thread-safe, and reads never wait for writes.

    Attributes:
        damage: non-fatal damage of the truth found on opening; a Scrubber finds the rest.
    """

    def __init__(self, path: Path, bound: Binding, device: Device = "cpu") -> None:
        self.path, self.bound, self.spec = path, bound, bound.spec
        self._truth = Truth(path)
        self._lock: WriterLock | None = None
        self._writing = threading.RLock()
        self._changed_at = 0.0
        self._mending = False
        self.damage = self._glance()
        self.indexes = Indexes(path / INDEXES, self.spec.dimensions, device)
        self._view = self._view_of(load(self._truth.current, path, bound))
        self._compaction = Compaction(
            path / SEGMENTS,
            live=lambda: self._view.live,
            swap=self._swap,
            index=self._index,
            unindexed=lambda: self.indexes.missing(self._view.live.segments),
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
        if os.path.lexists(path):
            raise AlreadyExistsError(f"{path} already exists; choose another path")
        bound = Binding(spec, storage)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with refusals(path.name):
                draft.mkdir(parents=True)
                Truth.create(draft, bound)
                bound.write(draft)
                move_into_place(draft, path)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
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
        bound = Binding.read(path)
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

    @property
    def model_digest(self) -> str:
        """Digest of the model that the gallery is bound to."""
        return self.spec.digest

    def __enter__(self) -> "Gallery":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Stop writing, so that another process can write."""
        self._compaction.stop()
        with self._writing:
            self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close_if_idle(self, seconds: float) -> None:
        """Let another process write if nothing has changed for this many seconds."""
        if self._lock is None or time.monotonic() - self._changed_at <= seconds:
            return
        with self._writing:  # mending and compaction start under this lock
            if not self._mending and not self._compaction.is_running():
                self._let_go()

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
            known = self._view.live.segments
            while True:
                try:
                    current = self._truth.current
                    self._view = self._view_of(
                        load(current, self.path, self.bound, known, self._lock)
                    )
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
        for image in images:
            try:
                image.require_storable(self.spec.positions, self.spec.dimensions)
            except InvalidImageError as error:
                error.id = image.id
                raise
        _require_each_once([image.id for image in images])
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
        for one in corrections:
            one.require_storable()
        _require_each_once([one.id for one in corrections])
        by_id = {one.id: one for one in corrections}
        with self.writing() as before:
            there = {
                id: stored
                for id, stored in before.stored(list(by_id)).items()
                if stored.media_digest == by_id[id].media_digest
            }
            if there:
                revision, mine = self._truth.next_revision, {id: by_id[id] for id in there}
                places = list(before.live.find(list(there)).values())
                row_ids = before.live.row_ids(places)
                rows = corrected(before.version, row_ids, mine, revision, self.bound)
                self._commit(rows, revision, places)
            return list(there.values())

    def _commit(self, rows: Packed, revision: int, replaced: Sequence[Place]) -> None:
        """Write rows that replace others; the caller holds the writing lock."""
        before = self._view.live
        row_ids = self._truth.upsert(rows.table, revision, replacing=bool(replaced))
        catalogue = Catalogue.of_truth(rows.table, row_ids, rows.attributes)
        fresh = write_or_keep(self.path, catalogue, rows.contributions, rows.bias)
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

    def purge(self) -> None:
        """Remove all data of deleted images from every file; adding and deleting wait meanwhile.

        Raises:
            LockedError, StorageError: see add; call it again.
        """
        with self._compaction.running, self._writing:
            self._become_writer()
            self._compaction.run()
            # The newest version must not list deleted rows, and the older versions are removed.
            self.announce()
            self._truth.forget_history(at_once=True)

    def mend(self, finding: Finding, require_going: Callable[[], None] = lambda: None) -> None:
        """Rebuild a damaged segment or its index from the truth; searches continue meanwhile.

        Args:
            finding: a repairable finding; ignored if its segment is no longer used.
            require_going: called between steps; if it raises, mending stops and nothing is changed.

        Raises:
            LockedError, StorageError: see add.
            DamagedError: the truth is damaged too.
        """
        name = finding.place.rpartition("/")[2]
        used = self._view.live.segments
        damaged = [one for one in used if one.path is not None and one.path.name == name]
        if not damaged:
            return
        if finding.kind == "indexes":  # its results can no longer be trusted
            for segment in damaged:
                self.indexes.forget(segment)
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

        def others() -> list[Segment]:
            return [one for one in self._view.live.segments if one is not damaged]

        version, made = self._view.version, list[Segment]()
        try:
            with refusals(self.path.name):
                for part in stored(version, not_held(version, others()), self.bound):
                    require_going()
                    made.append(segments.write(self.path / SEGMENTS, *part))
        except BaseException:
            segments.remove(one.path for one in made if one.path)
            raise
        with self._writing:
            segments.remove([damaged.path] if damaged.path else [])
            known = [*others(), *made]
            self._view = self._view_of(
                load(self._truth.current, self.path, self.bound, known, self._lock)
            )
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

    def _glance(self) -> Sequence[Finding]:
        """Find damage that is cheap to detect; DamagedError if the gallery cannot be read."""
        seen = glance(self.path, self._truth.current)
        while seen.findings and self._truth.refresh():  # a writer removed the missing files
            seen = glance(self.path, self._truth.current)
        if seen.fatal:
            raise DamagedError(str(seen.fatal))
        for finding in seen.findings:
            _log.error("gallery %s is damaged: %s", self.path.name, finding)
        return seen.findings

    def _become_writer(self) -> None:
        if self._lock is None:
            lock = WriterLock(self.path / LOCK)
            try:
                self._truth.begin()
                known = self._view.live.segments
                self._view = self._view_of(
                    load(self._truth.current, self.path, self.bound, known, lock)
                )
            except GalleryError:
                lock.release()
                raise
            # After loading, as the last writer may have replaced segments without a commit.
            remove_leftovers(self.path, self._view.live.segments)
            self._lock = lock
        # Another process has written, or a commit of this one failed after it reached the disk.
        self.refresh()

    def _view_of(self, live: LiveRows) -> GalleryView:
        """The view of the truth's current version."""
        return GalleryView(self.path, self.spec, self._truth.current, live, self.indexes)

    def _show(self, live: LiveRows) -> None:
        """Make the latest commit the current view."""
        self._view = self._view_of(live)
        self._changed_at = time.monotonic()

    def _swap(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Replace old segments by new ones; running searches keep the old ones."""
        if not old:
            return
        with self._writing:
            self._show(self._view.live.replaced(old, new))
        segments.remove(segment.path for segment in old if segment.path)
        self.indexes.keep_only([*self._view.live.segments, *new])

    def _index(self, segment: Segment) -> None:
        if len(segment) >= INDEXED_ROWS:
            self.indexes.build(segment, len(segment) / max(len(self._view), len(segment)))

    def _tidy_truth(self, dead_share: float) -> None:
        """Rewrite files of the truth, and remove versions that are no longer read."""
        size = self.bound.row_bytes + _THUMBNAIL_BYTES
        rewritten = self._truth.rewrite(size, dead_share)
        with self._writing:
            if not self._truth.replace(rewritten):
                # Rows changed meanwhile. Rewrite under the lock, in case they always do.
                self._truth.replace(self._truth.rewrite(size, dead_share))
            self._show(self._view.live)
            self._truth.forget_history()


def _require_each_once(ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        raise InvalidImageError("an id appears twice among the given images; give each id once")
