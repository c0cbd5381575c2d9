"""Which images have been kept for long enough."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.schema import rows


@dataclass(frozen=True)
class Expired:
    """What a rule of retention says of a gallery.

    Attributes:
        ids: of images that are older, in order.
        kept: images of the cameras that are not older.
        undated: images of the cameras whose time is not known; they are kept.
    """

    ids: tuple[str, ...]
    kept: int
    undated: int


def expired(
    gallery: Gallery, keep: timedelta, cameras: Collection[str], now: datetime | None = None
) -> Expired:
    """The images that were captured longer ago than `keep`.

    Args:
        cameras: only images of these; of all cameras if there are none.
        now: the present if None.
    """
    limit = (now or datetime.now(UTC)) - keep
    ids, kept, undated = [], 0, 0
    table = gallery.view.version.read(["id", "camera", "captured_at"])
    for row in rows(table):
        at = row["captured_at"]
        if cameras and row["camera"] not in cameras:
            continue
        if not isinstance(at, datetime):
            undated += 1
        elif at < limit:
            ids.append(str(row["id"]))
        else:
            kept += 1
    return Expired(tuple(sorted(ids)), kept, undated)
