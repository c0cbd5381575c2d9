"""UpsertImage does what a stream of one image does; a refusal is its error."""

import json
from pathlib import Path

import grpc
import pytest
from google.rpc import error_details_pb2
from tests.server.conftest import DEADLINE, LIMITS, Running, picture, upserts
from tests.server.test_bad_input import bomb, failure, reason

from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb

GOOD = upserts(1)[0]
REFUSED = {
    "no picture": (pb.UpsertImagesRequest(id="x", data=b"text"), "data"),
    "empty": (pb.UpsertImagesRequest(id="x"), "data"),
    "bomb": (pb.UpsertImagesRequest(id="x", data=bomb()), "data"),
    "large": (pb.UpsertImagesRequest(id="x", data=bytes(LIMITS.request_bytes + 1)), "data"),
    "no id": (pb.UpsertImagesRequest(data=picture(1)), "id"),
    "id": (pb.UpsertImagesRequest(id="a\nb", data=picture(1)), "id"),
    "uri": (pb.UpsertImagesRequest(id="x", data=picture(1), uri="a\0"), "uri"),
    "camera": (
        pb.UpsertImagesRequest(
            id="x", data=picture(1), metadata=image_pb.ImageMetadata(camera="c" * 5000)
        ),
        "metadata.camera",
    ),
}


def alone(request: pb.UpsertImagesRequest) -> pb.UpsertImageRequest:
    return pb.UpsertImageRequest(
        id=request.id, data=request.data, uri=request.uri, metadata=request.metadata
    )


async def test_an_image_is_added_and_replaced_as_by_a_stream(running: Running) -> None:
    first = await running.gallery.UpsertImage(alone(GOOD), timeout=DEADLINE)
    (streamed,) = await running.upload([GOOD])
    again = await running.gallery.UpsertImage(alone(GOOD), timeout=DEADLINE)
    versions = [one.committed.gallery_version for one in (first, streamed, again)]
    assert versions == sorted(set(versions))
    assert [one.committed.replaced for one in (first, streamed, again)] == [False, True, True]
    assert (first.committed.width, first.committed.height) == (40, 60)
    found = await running.gallery.GetImage(pb.GetImageRequest(id=GOOD.id), timeout=DEADLINE)
    assert (found.image.uri, found.image.metadata) == (GOOD.uri, GOOD.metadata)
    uploads = running.server.metrics.registry.get_sample_value
    assert (
        uploads("partlens_uploaded_images_total", {"gallery": "default", "result": "committed"})
        == 3
    )


@pytest.mark.parametrize(("request_", "field"), REFUSED.values(), ids=REFUSED)
async def test_a_refusal_has_the_reason_of_a_stream_and_names_the_field(
    running: Running, request_: pb.UpsertImagesRequest, field: str
) -> None:
    (streamed,) = await running.upload([request_])
    code, status = await failure(
        lambda: running.gallery.UpsertImage(alone(request_), timeout=DEADLINE)
    )
    bad = error_details_pb2.BadRequest()
    assert code == grpc.StatusCode.INVALID_ARGUMENT and status.details[1].Unpack(bad)
    assert bad.field_violations[0].field == field
    assert reason(status) == streamed.refused.reason == bad.field_violations[0].reason
    assert status.message.endswith(streamed.refused.message)


async def test_what_it_changes_is_in_the_audit_log_before_and_after(
    running: Running, tmp_path: Path
) -> None:
    await running.gallery.UpsertImage(alone(GOOD), timeout=DEADLINE)
    await failure(lambda: running.gallery.UpsertImage(alone(REFUSED["empty"][0]), timeout=DEADLINE))
    log = (tmp_path / "gallery.audit.jsonl").read_text().splitlines()
    lines = [json.loads(line) for line in log if '"UpsertImage"' in line]
    assert [(one["outcome"], one.get("committed"), one.get("refused")) for one in lines] == [
        ("BEGUN", None, None),
        ("OK", 1, 0),
        ("BEGUN", None, None),
        ("INVALID_ARGUMENT", 0, 1),
    ]
