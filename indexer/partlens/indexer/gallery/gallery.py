"""A folder of images by id, with their contributions: written by one, read and searched by many."""

import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

import numpy as np
import pyarrow as pa

from partlens.explainer.compute import Device
from partlens.explainer.scoring import QueryPart, Score
from partlens.explainer.spec import ModelSpec
from partlens.explainer.stored import Storage
from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    GalleryError,
    InvalidImageError,
    ModelMismatchError,
    NotFoundError,
)
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.binding import Binding
from partlens.indexer.gallery.catalogue import Catalogue
from partlens.indexer.gallery.compaction import Compaction
from partlens.indexer.gallery.corrections import corrected
from partlens.indexer.gallery.durability import WriterLock, refusals, sync
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.holdings import Holdings
from partlens.indexer.gallery.indexes import INDEXES, Indexes
from partlens.indexer.gallery.integrity import glance
from partlens.indexer.gallery.plan import INDEXED_ROWS, IndexChoice
from partlens.indexer.gallery.records import (
    Candidate,
    Correction,
    FloatArray,
    NewImage,
    StoredImage,
)
from partlens.indexer.gallery.schema import arrays, to_table
from partlens.indexer.gallery.search import others, search
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.snapshot import Place, Snapshot
from partlens.indexer.gallery.truth import Truth
from partlens.indexer.gallery.view import (
    LOCK,
    SEGMENTS,
    View,
    not_held,
    stored,
    write_or_keep,
)
from partlens.indexer.metadata import Filter, GroupBy, Metadata

# About; for how many rows make a file of the truth.
_THUMBNAIL_BYTES = 8192
_log = logging.getLogger(__name__)


