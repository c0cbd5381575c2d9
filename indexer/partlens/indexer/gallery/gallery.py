"""A folder of images by id, with their contributions: written by one, read and searched by many."""

import os
import shutil
import threading
import time
from bisect import bisect_right
from collections.abc import Callable, Container, Mapping, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

import numpy as np

from partlens.explainer.scoring import QueryPart, Score
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    GalleryError,
    InvalidImageError,
    ModelMismatchError,
    NotFoundError,
)
from partlens.indexer.gallery import binding, segments
from partlens.indexer.gallery.compaction import Compaction
from partlens.indexer.gallery.durability import WriterLock, refusals, sync
from partlens.indexer.gallery.records import Candidate, FloatArray, NewImage, StoredImage
from partlens.indexer.gallery.schema import STORED, arrays, rows, stored_of, to_table
from partlens.indexer.gallery.search import search
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.snapshot import Snapshot
from partlens.indexer.gallery.truth import Truth
from partlens.indexer.gallery.view import LOCK, SEGMENTS, View, write_or_keep
from partlens.indexer.metadata import Filter, Metadata

# About; for how many rows make a file of the truth.
_THUMBNAIL_BYTES = 8192


class Gallery:
    """Images by id: `len(gallery)`, `id in gallery`, and the methods below.

    Reading and searching see the version of the last `refresh`, `add` or `delete`, whole; a
    Follower refreshes it. Any number of processes may read; the first `add` or `delete` makes
    this one the writer until it is closed. Methods may be called from several threads, and
    reading never waits for writing.
    """

    def __init__(self, path: Path, spec: ModelSpec) -> None:
        self.path, self.spec = path, spec
        self._truth = Truth(path)
        self._lock: WriterLock | None = None
        self._writing = threading.RLock()
        self._changed_at = 0.0
        self._view = View.of(self._truth.current, path, spec)
        self._compaction = Compaction(
            path / SEGMENTS, lambda: self._view.snapshot, self._swap, self._tidy_truth
        )

    @classmethod
    def create(cls, path: Path, spec: ModelSpec) -> "Gallery":
        """An empty gallery bound to a model.

        Raises:
            AlreadyExistsError: something is at this place already.
            StorageError: the disk refused it.
        """
        if path.exists():
            raise AlreadyExistsError(f"{path} is there already; choose another place")
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with refusals(path.name):
                draft.mkdir(parents=True)
                Truth.create(draft, spec)
                binding.write(draft, spec)
                draft.rename(path)
                sync(path.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return cls(path, spec)

    @classmethod
    def open(cls, path: Path, spec: ModelSpec | None = None) -> "Gallery":
        """The gallery at a place.

        Args:
            spec: of the model that will be used with it; None to read and search with stored
                features only.

        Raises:
            NotFoundError: there is none.
            ModelMismatchError: it is bound to another model.
            DamagedError, NewerFormatError: its files are broken, or of a newer version.
        """
        bound = binding.read(path)
        if spec is not None and spec.digest != bound.digest:
            raise ModelMismatchError(bound.digest, spec.digest)
        return cls(path, bound)

    @property
    def view(self) -> View:
        """What is seen now; never changes, but is replaced."""
        return self._view

    @property
    def version(self) -> int:
        """Grows with every commit."""
        return self._view.version.number

    @property
    def model_digest(self) -> str:
        """Of the model that the gallery is bound to."""
        return self.spec.digest

    def __len__(self) -> int:
        return len(self._view.snapshot.revisions)

    def __contains__(self, id: object) -> bool:
        return id in self._view.snapshot.revisions

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
        """Let another process write."""
        self._compaction.stop()
        with self._writing:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def close_if_idle(self, seconds: float) -> None:
        """Let another process write if nothing was changed for so long."""
        idle = time.monotonic() - self._changed_at > seconds
        if self._lock is not None and idle and not self._compaction.is_running():
            self.close()

    def refresh(self) -> bool:
        """See what another process has committed since; whether there was something.

        Raises:
            DamagedError: it cannot be read; what was seen before still is.
        """
        with self._writing:
            self._truth.refresh()
            if self._truth.current.number == self.version:
                return False
            known = self._view.snapshot.segments
            self._view = View.of(self._truth.current, self.path, self.spec, known, self._lock)
            return True

    def get(self, id: str) -> StoredImage:
        """The image of this id; NotFoundError if there is none."""
        return self._stored(self._view, [id])[0]

    def list(
        self, after: str = "", limit: int = 100, where: Filter | None = None
    ) -> Sequence[StoredImage]:
        """Images that pass the filter in order of id, from the first id above `after`."""
        view = self._view
        snapshot = view.snapshot
        start = bisect_right(snapshot.ids, after) if after else 0
        passing = (
            id
            for id in islice(snapshot.ids, start, None)
            if where is None or where.accepts(id, snapshot.metadata[id])
        )
        return self._stored(view, list(islice(passing, limit)))

    def count(self, where: Filter) -> int:
        """How many images pass the filter."""
        return sum(where.accepts(*item) for item in self._view.snapshot.metadata.items())

    def metadata(self, id: str) -> Metadata:
        """What is known of the image of this id; NotFoundError if there is none."""
        snapshot = self._view.snapshot
        self._require(snapshot.revisions, [id])
        return snapshot.metadata[id]

    def digests(self) -> dict[str, str]:
        """id -> media digest of every image."""
        table = self._view.version.read(["id", "media_digest"])
        return {str(row["id"]): str(row["media_digest"]) for row in rows(table)}

    def decompositions(self, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Contributions float32 [M, P, D] and bias [M, D]; NotFoundError for an unknown id."""
        snapshot = self._view.snapshot
        self._require(snapshot.revisions, ids)
        shape = (len(ids), self.spec.positions, self.spec.dimensions)
        contributions, bias = np.zeros(shape, np.float32), np.zeros(shape[::2], np.float32)
        for i, id in enumerate(ids):
            number, row = snapshot.places[id]
            contributions[i] = snapshot.segments[number].contributions[row]
            bias[i] = snapshot.segments[number].bias[row]
        return contributions, bias

    def add(self, images: Sequence[NewImage]) -> None:
        """Insert images, or replace those of the same id; on disk when this returns.

        Raises:
            InvalidImageError: an image cannot be stored, or an id comes twice; nothing is added.
            LockedError: another process is writing.
            StorageError: the disk refused it; nothing is added.
        """
        if not images:
            return
        for image in images:
            image.require_storable(self.spec.positions, self.spec.dimensions)
        if len({image.id for image in images}) < len(images):
            raise InvalidImageError("an id comes twice among the images to add; give each once")
        with self._writing:
            self._become_writer()
            revision = self._truth.next_revision
            table = to_table(images, revision, self.spec)
            self._truth.upsert(table, revision)
            keys = [(image.id, revision) for image in images]
            fresh = write_or_keep(self.path, keys, *arrays(table, self.spec))
            before = self._view.snapshot
            self._show(
                {**before.revisions, **dict(keys)},
                {**before.metadata, **{image.id: image.metadata for image in images}},
                [*before.segments, fresh],
            )
            self._compaction.after_commit()

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the images of these ids; how many there were. On disk when this returns.

        Raises:
            LockedError: another process is writing.
            StorageError: the disk refused it; nothing is deleted.
        """
        with self._writing:
            self._become_writer()
            before = self._view.snapshot
            gone = {id for id in ids if id in before.revisions}
            if gone:
                self._truth.delete(sorted(gone))
                self._show(
                    {id: value for id, value in before.revisions.items() if id not in gone},
                    {id: value for id, value in before.metadata.items() if id not in gone},
                    before.segments,
                )
                self._compaction.after_commit()
            return len(gone)

    def compact(self) -> None:
        """Put small segments and files together now, and leave out what was deleted.

        Raises:
            LockedError, StorageError: as add.
        """
        with self._writing:
            self._become_writer()
        self._compaction.run()

    def purge(self) -> None:
        """Leave nothing of deleted images in any file; adding and deleting wait meanwhile.

        Raises:
            LockedError, StorageError: as add; do it again.
        """
        with self._compaction.running, self._writing:
            self._become_writer()
            self._compaction.run()
            # The newest version must not say which rows were deleted; and the older ones go.
            self.announce()
            self._truth.forget_history(at_once=True)

    def announce(self) -> None:
        """Make followers look again at what has changed in no image, such as mended segments.

        Raises:
            LockedError, StorageError: as add.
        """
        with self._writing:
            self._become_writer()
            self._truth.commit_nothing()
            before = self._view.snapshot
            self._show(before.revisions, before.metadata, before.segments)

    def search(
        self,
        parts: Sequence[QueryPart],
        score: Score,
        where: Filter,
        top: int,
        require_waiting: Callable[[], None] = lambda: None,
    ) -> Sequence[Candidate]:
        """The best `top` images that pass the filter, best first; see search.search.

        Args:
            require_waiting: called between chunks; what it raises ends the search.

        Raises:
            ShapeError: a part of another dimension than the gallery's.
        """
        view = self._view
        grid = self.spec.grid
        found = search(
            view.snapshot, parts, score, where, top, grid, require_waiting=require_waiting
        )
        try:
            stored = self._stored(view, [one.id for one in found])
        except NotFoundError:
            # Erased from every file while it was being searched for.
            if self._view is view:
                raise
            return self.search(parts, score, where, top, require_waiting)
        return [
            Candidate(one.id, one.score, one.map, one.constant, one.window, image)
            for one, image in zip(found, stored, strict=True)
        ]

    def _stored(self, view: View, ids: Sequence[str]) -> Sequence[StoredImage]:
        self._require(view.snapshot.revisions, ids)
        if not ids:
            return []
        try:
            table = view.version.read(STORED, ids)
        except DamagedError:
            # Or the version is so old that a writer has removed its files.
            if not self.refresh() and self._view is view:
                raise
            table = self._view.version.read(STORED, ids)
        images = {str(row["id"]): stored_of(row) for row in rows(table)}
        self._require(images, ids)
        return [images[id] for id in ids]

    def _require(self, known: Container[str], ids: Sequence[str]) -> None:
        for id in ids:
            if id not in known:
                raise NotFoundError(f"the gallery has no image {id!r}")

    def _become_writer(self) -> None:
        if self._lock is None:
            lock = WriterLock(self.path / LOCK)
            try:
                self._truth.begin()
            except GalleryError:
                lock.release()
                raise
            segments.remove_drafts(self.path / SEGMENTS)
            self._lock = lock
        # Another process has written, or a commit of this one failed when it was on disk already.
        self.refresh()

    def _show(
        self,
        revisions: Mapping[str, int],
        metadata: Mapping[str, Metadata],
        held_by: Sequence[Segment],
    ) -> None:
        """Make what was just committed what is seen."""
        version = self._truth.current
        self._view = View(version, Snapshot(version.number, revisions, metadata, held_by))
        self._changed_at = time.monotonic()

    def _swap(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Put new segments in the place of old ones; searches that have begun keep the old."""
        if not old:
            return
        with self._writing:
            gone, before = set(old), self._view.snapshot
            kept = [segment for segment in before.segments if segment not in gone]
            self._show(before.revisions, before.metadata, [*kept, *new])
        segments.remove(segment.path for segment in old if segment.path)

    def _tidy_truth(self, dead_share: float) -> None:
        """Rewrite files of the truth, and forget versions that nobody reads any more."""
        size = self.spec.dimensions * (2 * self.spec.positions + 8) + _THUMBNAIL_BYTES
        rewritten = self._truth.rewrite(size, dead_share)
        with self._writing:
            if not self._truth.replace(rewritten):
                # Rows of it have changed. Where they always do, it must be done while none can.
                self._truth.replace(self._truth.rewrite(size, dead_share))
            before = self._view.snapshot
            self._show(before.revisions, before.metadata, before.segments)
            self._truth.forget_history()
