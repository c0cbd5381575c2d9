"""Metadata of an image, and the limits that a gallery sets on it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

EARLIEST = datetime(1, 1, 2, tzinfo=UTC)
LATEST = datetime(9999, 12, 30, 23, 59, 59, 999999, tzinfo=UTC)
"""A day inside the years 1 to 9999, so that every zone can show the time."""
MAX_TEXT = 4096
"""Maximum characters in a camera, a track, a uri, or the name or value of an attribute."""
MAX_ATTRIBUTES = 256
MAX_BYTES = 65536
"""Maximum size of all these texts of an image together, in UTF-8."""

# Control characters, and lone surrogates, which UTF-8 cannot encode.
_NOT_IN_NAMES = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_NOT_IN_VALUES = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")


class MetadataError(ValueError):
    """A field of an image's metadata that no gallery can hold.

    Attributes:
        field: its name: camera, track, captured_at, uri or attributes.
        problem: what was given and what is allowed.
    """

    def __init__(self, field: str, problem: str) -> None:
        self.field, self.problem = field, problem
        super().__init__(f"{field}: {problem}")


@dataclass(frozen=True)
class Metadata:
    """Metadata that a camera or an archive gives for an image; an empty text means unknown.

    Attributes:
        camera: the camera that took it.
        track: a track or identity; all its images show the same subject.
        captured_at: capture time with its time zone; None if unknown.
        attributes: anything else, by name.
    """

    camera: str = ""
    track: str = ""
    captured_at: datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)


def require_metadata(metadata: Metadata, uri: str = "") -> None:
    """Raise MetadataError unless a gallery can hold this; every way in uses this check."""
    require_name("camera", metadata.camera)
    require_name("track", metadata.track)
    require_name("uri", uri)
    require_time("captured_at", metadata.captured_at)
    if len(metadata.attributes) > MAX_ATTRIBUTES:
        raise MetadataError(
            "attributes", f"{len(metadata.attributes)} given; at most {MAX_ATTRIBUTES} are allowed"
        )
    for name, value in metadata.attributes.items():
        if not name:
            raise MetadataError("attributes", "one has an empty name; give it a name")
        require_name("attributes", name)
        _require_text(f"attributes[{name[:80]!r}]", value, _NOT_IN_VALUES)
    size = sum(len(text.encode()) for text in (uri, *_texts(metadata)))
    if size > MAX_BYTES:
        raise MetadataError(
            "attributes",
            f"with uri, camera and track they have {size} bytes; at most {MAX_BYTES} are allowed",
        )


def require_name(field: str, text: str) -> None:
    """Raise MetadataError unless the text is valid as a camera, track, uri or attribute name."""
    _require_text(field, text, _NOT_IN_NAMES)


def require_time(field: str, at: datetime | None) -> None:
    """Raise MetadataError unless this is a valid capture time."""
    if at is None:
        return
    if at.utcoffset() is None:
        raise MetadataError(field, f"{at.isoformat()} has no time zone; give one")
    if not EARLIEST <= at <= LATEST:
        raise MetadataError(
            field,
            f"{at.isoformat()} is out of range; {EARLIEST.isoformat()} to {LATEST.isoformat()} is"
            " allowed; leave it out if the time is unknown",
        )


def _require_text(field: str, text: str, forbidden: re.Pattern[str]) -> None:
    if len(text) > MAX_TEXT:
        raise MetadataError(
            field, f"{text[:40]!r}... has {len(text)} characters; at most {MAX_TEXT} are allowed"
        )
    if found := forbidden.search(text):
        raise MetadataError(
            field,
            f"{text[:80]!r} has the character {found[0]!r}; control characters and halves of"
            " surrogate pairs are not allowed: remove it",
        )


def _texts(metadata: Metadata) -> Iterator[str]:
    yield from (metadata.camera, metadata.track)
    for name, value in metadata.attributes.items():
        yield from (name, value)
