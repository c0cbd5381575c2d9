"""Whether segments that lie apart from the truth are of the truth that is there now."""

import json
import logging
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from partlens.common.durable import write_atomically
from partlens.indexer.errors import DamagedError, StorageError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.committed import Committed
from partlens.indexer.gallery.durability import damage
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.image_columns import TRUTH_COLUMNS, ImageColumns, Rows
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.loading import SEGMENTS, live_rows
from partlens.indexer.gallery.rows_version import RowsVersion, manifest_place
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.share import Share

_log = logging.getLogger(__name__)
_FILE = "truth-seen.json"
_ROWS = 1024


@dataclass(frozen=True)
class _Seen:
    """What the segments in a folder are of.

    Attributes:
        model: digest of the model's spec.
        version: of the truth, which was there when it was last looked at.
        size, tag: state of that version's manifest.
    """

    model: str
    version: int
    size: int
    tag: str

    @classmethod
    def read(cls, path: Path) -> "_Seen | None":
        """Read the file at a path; None if there is none that can be read."""
        try:
            plain = json.loads(path.read_bytes())
            return cls(
                str(plain["model"]), int(plain["version"]), int(plain["size"]), str(plain["tag"])
            )
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            return None


class Lineage:
    """Removes segments of another gallery, or of a history that a backup has undone.

    Row ids and revisions begin anew in a gallery that replaces another one at its place, and some
    are given twice after a backup was restored. So where the version that was seen last is no
    longer there as it was, the records of all rows are compared.

    Args:
        home: of the truth.
        folder: of the segments, apart from the truth.
        share: of a shard; None for all rows.
    """

    def __init__(
        self, home: Home, folder: Path, bound: GallerySpec, share: Share | None = None
    ) -> None:
        self._home, self._folder, self._bound, self._share = home, folder, bound, share
        self._seen = _Seen.read(folder / _FILE)

    def see(self, version: RowsVersion) -> bool:
        """Look at a version before its segments are loaded.

        Returns:
            Whether it continues what was seen before. Otherwise segments in memory must be let go
            of; those in the folder that are not of this version have been removed.

        Raises:
            DamagedError: the truth cannot be read, or is of another model by now.
            StorageError: segments of another gallery cannot be removed.
        """
        continues = self._seen is not None and self._seen == self._now(self._seen.version)
        if not continues:
            self._require_model()
            self._remove_foreign(version)
        self._remember(version)
        return continues

    def _now(self, version: int) -> _Seen | None:
        """What is to be seen of a version; None if it is not there."""
        state = self._home.state(manifest_place(version))
        return state and _Seen(self._bound.spec.digest, version, state.size, state.tag)

    def _require_model(self) -> None:
        """Raise DamagedError if the gallery has another model than the one that was opened."""
        if GallerySpec.read(self._home).content() != self._bound.content():
            raise DamagedError(
                f"the gallery {self._home} was replaced by one of another model or storage while it"
                " was open; open it again, or restart the server"
            )

    def _remove_foreign(self, version: RowsVersion) -> None:
        kept, doomed = segments.load_others(self._folder / SEGMENTS, self._bound, ())
        known = self._seen is not None and self._seen.model == self._bound.spec.digest
        highest = self._highest(version)
        for segment in kept:
            live, _ = live_rows(version, [segment], self._share)
            if segment.path and not (known and _is_of(version, segment, live, highest)):
                _log.warning("segment %s is of another gallery and is removed", segment.path.name)
                doomed.append(segment.path)
        segments.remove(doomed)
        if left := next((path for path in doomed if path.exists()), None):
            raise StorageError(
                f"{left} is damaged or of another gallery, and cannot be removed; remove it"
            )

    def _highest(self, version: RowsVersion) -> int:
        """A revision that later images exceed; at least that of each image of the version."""
        committed = Committed.read(self._home)
        if committed.version == version.number:
            return committed.revision
        return max(version.read(["revision"])["revision"].to_pylist(), default=0)

    def _remember(self, version: RowsVersion) -> None:
        seen = self._now(version.number)
        if seen is None or seen == self._seen:
            return
        self._seen = seen
        # Where the disk refuses it, the next process compares the rows again.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / _FILE, json.dumps(asdict(seen)))


def _is_of(version: RowsVersion, segment: Segment, live: LiveRows, highest: int) -> bool:
    """Whether a segment has the truth's records, and no revision that it will give only later."""
    revisions = segment.columns.revisions
    if len(revisions) and int(revisions.max()) > highest:
        return False
    return all(
        _has(version, segment, rows[start : start + _ROWS])
        for _, rows in live.matching()
        for start in range(0, len(rows), _ROWS)
    )


def _has(version: RowsVersion, segment: Segment, rows: Rows) -> bool:
    """Whether the truth has the same records in these rows."""
    columns = segment.columns
    rows = rows[np.argsort(columns.row_ids[rows])]
    table = version.read(TRUTH_COLUMNS, columns.row_ids[rows]).sort_by("_rowid")
    with damage("rows of the gallery cannot be read"):
        record = ImageColumns.of_truth(table, np.asarray(table["_rowid"], np.int64)).table
    same: bool = record.equals(columns.take(rows).table.combine_chunks())
    return same
