"""Any metadata through the service: refused with a reason, or read back by every method."""

import json
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta

import pytest
from any_metadata import Known, allowed, anything, one_field
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from served import Served, picture

from partlens.client import (
    Box,
    Client,
    Filter,
    GalleryImageId,
    QueryRegion,
    Upload,
    UpsertAnswer,
    encoding,
)
from partlens.ingest.errors import EntryError
from partlens.ingest.event import read
from partlens.server.messages import decoding

REGION = QueryRegion(Box(5, 5, 20, 30))
any_known = st.one_of(one_field, anything)


@pytest.fixture(scope="module")
def client(served: Served) -> Iterator[Client]:
    with Client(served.target) as connected:
        yield connected
        connected.delete_images(["any"])


def upsert(client: Client, known: Known) -> UpsertAnswer | None:
    """None where the client itself refuses what no message can hold."""
    with suppress(ValueError):
        upload = Upload("any", picture(77), known.uri, known.metadata())
        (answer,) = client.upsert_images([upload])
        return answer
    return None


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(known=any_known)
def test_an_upload_is_refused_or_read_back(client: Client, known: Known) -> None:
    client.delete_images(["any"])
    answer = upsert(client, known)
    if not allowed(known):
        assert answer is None or answer.reason == "FIELD_INVALID"
        assert "any" not in [one.id for one in client.list_images()]
        return
    assert answer is not None and answer.committed and not answer.replaced, answer
    wanted = known.metadata()
    image, _ = client.get_image("any")
    (listed,) = (one for one in client.list_images() if one.id == "any")
    assert image == listed and (image.uri, image.metadata) == (known.uri, wanted)
    for where in conditions(known):
        answered = client.search_regions([GalleryImageId("any")], [REGION], where=where)
        assert [(hit.id, hit.image.metadata) for hit in answered.hits] == [("any", wanted)]
    for by, value in groups(known):
        answered = client.search_regions([GalleryImageId("any")], [REGION], group_by=by)
        assert {hit.id: hit.group for hit in answered.hits}["any"] == value
    again = upsert(client, known)
    assert again is not None and again.replaced


def conditions(known: Known) -> Iterator[Filter]:
    """Those that the image meets; the other images of the gallery have no metadata."""
    if known.camera:
        yield Filter(cameras=[known.camera])
    if known.track:
        yield Filter(tracks=[known.track])
    if known.captured_at is not None:
        yield Filter(captured_after=known.captured_at)
        yield Filter(captured_before=known.captured_at + timedelta(microseconds=1))
    if known.attributes:
        yield Filter(attributes=known.attributes)


def groups(known: Known) -> Iterator[tuple[str, str]]:
    yield "camera", known.camera
    yield "track", known.track
    for name, text in list(known.attributes.items())[:2]:
        yield f"attribute:{name}", text


@settings(max_examples=150)
@given(known=any_known)
def test_an_event_of_the_stream_is_refused_or_the_same_upload(known: Known) -> None:
    at = None if known.captured_at is None else known.captured_at.isoformat()
    event = {**known._asdict(), "captured_at": at, "id": "any"}
    fields = {b"event": json.dumps(event).encode(), b"image": b"..."}
    if allowed(known):
        upload = decoding.upload(encoding.upload(read(fields)))
        assert (upload.uri, upload.id) == (known.uri, "any")
        assert upload.metadata == known.metadata()
    else:
        with pytest.raises(EntryError):
            read(fields)
