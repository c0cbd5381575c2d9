"""Updates of images' metadata, as messages and back."""

from collections.abc import Sequence

from google.protobuf.field_mask_pb2 import FieldMask

from partlens.client import checks
from partlens.client.answers import UpdateAnswer
from partlens.client.errors import RequestError
from partlens.client.filter_messages import moment
from partlens.client.questions import ImageUpdate
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb

_PATHS = {
    "camera": "metadata.camera",
    "track": "metadata.track",
    "captured_at": "metadata.captured_at",
    "attributes": "metadata.attributes",
    "uri": "uri",
}


def to_update(updates: Sequence[ImageUpdate]) -> pb.UpdateImagesRequest:
    """The message that updates images.

    Raises:
        RequestError: an update cannot be sent, or changes nothing.
    """
    listed = enumerate(checks.several("updates", updates))
    return pb.UpdateImagesRequest(updates=[_update(one, f"updates[{i}]") for i, one in listed])


def answer(message: pb.UpdateImagesResponse) -> UpdateAnswer:
    """What became of the updates."""
    return UpdateAnswer(
        message.gallery_version,
        message.updated,
        message.unchanged,
        list(message.unknown_ids),
        list(message.stale_ids),
    )


def _update(value: ImageUpdate, name: str) -> pb.ImageUpdate:
    if not isinstance(value, ImageUpdate):
        raise RequestError(f"{name} must be an ImageUpdate, not {checks.shown(value)}", name)
    cleared = {
        checks.choice(f"{name}.clear", one, _PATHS)
        for one in checks.several(f"{name}.clear", value.clear)
    }
    attributes = checks.pairs(f"{name}.attributes", value.attributes)
    given = {
        key: checks.text(f"{name}.{key}", text)
        for key in ("camera", "track", "uri")
        if (text := getattr(value, key)) is not None
    }
    at = moment(f"{name}.captured_at", value.captured_at)
    parts = cleared | given.keys() | ({"captured_at"} if at else set())
    removed = checks.texts(f"{name}.remove_attributes", value.remove_attributes)
    if not (parts or attributes or removed):
        raise RequestError(f"{name} changes nothing; give it a new value, or leave it out", name)
    replaces = "attributes" in cleared
    revision = value.expected_revision
    return pb.ImageUpdate(
        id=checks.text(f"{name}.id", value.id),
        metadata=image_pb.ImageMetadata(
            camera=given.get("camera", ""),
            track=given.get("track", ""),
            captured_at=at,
            attributes=attributes if replaces else {},
        ),
        uri=given.get("uri", ""),
        update_mask=FieldMask(paths=[path for part, path in _PATHS.items() if part in parts]),
        set_attributes={} if replaces else attributes,
        remove_attributes=removed,
        expected_revision=None
        if revision is None
        else checks.whole(f"{name}.expected_revision", revision, bits=64),
    )
