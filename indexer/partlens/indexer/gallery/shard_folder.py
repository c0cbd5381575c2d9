"""The folder on a node's disk in which a shard keeps its segments and indexes."""

import hashlib
import logging
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pyarrow as pa

from partlens.indexer.errors import LockedError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.durability import WriterLock, damage, refusals
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.folder import LOCK
from partlens.indexer.gallery.image_columns import TRUTH_COLUMNS, ImageColumns, Rows
from partlens.indexer.gallery.loading import SEGMENTS, live_rows
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.share import Share

_log = logging.getLogger(__name__)
_ROWS = 1024
_MOST = 64
"""Replicas of one shard that may run on one node."""


class ShardFolder:
    """A folder that one process uses until it is closed; another process takes another one.

    A shard that starts again finds there what it kept before.

    Attributes:
        path: the folder.

    Args:
        scratch: of all shards on this node.
        gallery: the gallery's path.

    Raises:
        StorageError: the disk refused it.
        LockedError: too many processes keep this share on this node.
    """

    def __init__(self, scratch: Path, gallery: str, share: Share) -> None:
        name = hashlib.sha256(gallery.encode()).hexdigest()[:16]
        of_gallery = scratch / name
        with refusals(name, "scratch folder"):
            self.path, self.lock = _first_free(of_gallery / _named(share))
        _remove_others(of_gallery, share)

    def remove_foreign(self, version: RowsVersion, bound: GallerySpec, share: Share) -> None:
        """Remove kept segments that are damaged, or hold another image than the truth's row does.

        Row ids and revisions start anew in a gallery that replaces another one at its path, and
        some come twice after a backup was restored, so the records of all kept rows are compared.

        Raises:
            DamagedError: the truth cannot be read.
        """
        folder = self.path / SEGMENTS
        kept, doomed = segments.load_others(folder, bound, ())
        live, _ = live_rows(version, kept, share)
        for segment, rows in live.matching():
            if segment.path is not None and not _are_of(version, segment, rows):
                _log.warning("segment %s is of another gallery and is removed", segment.path.name)
                doomed.append(segment.path)
        segments.remove(doomed)

    def close(self) -> None:
        """Let another process use it."""
        self.lock.release()


def _named(share: Share) -> str:
    return f"{share.number}-of-{share.count}"


def _first_free(parent: Path) -> tuple[Path, WriterLock]:
    parent.mkdir(parents=True, exist_ok=True)
    for number in range(_MOST):
        path = parent / str(number)
        path.mkdir(exist_ok=True)
        with suppress(LockedError):
            return path, WriterLock(path / LOCK)
    raise LockedError(f"{_MOST} processes keep shard {parent.name} on this node; end some of them")


def _remove_others(of_gallery: Path, share: Share) -> None:
    """Remove what shards of another number kept, where no process uses it any longer."""
    for path in of_gallery.glob("*-of-*/*"):
        if path.parent.name.endswith(f"-of-{share.count}"):
            continue
        with suppress(LockedError, OSError), WriterLock(path / LOCK):
            shutil.rmtree(path, ignore_errors=True)


def _are_of(version: RowsVersion, segment: Segment, rows: Rows) -> bool:
    """Whether the truth has the same records as a segment in these rows of it."""
    return all(
        _record(version, row_ids).equals(kept)
        for row_ids, kept in _kept_records(segment.columns, rows)
    )


def _kept_records(columns: ImageColumns, rows: Rows) -> Iterator[tuple[Rows, pa.Table]]:
    rows = rows[np.argsort(columns.row_ids[rows])]
    for start in range(0, len(rows), _ROWS):
        some = rows[start : start + _ROWS]
        yield columns.row_ids[some], columns.take(some).table.combine_chunks()


def _record(version: RowsVersion, row_ids: Rows) -> pa.Table:
    """The records of rows of the truth as a segment keeps them, in order of row id."""
    table = version.read(TRUTH_COLUMNS, row_ids).sort_by("_rowid")
    with damage("rows of the gallery cannot be read"):
        return ImageColumns.of_truth(table, np.asarray(table["_rowid"], np.int64)).table
