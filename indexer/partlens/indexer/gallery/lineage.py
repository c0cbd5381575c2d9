"""Whether segments that lie apart from the truth are of the truth that is there now."""

import json
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from partlens.common.durable import write_atomically
from partlens.indexer.errors import DamagedError, StorageError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.committed import Committed
from partlens.indexer.gallery.durability import damage
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.image_columns import TRUTH_COLUMNS, ImageColumns
from partlens.indexer.gallery.loading import SEGMENTS
from partlens.indexer.gallery.rows_version import RowsVersion, manifest_place
from partlens.indexer.gallery.segments import Segment

_log = logging.getLogger(__name__)
_FILE = "truth-seen.json"
_SOME = 256
"""Rows of a segment, about, that are compared after an erasure."""


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
    """

    def __init__(self, home: Home, folder: Path, bound: GallerySpec) -> None:
        self._home, self._folder, self._bound = home, folder, bound
        self._seen = _Seen.read(folder / _FILE)

    def see(self, version: RowsVersion, known: Sequence[Segment] = ()) -> bool:
        """Look at a version before its segments are loaded.

        Args:
            known: segments that this process has open. After an erasure, which removes all earlier
                versions, some of their rows are compared instead of all.

        Returns:
            Whether it continues what was seen before. Otherwise segments in memory must be let go
            of; those in the folder that are not of this version have been removed.

        Raises:
            DamagedError: the truth cannot be read, or is of another model by now.
            StorageError: segments of another gallery cannot be removed.
        """
        seen = self._seen
        now = self._now(seen.version) if seen else None
        continues = seen is not None and seen == now
        if seen and not now and version.number > seen.version:
            continues = self._some_agree(version, known)
        if not continues:
            self._require_model()
            self._remove_foreign(version)
        self.remember(version)
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
        for segment in self._foreign(version, kept) if known else kept:
            if segment.path:
                _log.warning("segment %s is of another gallery and is removed", segment.path.name)
                doomed.append(segment.path)
        segments.remove(doomed)
        if left := next((path for path in doomed if path.exists()), None):
            raise StorageError(
                f"{left} is damaged or of another gallery, and cannot be removed; remove it"
            )

    def _foreign(self, version: RowsVersion, some: Sequence[Segment]) -> list[Segment]:
        """Those with another record than the truth, or a revision that it will give only later."""
        highest = self._highest(version)
        foreign = {one for one in some if one.columns.revisions.max(initial=0) > highest}
        for part in version.parts() if some else ():
            truth = _columns(version.read_part(TRUTH_COLUMNS, part))
            foreign |= {one for one in some if one not in foreign and not _agree(truth, one)}
        return [one for one in some if one in foreign]

    def _some_agree(self, version: RowsVersion, known: Sequence[Segment]) -> bool:
        """Whether there are rows of each segment in a version, and some of them are the same."""
        for segment in known:
            of = segment.columns.row_ids
            truth = _columns(version.read(TRUTH_COLUMNS, of[:: max(1, len(of) // _SOME)]))
            if not len(truth) or not _agree(truth, segment):
                return False
        return bool(known)

    def _highest(self, version: RowsVersion) -> int:
        """A revision that later images exceed; at least that of each image of the version."""
        committed = Committed.read(self._home)
        if committed.version == version.number:
            return committed.revision
        return max(version.read(["revision"])["revision"].to_pylist(), default=0)

    def remember(self, version: RowsVersion) -> None:
        """Note a version that continues what was seen before, so that less is compared later."""
        seen = self._now(version.number)
        if seen is None or seen == self._seen:
            return
        self._seen = seen
        # Where the disk refuses it, the next process compares the rows again.
        with suppress(OSError):
            self._folder.mkdir(parents=True, exist_ok=True)
            write_atomically(self._folder / _FILE, json.dumps(asdict(seen)))


def _columns(table: pa.Table) -> ImageColumns:
    with damage("rows of the gallery cannot be read"):
        return ImageColumns.of_truth(table, np.asarray(table["_rowid"], np.int64))


def _agree(truth: ImageColumns, segment: Segment) -> bool:
    """Whether rows of the truth and a segment have the same records where both have them."""
    here, rows = segment.columns.rows_of(truth.row_ids)
    both = np.flatnonzero(here)
    same = truth.revisions[both] == segment.columns.revisions[rows]
    kept = segment.columns.take(rows[same]).table.combine_chunks()
    found: bool = truth.take(both[same]).table.combine_chunks().equals(kept)
    return found
