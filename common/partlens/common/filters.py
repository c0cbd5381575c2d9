"""Filters on images, and how results are grouped."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class Filter:
    """Conditions, all of which an image must meet; an empty filter lets every image pass.

    Attributes:
        cameras, tracks: any of these.
        captured_after: at this time or later; an image of unknown time does not pass.
        captured_before: before this time; an image of unknown time does not pass.
        attributes: all of these, each with exactly this value.
        exclude_ids: none of these.
        exclude_cameras: none of these; an image of an unknown camera passes.
        exclude_media: no image with one of these media digests.
    """

    cameras: Collection[str] = ()
    tracks: Collection[str] = ()
    captured_after: datetime | None = None
    captured_before: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    exclude_ids: Collection[str] = ()
    exclude_cameras: Collection[str] = ()
    exclude_media: Collection[str] = ()


def require_several(where: Filter) -> None:
    """Raise TypeError if a condition that takes several texts is a single string.

    Python would iterate over its letters.
    """
    for name in ("cameras", "tracks", "exclude_ids", "exclude_cameras", "exclude_media"):
        if isinstance(given := getattr(where, name), str):
            raise TypeError(f"{name} is the text {given[:80]!r}; give a list or set of texts")


@dataclass(frozen=True)
class GroupBy:
    """What to group images by: images with the same value form a group.

    An image without a value is a group of its own.

    Attributes:
        attribute: name of an attribute; "" to group by the column.
        column: "track" or "camera".
    """

    column: Literal["track", "camera"] = "track"
    attribute: str = ""
