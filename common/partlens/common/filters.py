"""Filters on images, and how results are grouped."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal


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
        ids: any of these images.
    """

    cameras: Collection[str] = ()
    tracks: Collection[str] = ()
    captured_after: datetime | None = None
    captured_before: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    exclude_ids: Collection[str] = ()
    exclude_cameras: Collection[str] = ()
    exclude_media: Collection[str] = ()
    ids: Collection[str] = ()


SEVERAL = ("cameras", "tracks", "exclude_ids", "exclude_cameras", "exclude_media", "ids")
"""The conditions that take several texts."""
TIMES = ("captured_after", "captured_before")


def to_plain(where: Filter) -> dict[str, Any]:
    """The filter as plain JSON values; equal filters give equal values.

    >>> to_plain(Filter(cameras={"b", "a"}))["cameras"]
    ['a', 'b']
    """
    times = {name: getattr(where, name) for name in TIMES}
    return {
        **{name: sorted(set(getattr(where, name))) for name in SEVERAL},
        **{name: at and at.isoformat() for name, at in times.items()},
        "attributes": dict(where.attributes),
    }


def from_plain(plain: Mapping[str, Any]) -> Filter:
    """The filter of to_plain.

    Raises:
        KeyError, ValueError, TypeError: the values are not those of a filter.
    """
    conditions: dict[str, Any] = {name: frozenset(plain[name]) for name in SEVERAL}
    for name in TIMES:
        conditions[name] = datetime.fromisoformat(plain[name]) if plain[name] else None
    return Filter(**conditions, attributes=dict(plain["attributes"]))


def require_several(where: Filter) -> None:
    """Raise TypeError if a condition that takes several texts is a single string.

    Python would iterate over its letters.
    """
    for name in SEVERAL:
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
