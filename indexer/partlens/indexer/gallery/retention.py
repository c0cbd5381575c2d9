"""Which images have been kept for long enough."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.schema import rows

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}


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


def duration(text: str) -> timedelta:
    """A number of hours, days or weeks, as in "30d".

    Raises:
        ValueError: it is none.

    >>> duration("2w")
    datetime.timedelta(days=14)
    """
    match = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if match is None:
        raise ValueError(f"{text!r} is no number of hours, days or weeks, such as 12h, 30d or 8w")
    return int(match[1]) * _UNITS[match[2]]


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
