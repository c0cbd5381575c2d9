"""Finds or makes the segments that hold the rows of a version."""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.stored import Stored
from partlens.indexer.errors import DamagedError, LockedError, StorageError, UnreachableError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.completeness import not_adding_up
from partlens.indexer.gallery.durability import Lock, WriterLock, damage
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import LOCK
from partlens.indexer.gallery.image_columns import TRUTH_COLUMNS, ImageColumns
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.schema import array_columns, arrays
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.share import Share

_log = logging.getLogger(__name__)
SEGMENTS = "segments"
_READ_ROWS = 1024


def load(
    version: RowsVersion,
    path: Path,
    bound: GallerySpec,
    known: Sequence[Segment] = (),
    lock: Lock | None = None,
    share: Share | None = None,
    require_room: Callable[[int], None] = lambda _: None,
) -> LiveRows:
    """The rows of a version; what no segment holds is read from the truth into new segments.

    Args:
        path: folder of the segments and indexes: that of the gallery, or of a shard.
        known: segments that are open already; those whose files are gone are let go of.
        lock: of this process, if it is the writer. Only a writer changes files: other
            processes keep what is missing in memory.
        share: of a shard, whose rows are loaded; None for all rows.
        require_room: raises StorageError if so many bytes do not fit into the folder.

    Raises:
        DamagedError: the truth cannot be read.
        StorageError: what is missing does not fit into the folder of derived files.
    """
    row_ids, revisions = _rows(version, share)

    def holding(some: Sequence[Segment]) -> tuple[LiveRows, NDArray[np.int64]]:
        return LiveRows.of(row_ids, revisions, some)

    on_disk = [segment for segment in known if segment.path and segment.path.exists()]
    damaged = list[Path]()
    live, missing = holding(on_disk)
    # Twice: while the folder is read a writer may put segments together, and remove them.
    for _ in range(2):
        if len(missing):
            names = {segment.path for segment in live.segments}
            others, damaged = segments.load_others(path / SEGMENTS, bound, names)
            live, missing = holding([*live.segments, *others])
    if len(missing):
        in_memory = [segment for segment in known if segment.path is None]
        live, missing = holding([*live.segments, *in_memory])
    if len(missing):
        require_room(len(missing) * bound.row_bytes)
        made = _rebuild(version, missing, path, bound, lock, damaged)
        live, missing = holding([*live.segments, *made])
    if len(missing):
        raise DamagedError("the gallery's list of images names some that its rows do not hold")
    return live


def _rebuild(
    version: RowsVersion,
    row_ids: NDArray[np.int64],
    path: Path,
    bound: GallerySpec,
    lock: Lock | None,
    damaged: Sequence[Path],
) -> list[Segment]:
    """Segments of these rows, on disk if this process may write."""
    mine = lock
    try:
        mine = mine or WriterLock(path / LOCK)
        for segment in damaged:
            _log.warning(
                "gallery %s: segment %s is damaged or incomplete and is rebuilt from the truth",
                path.name,
                segment.name,
            )
        segments.remove(damaged)
        return [write_or_keep(path, *part) for part in stored(version, row_ids, bound)]
    except UnreachableError:
        raise
    except (LockedError, StorageError):
        return [segments.in_memory(*part) for part in stored(version, row_ids, bound)]
    finally:
        if mine is not None and mine is not lock:
            mine.release()


def write_or_keep(
    path: Path, columns: ImageColumns, contributions: Stored, bias: FloatArray
) -> Segment:
    """A new segment of the gallery at path; in memory where the disk refuses it."""
    try:
        return segments.write(path / SEGMENTS, columns, contributions, bias)
    except OSError:
        return segments.in_memory(columns, contributions, bias)


def not_held(version: RowsVersion, some: Sequence[Segment]) -> NDArray[np.int64]:
    """Row ids of a version that none of these segments holds; DamagedError as load."""
    return live_rows(version, some)[1]


def live_rows(
    version: RowsVersion, some: Sequence[Segment], share: Share | None = None
) -> tuple[LiveRows, NDArray[np.int64]]:
    """The rows of a version in these segments, and those that none of them holds; arguments and
    errors as load."""
    return LiveRows.of(*_rows(version, share), some)


def _rows(
    version: RowsVersion, share: Share | None = None
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Row ids and revisions of all rows, or of a share of them, shape [M] each."""
    table = version.read(["revision"])
    row_ids = np.asarray(table["_rowid"].to_numpy(), np.int64)
    revisions = np.asarray(table["revision"].to_numpy(), np.int64)
    if share is None:
        return row_ids, revisions
    chosen = share.holds(row_ids)
    return row_ids[chosen], revisions[chosen]


def stored(
    version: RowsVersion, row_ids: NDArray[np.int64], bound: GallerySpec
) -> Iterator[tuple[ImageColumns, Stored, FloatArray]]:
    """What segments of these rows of the truth hold, up to 1024 rows each.

    Raises:
        DamagedError: rows cannot be read, or an embedding is not the sum of its parts.
    """
    for start in range(0, len(row_ids), _READ_ROWS):
        some = row_ids[start : start + _READ_ROWS]
        table = version.read([*TRUTH_COLUMNS, "embedding", *array_columns(bound)], some)
        for row in not_adding_up(table, bound)[:1]:
            id = table["id"][row].as_py()
            raise DamagedError(f"the embedding of image {id!r} is not the sum of its parts")
        with damage("rows of the gallery cannot be read"):
            columns = ImageColumns.of_truth(table, np.asarray(table["_rowid"], np.int64))
        yield columns, *arrays(table, bound)
