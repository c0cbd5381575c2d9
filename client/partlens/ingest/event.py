"""The event that a detector sends to the ingest stream along with a picture."""

import re
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from partlens.client import Upload
from partlens.common import strict_json
from partlens.common.ids import MAX_ID, IdError, require_id
from partlens.common.metadata import (
    MAX_ATTRIBUTES,
    MAX_TEXT,
    Metadata,
    MetadataError,
    require_metadata,
)
from partlens.ingest.errors import EntryError

EVENT, IMAGE = "event", "image"
"""Names of the two fields of an entry: the event as JSON, and the encoded picture as bytes."""

Text = Annotated[str, Field(max_length=MAX_TEXT)]


class IngestEvent(BaseModel):
    """Metadata of one detected picture: the `event` field of an entry, as JSON."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )

    format: Literal[1] = 1
    """Version of this format."""
    id: Annotated[str, Field(min_length=1, max_length=MAX_ID)]
    """Id of the image in the gallery. If you send a picture again, give it the same id: it then \
replaces the image instead of adding a second one."""
    camera: Text = ""
    """The camera that took it."""
    track: Text = ""
    """The tracked object: images of one track show the same subject."""
    captured_at: AwareDatetime | None = None
    """Capture time, in RFC 3339 with a time zone."""
    uri: Text = ""
    """Location of the original."""
    attributes: Annotated[dict[Text, Text], Field(max_length=MAX_ATTRIBUTES)] = {}
    """Anything else to filter by, such as label, zone or score."""

    def to_json(self) -> str:
        """The event as a detector sends it, without defaults."""
        return self.model_dump_json(exclude_defaults=True)

    def require_usable(self) -> None:
        """Raise EntryError unless a gallery can hold an image with this id and metadata."""
        try:
            require_id(self.id)
            require_metadata(self.metadata, self.uri)
        except (IdError, MetadataError) as error:
            raise EntryError(f"has an event that cannot be used: {error}") from error

    @property
    def metadata(self) -> Metadata:
        """The metadata of the image."""
        return Metadata(self.camera, self.track, self.captured_at, self.attributes)

    def upload(self, picture: bytes) -> Upload:
        """The picture as a client uploads it."""
        return Upload(self.id, picture, self.uri, self.metadata)


def read(fields: dict[bytes, bytes]) -> Upload:
    """Convert an entry of the stream to an upload.

    Raises:
        EntryError: a field is missing, or the event is malformed.
    """
    for name in (EVENT, IMAGE):
        if name.encode() not in fields:
            raise EntryError(f"has no field {name!r}; an entry needs {EVENT!r} and {IMAGE!r}")
    text = fields[EVENT.encode()]
    try:
        event = IngestEvent.model_validate_json(text)
        _require_plain(strict_json.loads(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(str(part) for part in first["loc"]) or "all of it"
        raise EntryError(f"has a malformed event: {place}: {first['msg']}") from error
    except (ValueError, RecursionError) as error:
        raise EntryError(f"has an event that cannot be used: {error}") from error
    event.require_usable()
    return event.upload(fields[IMAGE.encode()])


def _require_plain(event: dict[str, Any]) -> None:
    # pydantic reads digits as seconds or milliseconds, depending on the size of the number.
    at = event.get("captured_at")
    if isinstance(at, str) and not re.match(r"\d{4}-\d\d-\d\d", at, re.ASCII):
        raise ValueError(f"captured_at {at!r}; write it like 2026-05-01T12:00:00+02:00")


def json_schema() -> dict[str, Any]:
    """docs/ingest-event.schema.json: JSON Schema 2020-12 of an event."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **IngestEvent.model_json_schema(),
    }
