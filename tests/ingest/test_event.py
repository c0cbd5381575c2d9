"""An event is what its JSON schema says, and nothing else."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from partlens.common.metadata import Metadata
from partlens.ingest.errors import EntryError
from partlens.ingest.event import IngestEvent, read

SCHEMA = json.loads(
    (Path(__file__).parents[2] / "docs/ingest-event.schema.json").read_text(encoding="utf-8")
)
FULL = {
    "format": 1,
    "id": "gate/17-3",
    "camera": "gate",
    "track": "17",
    "captured_at": "2026-05-01T12:00:00.25+02:00",
    "uri": "https://frigate.example/events/17",
    "attributes": {"label": "person", "zone": "driveway"},
}
GOOD: list[Any] = [FULL, {"id": "a"}, {"id": "a", "captured_at": None}, {"id": "a" * 512}]
BAD: list[Any] = [
    {},
    [],
    "a",
    None,
    {"id": ""},
    {"id": 7},
    {"id": None},
    {"id": "a" * 513},
    {"id": "a", "format": 2},
    {"id": "a", "camera": 3},
    {"id": "a", "camera": "c" * 4097},
    {"id": "a", "path": "/etc/passwd"},
    {"id": "a", "captured_at": "yesterday"},
    {"id": "a", "captured_at": 1_700_000_000},
    {"id": "a", "captured_at": "2026-05-01T12:00:00"},
    {"id": "a", "attributes": {"score": 0.5}},
    {"id": "a", "attributes": ["zone"]},
    {"id": "a", "attributes": {str(n): "" for n in range(257)}},
]


def entry(event: object) -> dict[bytes, bytes]:
    return {b"event": json.dumps(event).encode(), b"image": b"picture"}


@pytest.mark.parametrize("event", GOOD, ids=repr)
def test_what_the_schema_allows_is_read(event: dict[str, Any]) -> None:
    jsonschema.validate(event, SCHEMA, format_checker=jsonschema.FormatChecker())
    upload = read(entry(event))
    assert (upload.id, upload.data) == (event["id"], b"picture")


@pytest.mark.parametrize("event", BAD, ids=lambda event: repr(event)[:60])
def test_what_the_schema_forbids_is_refused(event: Any) -> None:
    # A time is text to the schema alone; its form is checked where a format checker is there.
    if not (isinstance(event, dict) and isinstance(event.get("captured_at"), str)):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(event, SCHEMA)
    with pytest.raises(EntryError, match="malformed event"):
        read(entry(event))


def test_every_field_arrives() -> None:
    upload = read(entry(FULL))
    at = datetime(2026, 5, 1, 10, 0, 0, 250_000, UTC)
    assert upload.metadata == Metadata("gate", "17", at, {"label": "person", "zone": "driveway"})
    assert (upload.id, upload.uri, upload.data) == (FULL["id"], FULL["uri"], b"picture")
    event = IngestEvent.model_validate_json(json.dumps(FULL))
    assert IngestEvent.model_validate_json(event.to_json()) == event


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({b"image": b""}, "no field 'event'"),
        ({b"event": b"{}"}, "no field 'image'"),
        ({b"event": b"{", b"image": b""}, "malformed event"),
        ({b"event": b"\xff", b"image": b""}, "malformed event"),
        ({b"event": b'{"id": "\\ud800"}', b"image": b""}, "malformed event"),
        ({b"event": b'{"id": "a", "id": "b"}', b"image": b""}, "key 'id' comes twice"),
        (
            {b"event": b'{"id": "a", "attributes": {"x": "1", "x": "2"}}', b"image": b""},
            "key 'x' comes twice",
        ),
        (entry({"id": "a", "captured_at": "1777000000"}), "cannot be used: captured_at"),
        (entry({"id": "a", "captured_at": "1777000000000"}), "cannot be used: captured_at"),
        (entry({"id": "a", "captured_at": "0001-01-01T00:00:00+14:00"}), "cannot be used"),
    ],
)
def test_an_entry_that_is_none_says_what_is_wrong(fields: dict[bytes, bytes], words: str) -> None:
    with pytest.raises(EntryError, match=words):
        read(fields)