class Gallery:
    """Images by id: `len(gallery)`, `id in gallery`, and the methods below.

    Reading and searching see the version of the last `refresh`, `add` or `delete`, whole; a
    Follower refreshes it. Any number of processes may read; the first `add` or `delete` makes
    this one the writer until it is closed. Methods may be called from several threads, and
    reading never waits for writing.

    Attributes:
        damage: what was found wrong with the truth when it was opened, and did not keep it from
            being opened; a Scrubber finds the rest.
    """

    def __init__(self, path: Path, bound: Binding, device: Device = "cpu") -> None:
        self.path, self.bound, self.spec = path, bound, bound.spec
        self._truth = Truth(path)
        self._lock: WriterLock | None = None
        self._writing = threading.RLock()
        self._changed_at = 0.0
        self._mending = False
        self.damage = self._glance()
        self._view = View.of(self._truth.current, path, bound)
        self.indexes = Indexes(path / INDEXES, self.spec.dimensions, device)
        self._compaction = Compaction(
            path / SEGMENTS,
            snapshot=lambda: self._view.snapshot,
            swap=self._swap,
            index=self._index,
            unindexed=lambda: self.indexes.missing(self._view.snapshot.segments),
            tidy=self._tidy_truth,
        )

    @classmethod
    def create(cls, path: Path, spec: ModelSpec, storage: Storage = "float16") -> "Gallery":
        """An empty gallery bound to a model.

        Args:
            storage: of the contributions.

        Raises:
            AlreadyExistsError: something is at this place already.
            StorageError: the disk refused it.
        """
        if path.exists():
            raise AlreadyExistsError(f"{path} is there already; choose another place")
        bound = Binding(spec, storage)
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            with refusals(path.name):
                draft.mkdir(parents=True)
                Truth.create(draft, bound)
                bound.write(draft)
                draft.rename(path)
                sync(path.parent)
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return cls(path, bound)

    @classmethod
    def open(cls, path: Path, spec: ModelSpec | None = None, device: Device = "cpu") -> "Gallery":
        """The gallery at a place.

        Args:
            spec: of the model that will be used with it; None to read and search with stored
                features only.
            device: where the positions of large segments are searched.

        Raises:
            NotFoundError: there is none.
            ModelMismatchError: it is bound to another model.
            DamagedError, NewerFormatError: its files are broken, or of a newer version.
            GpuError: there is no such device.
        """
        bound = Binding.read(path)
        if spec is not None and spec.digest != bound.spec.digest:
            raise ModelMismatchError(bound.spec.digest, spec.digest)
        return cls(path, bound, device)

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
        return self._view.snapshot.count

    def __contains__(self, id: object) -> bool:
        return isinstance(id, str) and bool(self._view.snapshot.find([id]))

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
            self._let_go()

    def _let_go(self) -> None:
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def close_if_idle(self, seconds: float) -> None:
        """Let another process write if nothing was changed for so long."""
        if self._lock is None or time.monotonic() - self._changed_at <= seconds:
            return
        with self._writing:  # which mending and compaction begin under
            if not self._mending and not self._compaction.is_running():
                self._let_go()

    def refresh(self) -> bool:
        """See what another process has committed since; whether there was something.

        Raises:
            DamagedError: it cannot be read; what was seen before still is.
        """
        with self._writing:
            self._truth.refresh()
            self.indexes.see(self._view.snapshot.segments)
            if self._truth.current.number == self.version:
                return False
            known = self._view.snapshot.segments
            while True:
                try:
                    current = self._truth.current
                    self._view = View.of(current, self.path, self.bound, known, self._lock)
                    return True
                except DamagedError:
                    # A writer may have tidied it away meanwhile: then there is a newer one.
                    if not self._truth.refresh():
                        raise

    def get(self, id: str) -> StoredImage:
        """The image of this id; NotFoundError if there is none."""
        snapshot = self._view.snapshot
        return self._stored(snapshot, self._require(snapshot, [id]))[0]

    def list(
        self, after: str = "", limit: int = 100, where: Filter | None = None
    ) -> Sequence[StoredImage]:
        """Images that pass the filter in order of id, from the first id above `after`."""
        snapshot = self._view.snapshot
        return self._stored(snapshot, snapshot.page(after, limit, where))

    def count(self, where: Filter) -> int:
        """How many images pass the filter."""
        return sum(len(rows) for _, rows in self._view.snapshot.rows(where))

    def metadata(self, ids: Sequence[str]) -> dict[str, Metadata]:
        """What is known of the images of these ids, of those that are there."""
        snapshot = self._view.snapshot
        found = self._stored(snapshot, list(snapshot.find(ids).values()))
        return {one.id: one.metadata for one in found}

    def thumbnails(self, ids: Sequence[str]) -> Sequence[bytes]:
        """JPEGs of the images of these ids; NotFoundError for an unknown id."""
        view = self._view
        row_ids = view.snapshot.row_ids(self._require(view.snapshot, ids))
        if not ids:
            return []
        try:
            table = view.version.read(["thumbnail"], set(row_ids))
        except DamagedError:
            # Or the version is so old that a writer has removed its files.
            if not self.refresh() and self._view is view:
                raise
            return self.thumbnails(ids)
        found = dict(zip(table["_rowid"].to_pylist(), table["thumbnail"].to_pylist(), strict=True))
        return [found.get(row_id) or b"" for row_id in row_ids]

    @property
    def newest_revision(self) -> int:
        """The highest of all images; grows with every `add` and `correct`; 0 if there is none."""
        return max((revision for revision, _ in self.changed_since(0)), default=0)

    def changed_since(self, revision: int) -> Sequence[tuple[int, str]]:
        """(revision, id) of the images of a later revision, in order."""
        return self._view.snapshot.changed_since(revision)

    def passing(self, ids: Sequence[str], where: Filter) -> set[str]:
        """Those of the images of these ids that are there and pass the filter."""
        return self._view.snapshot.passing(ids, where)

    def holdings(self) -> Holdings:
        """What is held now, to look up by id and by uri; a copy, about 200 bytes an image."""
        return Holdings.of(self._view.snapshot)

    def digests(self) -> dict[str, str]:
        """id -> media digest of every image."""
        found = dict[str, str]()
        for segment, chosen in self._view.snapshot.rows():
            table = segment.catalogue.table.select(["id", "media_digest"]).take(pa.array(chosen))
            names = table["id"].to_pylist()
            found.update(zip(names, table["media_digest"].to_pylist(), strict=True))
        return found

    def decompositions(self, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Contributions float32 [M, P, D] and bias [M, D]; NotFoundError for an unknown id."""
        snapshot = self._view.snapshot
        shape = (len(ids), self.spec.positions, self.spec.dimensions)
        contributions, bias = np.zeros(shape, np.float32), np.zeros(shape[::2], np.float32)
        for i, (number, row) in enumerate(self._require(snapshot, ids)):
            contributions[i] = snapshot.segments[number].contributions[row]
            bias[i] = snapshot.segments[number].bias[row]
        return contributions, bias

    def add(self, images: Sequence[NewImage]) -> Sequence[StoredImage]:
        """Insert images, or replace those of the same id; on disk when this returns.

        Returns:
            The images that were replaced, as they were.

        Raises:
            InvalidImageError: an image cannot be stored, or an id comes twice; nothing is added.
            LockedError: another process is writing.
            StorageError: the disk refused it; nothing is added.
        """
        if not images:
            return []
        for image in images:
            image.require_storable(self.spec.positions, self.spec.dimensions)
        _require_each_once([image.id for image in images])
        with self._writing:
            self._become_writer()
            before, revision = self._view.snapshot, self._truth.next_revision
            places = list(before.find([image.id for image in images]).values())
            replaced = self._stored(before, places)
            self._commit(to_table(images, revision, self.bound), revision, places)
            return replaced

    def correct(self, corrections: Sequence[Correction]) -> Sequence[StoredImage]:
        """Say something else of images whose picture stays; on disk when this returns.

        Contributions, bias and thumbnail stay as they are stored. A corrected image has a new
        revision, as one that was added. An id that is not there, or that has another picture by
        now, is left alone.

        Returns:
            The images that were corrected, as they were.

        Raises:
            InvalidImageError: a correction cannot be stored, or an id comes twice; nothing is
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
        with self._writing:
            self._become_writer()
            before, revision = self._view.snapshot, self._truth.next_revision
            found = list(before.find(list(by_id)).values())
            there = {
                stored.id: (place, stored)
                for place, stored in zip(found, self._stored(before, found), strict=True)
                if stored.media_digest == by_id[stored.id].media_digest
            }
            if there:
                places = [place for place, _ in there.values()]
                mine = {id: by_id[id] for id in there}
                row_ids = before.row_ids(places)
                version = self._truth.current
                table = corrected(version, row_ids, mine, revision, self.bound)
                self._commit(table, revision, places)
            return [stored for _, stored in there.values()]

    def _commit(self, table: pa.Table, revision: int, replaced: Sequence[Place]) -> None:
        """Write rows in the place of others; the caller holds the writing lock."""
        before = self._view.snapshot
        row_ids = self._truth.upsert(table, revision, replacing=bool(replaced))
        catalogue = Catalogue.of_truth(table, row_ids)
        fresh = write_or_keep(self.path, catalogue, *arrays(table, self.bound))
        self._show(before.without(replaced).holding(fresh))
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
            gone = list(before.find(list(ids)).values())
            if gone:
                self._truth.delete(before.row_ids(gone))
                self._show(before.without(gone))
                self._compaction.after_commit()
            return len(gone)

    def prepare(self) -> None:
        """Read the indexes that a search would read first."""
        for segment in self._view.snapshot.segments:
            self.indexes.of(segment).copies.prepare()

    def compact(self, choice: IndexChoice | None = None) -> None:
        """Put small segments and files together now, and leave out what was deleted.

        Args:
            choice: how to index large segments from now on, if it is to change.

        Raises:
            LockedError, StorageError: as add.
            FactoryError: FAISS can make no index as chosen; nothing is changed.
        """
        with self._writing:
            self._become_writer()
            if choice is not None:
                self.indexes.choose(choice)
        self._compaction.run()
        self.announce()

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

    def mend(self, finding: Finding, require_going: Callable[[], None] = lambda: None) -> None:
        """Make a damaged segment, or its index, again from the truth; searches go on meanwhile.

        Args:
            finding: a repairable one; of a segment that is not used any more nothing is done.
            require_going: called between steps; what it raises ends this, and nothing is changed.

        Raises:
            LockedError, StorageError: as add.
            DamagedError: the truth is damaged too.
        """
        name = finding.place.rpartition("/")[2]
        used = self._view.snapshot.segments
        damaged = [one for one in used if one.path is not None and one.path.name == name]
        if not damaged:
            return
        if finding.kind == "indexes":  # which may give anything from now on
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
        """Put new segments in the place of one that cannot be relied on in any way."""

        def others() -> list[Segment]:
            return [one for one in self._view.snapshot.segments if one is not damaged]

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
            self._view = View.of(self._truth.current, self.path, self.bound, known, self._lock)
            self._changed_at = time.monotonic()
            self.indexes.keep_only(self._view.snapshot.segments)

    def announce(self) -> None:
        """Make followers look again at what has changed in no image, such as mended segments.

        Raises:
            LockedError, StorageError: as add.
        """
        with self._writing:
            self._become_writer()
            self._truth.commit_nothing()
            self._show(self._view.snapshot)

    def search(
        self,
        parts: Sequence[QueryPart],
        score: Score,
        where: Filter,
        top: int,
        require_waiting: Callable[[], None] = lambda: None,
        by: GroupBy | None = None,
        view: View | None = None,
    ) -> Sequence[Candidate]:
        """The best `top` images, or best ones of groups, that pass the filter; see search.search.

        Args:
            require_waiting: called between chunks; what it raises ends the search.
            by: what makes images a group; None for none.
            view: an earlier one to search in; see current.

        Raises:
            ShapeError: a part of another dimension than the gallery's.
        """
        snapshot, grid = (view or self._view).snapshot, self.spec.grid
        found = search(
            snapshot,
            parts,
            score,
            where,
            top,
            grid,
            self.indexes.of,
            require_waiting=require_waiting,
            by=by,
        )
        more = [0] * len(found) if by is None else others(snapshot, where, by, found)
        stored = self._stored(snapshot, [one.place for one in found])
        return [
            Candidate(
                image.id,
                one.score,
                one.map,
                one.constant,
                one.window,
                image,
                group=one.group,
                others=count,
            )
            for one, image, count in zip(found, stored, more, strict=True)
        ]

    def current(self, found: Sequence[Candidate], view: View) -> Sequence[Candidate]:
        """Of what a search in an earlier view found, what was neither deleted nor replaced."""
        if view is self._view:
            return found
        ids = [one.id for one in found]
        then, now = view.snapshot.revisions(ids), self._view.snapshot.revisions(ids)
        return [one for one in found if then[one.id] == now.get(one.id)]

    def with_thumbnails(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """The same with the thumbnail of each; NotFoundError if one was deleted meanwhile.

        A thumbnail that cannot be read is left empty, and `unreadable` is then true.
        """
        try:
            thumbnails = self.thumbnails([one.id for one in found])
        except DamagedError:
            return [self._with_thumbnail(one) for one in found]
        return [
            replace(one, thumbnail=thumbnail)
            for one, thumbnail in zip(found, thumbnails, strict=True)
        ]

    def _with_thumbnail(self, one: Candidate) -> Candidate:
        try:
            return replace(one, thumbnail=self.thumbnails([one.id])[0])
        except DamagedError:
            return replace(one, unreadable=True)

    def _stored(self, snapshot: Snapshot, places: Sequence[Place]) -> Sequence[StoredImage]:
        found = dict[Place, StoredImage]()
        for number in {place.segment for place in places}:
            here = [place for place in places if place.segment == number]
            rows = np.array([place.row for place in here])
            of_segment = snapshot.segments[number].catalogue.stored(rows)
            found.update(zip(here, of_segment, strict=True))
        return [found[place] for place in places]

    def _require(self, snapshot: Snapshot, ids: Sequence[str]) -> Sequence[Place]:
        """Where the images of these ids lie."""
        places = snapshot.find(ids)
        for id in ids:
            if id not in places:
                raise NotFoundError(f"the gallery has no image {id!r}")
        return [places[id] for id in ids]

    def _glance(self) -> Sequence[Finding]:
        """Damage that is cheap to see; DamagedError where nothing can be read because of it."""
        seen = glance(self.path, self._truth.current)
        while seen.findings and self._truth.refresh():  # a writer has tidied away what was missing
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
            except GalleryError:
                lock.release()
                raise
            segments.remove_drafts(self.path / SEGMENTS)
            self._lock = lock
        # Another process has written, or a commit of this one failed when it was on disk already.
        self.refresh()

    def _show(self, snapshot: Snapshot) -> None:
        """Make what was just committed what is seen."""
        version = self._truth.current
        self._view = View(version, snapshot.at(version.number))
        self._changed_at = time.monotonic()

    def _swap(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Put new segments in the place of old ones; searches that have begun keep the old."""
        if not old:
            return
        with self._writing:
            self._show(self._view.snapshot.replaced(old, new))
        segments.remove(segment.path for segment in old if segment.path)
        self.indexes.keep_only([*self._view.snapshot.segments, *new])

    def _index(self, segment: Segment) -> None:
        if len(segment) >= INDEXED_ROWS:
            self.indexes.build(segment, len(segment) / max(len(self), len(segment)))

    def _tidy_truth(self, dead_share: float) -> None:
        """Rewrite files of the truth, and forget versions that nobody reads any more."""
        size = self.bound.row_bytes + _THUMBNAIL_BYTES
        rewritten = self._truth.rewrite(size, dead_share)
        with self._writing:
            if not self._truth.replace(rewritten):
                # Rows of it have changed. Where they always do, it must be done while none can.
                self._truth.replace(self._truth.rewrite(size, dead_share))
            self._show(self._view.snapshot)
            self._truth.forget_history()


def _require_each_once(ids: Sequence[str]) -> None:
    if len(set(ids)) < len(ids):
        raise InvalidImageError("an id comes twice among the images given; give each once")
