"""What is known of an image beside its pixels, and conditions on it."""

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal


@dataclass(frozen=True)
class Metadata:
    """What a camera or an archive says of an image; an empty text means unknown.

    Attributes:
        camera: which camera took it.
        track: a track or identity within which images show the same subject.
        captured_at: with its time zone; None where unknown.
        attributes: anything else, by name.
    """

    camera: str = ""
    track: str = ""
    captured_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.captured_at is not None and self.captured_at.tzinfo is None:
            raise ValueError(f"captured_at {self.captured_at} has no time zone; give one")


@dataclass(frozen=True)
class Filter:
    """Conditions that an image must all meet; an empty one lets every image pass.

    Attributes:
        cameras, tracks: any of these.
        captured_after: at this time or later; an image of unknown time does not pass.
        captured_before: before this time; likewise.
        attributes: all of these, each with exactly this value.
        exclude_ids: none of these.
        exclude_cameras: of none of these; an image of an unknown camera passes.
    """

    cameras: Set[str] = frozenset()
    tracks: Set[str] = frozenset()
    captured_after: datetime | None = None
    captured_before: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    exclude_ids: Set[str] = frozenset()
    exclude_cameras: Set[str] = frozenset()


@dataclass(frozen=True)
class GroupBy:
    """What images are put together by: those with the same value are a group.

    An image without a value is a group of its own.

    Attributes:
        attribute: name of an attribute; "" for the column.
        column: "track" or "camera".
    """

    column: Literal["track", "camera"] = "track"
    attribute: str = ""
