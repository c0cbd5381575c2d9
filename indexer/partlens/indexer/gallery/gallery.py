"""A folder of images by id, with their contributions: written by one, read and searched by many."""

import json
import threading
from bisect import bisect_right
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from types import TracebackType

import numpy as np

from partlens.explainer.errors import ModelError
from partlens.explainer.scoring import QueryPart, Score
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    GalleryError,
    InvalidImageError,
    ModelMismatchError,
    NewerFormatError,
    NotFoundError,
)
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.durability import WriterLock, write_atomically
from partlens.indexer.gallery.records import Candidate, FloatArray, NewImage, StoredImage
from partlens.indexer.gallery.schema import (
    CATALOGUE,
    STORED,
    arrays,
    metadata_of,
    rows,
    stored_of,
    to_table,
)
from partlens.indexer.gallery.search import search
from partlens.indexer.gallery.snapshot import Snapshot
from partlens.indexer.gallery.truth import Truth
from partlens.indexer.metadata import Filter, Metadata

FORMAT = 1
_GALLERY_FILE = "gallery.json"
_SEGMENTS = "segments"
_SMALL, _MANY = 4096, 16
_READ_ROWS = 1024


class Gallery:
    """Images by id: `len(gallery)`, `id in gallery`, and the methods below.

    Reading and searching see the version of the last `refresh`, `add` or `delete`, whole. Any
    number of processes may read; the first `add` or `delete` makes this one the writer until it
    is closed. Methods may be called from several threads.
    """

    def __init__(self, path: Path, spec: ModelSpec) -> None:
        self.path, self.spec = path, spec
        self._truth = Truth(path, spec)
        self._lock: WriterLock | None = None
        self._writing = threading.RLock()
        self._snapshot = self._take([])

    @classmethod
    def create(cls, path: Path, spec: ModelSpec) -> "Gallery":
        """An empty gallery bound to a model.

        Raises:
            AlreadyExistsError: something is at this place already.
        """
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise AlreadyExistsError(f"{path} is there already; choose another place") from error
        Truth.create(path, spec)
        plain = {"format": FORMAT, "model": spec.to_json()}
        write_atomically(path / _GALLERY_FILE, json.dumps(plain, indent=1).encode())
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
        bound = _read_gallery_file(path)
        if spec is not None and spec.digest != bound.digest:
            raise ModelMismatchError(bound.digest, spec.digest)
        return cls(path, bound)

    @property
    def version(self) -> int:
        """Grows with every commit."""
        return self._snapshot.version

    @property
    def model_digest(self) -> str:
        """Of the model that the gallery is bound to."""
        return self.spec.digest

    def __len__(self) -> int:
        return len(self._snapshot.revisions)

    def __contains__(self, id: object) -> bool:
        return id in self._snapshot.revisions

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
        with self._writing:
            if self._lock is not None:
                self._lock.release()
                self._lock = None

    def refresh(self) -> None:
        """See what another process has committed since."""
        with self._writing:
            if self._truth.refresh():
                self._snapshot = self._take(self._snapshot.segments)

    def get(self, id: str) -> StoredImage:
        """The image of this id; NotFoundError if there is none."""
        return self._stored([id])[0]

    def list(
        self, after: str = "", limit: int = 100, where: Filter | None = None
    ) -> Sequence[StoredImage]:
        """Images that pass the filter in order of id, from the first id above `after`."""
        snapshot = self._snapshot
        start = bisect_right(snapshot.ids, after) if after else 0
        passing = (
            id
            for id in islice(snapshot.ids, start, None)
            if where is None or where.accepts(id, snapshot.metadata[id])
        )
        return self._stored(list(islice(passing, limit)))

    def count(self, where: Filter) -> int:
        """How many images pass the filter."""
        return sum(where.accepts(*item) for item in self._snapshot.metadata.items())

    def metadata(self, id: str) -> Metadata:
        """What is known of the image of this id; NotFoundError if there is none."""
        snapshot = self._snapshot
        self._require(snapshot, [id])
        return snapshot.metadata[id]

    def digests(self) -> dict[str, str]:
        """id -> media digest of every image."""
        with self._writing:
            table = self._truth.read(["id", "media_digest"])
        return {str(row["id"]): str(row["media_digest"]) for row in rows(table)}

    def decompositions(self, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """Contributions float32 [M, P, D] and bias [M, D]; NotFoundError for an unknown id."""
        snapshot = self._snapshot
        self._require(snapshot, ids)
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
        """
        if not images:
            return
        for image in images:
            image.require_storable(self.spec.positions, self.spec.dimensions)
        if len({image.id for image in images}) < len(images):
            raise InvalidImageError("an id comes twice among the images to add; give each once")
        with self._writing:
            self._become_writer()
            revision = 1 + max(self._snapshot.revisions.values(), default=0)
            table = to_table(images, revision, self.spec)
            self._truth.upsert(table)
            fresh = segments.write(
                self.path / _SEGMENTS,
                [(image.id, revision) for image in images],
                *arrays(table, self.spec),
            )
            before = self._snapshot
            self._snapshot = Snapshot(
                self._truth.version,
                {**before.revisions, **{image.id: revision for image in images}},
                {**before.metadata, **{image.id: image.metadata for image in images}},
                [*before.segments, fresh],
            )
            self._tidy()

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the images of these ids; how many there were. On disk when this returns.

        Raises:
            LockedError: another process is writing.
        """
        with self._writing:
            self._become_writer()
            known = sorted({id for id in ids if id in self._snapshot.revisions})
            if known:
                self._truth.delete(known)
                before, gone = self._snapshot, set(known)
                self._snapshot = Snapshot(
                    self._truth.version,
                    {id: value for id, value in before.revisions.items() if id not in gone},
                    {id: value for id, value in before.metadata.items() if id not in gone},
                    before.segments,
                )
                self._tidy()
            return len(known)

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
        found = search(
            self._snapshot,
            parts,
            score,
            where,
            top,
            self.spec.grid,
            require_waiting=require_waiting,
        )
        stored = self._stored([one.id for one in found])
        return [
            Candidate(one.id, one.score, one.map, one.constant, one.window, image)
            for one, image in zip(found, stored, strict=True)
        ]

    def _stored(self, ids: Sequence[str]) -> Sequence[StoredImage]:
        self._require(self._snapshot, ids)
        if not ids:
            return []
        with self._writing:
            table = self._truth.read(STORED, ids)
        images = {str(row["id"]): stored_of(row) for row in rows(table)}
        self._require(images, ids)
        return [images[id] for id in ids]

    def _require(self, known: Snapshot | dict[str, StoredImage], ids: Sequence[str]) -> None:
        names = known.revisions if isinstance(known, Snapshot) else known
        for id in ids:
            if id not in names:
                raise NotFoundError(f"the gallery has no image {id!r}")

    def _become_writer(self) -> None:
        if self._lock is None:
            self._lock = WriterLock(self.path / "writer.lock")
            if self._truth.refresh():
                self._snapshot = self._take(self._snapshot.segments)

    def _take(self, known: Sequence[segments.Segment]) -> Snapshot:
        """A snapshot of the truth; what no segment holds is read from the truth into new ones."""
        catalogue = list(rows(self._truth.read(CATALOGUE)))
        revisions = {str(row["id"]): int(str(row["revision"])) for row in catalogue}
        metadata = {str(row["id"]): metadata_of(row) for row in catalogue}
        version = self._truth.version
        snapshot = Snapshot(version, revisions, metadata, known)
        if snapshot.missing():
            names = {segment.path for segment in known}
            loaded = segments.load_all(self.path / _SEGMENTS, self.spec)
            known = [*known, *(segment for segment in loaded if segment.path not in names)]
            snapshot = Snapshot(version, revisions, metadata, known)
        if missing := snapshot.missing():
            known = [*known, *(self._rebuild(missing))]
            snapshot = Snapshot(version, revisions, metadata, known)
        if snapshot.missing():
            raise DamagedError("the gallery's list of images names some that its rows do not hold")
        return snapshot

    def _rebuild(self, ids: Sequence[str]) -> Sequence[segments.Segment]:
        made = []
        for start in range(0, len(ids), _READ_ROWS):
            some = ids[start : start + _READ_ROWS]
            table = self._truth.read(["id", "revision", "contributions", "bias"], some)
            keys = [
                (str(row["id"]), int(str(row["revision"])))
                for row in rows(table.select(["id", "revision"]))
            ]
            made.append(segments.write(self.path / _SEGMENTS, keys, *arrays(table, self.spec)))
        return made

    def _tidy(self) -> None:
        """Put many small segments together, and drop those that hold nothing any more."""
        snapshot = self._snapshot
        used = list(snapshot.rows())
        small = [(segment, live) for segment, live in used if 0 < len(live) < _SMALL]
        dead = [segment for segment, live in used if not len(live)]
        if len(small) > _MANY:
            joined = segments.merge(self.path / _SEGMENTS, small)
            dead += [segment for segment, _ in small]
            gone = {segment.path for segment in dead}
            kept = [segment for segment, _ in used if segment.path not in gone]
            self._snapshot = Snapshot(
                snapshot.version, snapshot.revisions, snapshot.metadata, [*kept, joined]
            )
        for segment in dead:
            segments.remove(segment)


def _read_gallery_file(path: Path) -> ModelSpec:
    try:
        plain = json.loads((path / _GALLERY_FILE).read_bytes())
        if not isinstance(plain, dict) or type(plain.get("format")) is not int:
            raise DamagedError(f"{_GALLERY_FILE} has no format number")
        if plain["format"] > FORMAT:
            raise NewerFormatError(plain["format"], FORMAT)
        return ModelSpec.from_json(plain["model"])
    except FileNotFoundError as error:
        raise NotFoundError(
            f"there is no gallery at {path}; make one with `partlens index create`"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, ModelError, RecursionError) as error:
        if isinstance(error, GalleryError):
            raise
        raise DamagedError(f"{_GALLERY_FILE} cannot be read: {error}") from error
