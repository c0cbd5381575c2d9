"""What a gallery's readers see: one version of the truth, and the segments that hold its rows."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError, LockedError, StorageError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.durability import WriterLock
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.schema import CATALOGUE, arrays, metadata_of, rows
from partlens.indexer.gallery.segments import Key, Segment
from partlens.indexer.gallery.snapshot import Snapshot
from partlens.indexer.gallery.version import Version

SEGMENTS, LOCK = "segments", "writer.lock"
_READ_ROWS = 1024


@dataclass(frozen=True, eq=False)
class View:
    """One version, whole; never changes, so that a search that has begun ends as it began.

    Attributes:
        version: of the truth.
        snapshot: the same images, with their segments.
    """

    version: Version
    snapshot: Snapshot

    @classmethod
    def of(
        cls,
        version: Version,
        path: Path,
        spec: ModelSpec,
        known: Sequence[Segment] = (),
        lock: WriterLock | None = None,
    ) -> "View":
        """A view of a version; what no segment holds is read from the truth into new ones.

        Args:
            path: of the gallery.
            known: segments that are open already; those whose files are gone are let go of.
            lock: of this process, if it is the writer. Only a writer changes files: other
                processes keep what is missing in memory.

        Raises:
            DamagedError: the truth cannot be read.
        """
        catalogue = list(rows(version.read(CATALOGUE)))
        revisions = {str(row["id"]): int(str(row["revision"])) for row in catalogue}
        metadata = {str(row["id"]): metadata_of(row) for row in catalogue}

        def holding(some: Sequence[Segment]) -> Snapshot:
            return Snapshot(version.number, revisions, metadata, some)

        on_disk = [segment for segment in known if segment.path and segment.path.exists()]
        snapshot, damaged = holding(on_disk), list[Path]()
        # Twice: while the folder is read a writer may put segments together, and remove them.
        for _ in range(2):
            if snapshot.missing():
                names = {segment.path for segment in snapshot.segments}
                others, damaged = segments.load_others(path / SEGMENTS, spec, names)
                snapshot = holding([*snapshot.segments, *others])
        if snapshot.missing():
            in_memory = [segment for segment in known if segment.path is None]
            snapshot = holding([*snapshot.segments, *in_memory])
        if missing := snapshot.missing():
            made = _rebuild(version, missing, path, spec, lock, damaged)
            snapshot = holding([*snapshot.segments, *made])
        if snapshot.missing():
            raise DamagedError("the gallery's list of images names some that its rows do not hold")
        return cls(version, snapshot)


def _rebuild(
    version: Version,
    ids: Sequence[str],
    path: Path,
    spec: ModelSpec,
    lock: WriterLock | None,
    damaged: Sequence[Path],
) -> list[Segment]:
    """Segments of these ids, on disk if this process may write."""
    mine = lock
    try:
        mine = mine or WriterLock(path / LOCK)
        segments.remove(damaged)
        return [
            write_or_keep(path, keys, contributions, bias)
            for keys, contributions, bias in _stored(version, ids, spec)
        ]
    except (LockedError, StorageError):
        return [segments.in_memory(*part) for part in _stored(version, ids, spec)]
    finally:
        if mine is not None and mine is not lock:
            mine.release()


def write_or_keep(
    path: Path, keys: Sequence[Key], contributions: NDArray[np.float16], bias: FloatArray
) -> Segment:
    """A new segment of the gallery at path; in memory where the disk refuses it."""
    try:
        return segments.write(path / SEGMENTS, keys, contributions, bias)
    except OSError:
        return segments.in_memory(keys, contributions, bias)


def _stored(
    version: Version, ids: Sequence[str], spec: ModelSpec
) -> Iterator[tuple[list[Key], NDArray[np.float16], FloatArray]]:
    for start in range(0, len(ids), _READ_ROWS):
        some = ids[start : start + _READ_ROWS]
        table = version.read(["id", "revision", "contributions", "bias"], some)
        names = rows(table.select(["id", "revision"]))
        yield [(str(n["id"]), int(str(n["revision"]))) for n in names], *arrays(table, spec)
