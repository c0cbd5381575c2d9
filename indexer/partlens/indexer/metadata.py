"""What is known of an image besides its pixels, what of that a gallery can hold, and conditions."""

import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from partlens.indexer.errors import InvalidMetadataError

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC)
"""A day inside the years 1 to 9999, so that every zone can show the time."""
MAX_TEXT = 4096
"""Characters of a camera, a track, a uri, or the name or value of an attribute."""
MAX_ATTRIBUTES = 256
MAX_BYTES = 65536
"""Of all these texts of an image together, in UTF-8."""

# Control characters, and halves of surrogate pairs, which UTF-8 cannot encode.
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


@dataclass(frozen=True)
class Metadata:
    """What a camera or an archive says of an image; an empty text means unknown.

    Attributes:
        camera: which camera took it.
        track: a track or identity within which images show the same subject.
        captured_at: with its time zone; None where unknown.
        attributes: anything else, by name.

    Raises:
        ValueError: captured_at has no time zone. What else a gallery refuses, require_metadata
            says.
    """

    camera: str = ""
    track: str = ""
    captured_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.captured_at is not None and self.captured_at.utcoffset() is None:
            raise ValueError(f"captured_at {self.captured_at} has no time zone; give one")


@dataclass(frozen=True)
class Stated:
    """Which fields a source states: of the others it knows nothing, and must not erase them.

    Attributes:
        id: the source names the image itself; otherwise its id is derived from its place.
        camera, track, captured_at: a field that is stated and empty is cleared.
        attributes: names of those that are stated; one without a value is removed.
    """

    id: bool = False
    camera: bool = False
    track: bool = False
    captured_at: bool = False
    attributes: Set[str] = frozenset()

    def over(self, said: Metadata, known: Metadata) -> Metadata:
        """What is known of an image after a source has said something new of it."""
        kept = {key: text for key, text in known.attributes.items() if key not in self.attributes}
        return Metadata(
            said.camera if self.camera or said.camera else known.camera,
            said.track if self.track or said.track else known.track,
            said.captured_at if self.captured_at or said.captured_at else known.captured_at,
            {**kept, **said.attributes},
        )


NOTHING_STATED = Stated()


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


def require_metadata(metadata: Metadata, uri: str = "") -> None:
    """Raise InvalidMetadataError unless a gallery can hold this; the same for every way in."""
    require_name("camera", metadata.camera)
    require_name("track", metadata.track)
    require_name("uri", uri)
    require_time("captured_at", metadata.captured_at)
    if len(metadata.attributes) > MAX_ATTRIBUTES:
        raise InvalidMetadataError(
            "attributes", f"{len(metadata.attributes)} given; at most {MAX_ATTRIBUTES} are allowed"
        )
    for name, value in metadata.attributes.items():
        if not name:
            raise InvalidMetadataError("attributes", "one has an empty name; give it a name")
        require_name("attributes", name)
        _require_text(f"attributes[{name[:80]!r}]", value, _NOT_IN_VALUES)
    size = sum(len(text.encode()) for text in (uri, *_texts(metadata)))
    if size > MAX_BYTES:
        raise InvalidMetadataError(
            "attributes",
            f"with uri, camera and track they have {size} bytes; at most {MAX_BYTES} are allowed",
        )


def require_name(field: str, text: str) -> None:
    """Raise InvalidMetadataError unless a text can be a camera, track, uri or attribute's name."""
    _require_text(field, text, _NOT_IN_NAMES)


def require_time(field: str, at: datetime | None) -> None:
    """Raise InvalidMetadataError unless an image can have been captured at this time."""
    if at is not None and not EARLIEST <= at <= LATEST:
        raise InvalidMetadataError(
            field,
            f"{at.isoformat()} is out of range; {EARLIEST.isoformat()} to {LATEST.isoformat()} is"
            " allowed: leave it out where the time is unknown",
        )


def _require_text(field: str, text: str, forbidden: re.Pattern[str]) -> None:
    if len(text) > MAX_TEXT:
        raise InvalidMetadataError(
            field, f"{text[:40]!r}... has {len(text)} characters; at most {MAX_TEXT} are allowed"
        )
    if found := forbidden.search(text):
        raise InvalidMetadataError(
            field,
            f"{text[:80]!r} has the character {found[0]!r}; control characters and halves of"
            " surrogate pairs are not allowed: remove it",
        )


def _texts(metadata: Metadata) -> Iterator[str]:
    yield from (metadata.camera, metadata.track)
    for name, value in metadata.attributes.items():
        yield from (name, value)
