"""Decodes changes of images' metadata."""

from collections.abc import Sequence
from typing import cast, get_args

from partlens.common.metadata import Metadata
from partlens.server.errors import RequestError
from partlens.server.messages.decoding_filters import time
from partlens.server.messages.decoding_images import image_id
from partlens.server.requests.image_changes import ImageChange, Part
from partlens.v1 import gallery_service_pb2 as pb

_OF_METADATA = ("camera", "track", "captured_at", "attributes")
_PATHS = ("metadata", *(f"metadata.{name}" for name in _OF_METADATA), "uri")


def changes(request: pb.UpdateImagesRequest) -> Sequence[ImageChange]:
    """The changes of a request.

    Raises:
        RequestError: there are none, one is invalid, or an id is given twice.
    """
    if not request.updates:
        raise RequestError("updates", "none given; give at least one update")
    found, seen = list[ImageChange](), dict[str, str]()
    for i, update in enumerate(request.updates):
        one = _change(update, f"updates[{i}]")
        if (earlier := seen.setdefault(one.id, one.field)) != one.field:
            raise RequestError(
                f"{one.field}.id", f"{one.id[:80]!r} is also the id of {earlier}; give each id once"
            )
        found.append(one)
    return found


def _change(message: pb.ImageUpdate, field: str) -> ImageChange:
    id, replaced = image_id(message.id, f"{field}.id"), _replaced(message, field)
    sets, removes = dict(message.set_attributes), frozenset(message.remove_attributes)
    if not (replaced or sets or removes):
        raise RequestError(
            f"{field}.update_mask",
            f"nothing to change: name some of {', '.join(_PATHS)} in it, or give set_attributes or"
            " remove_attributes",
        )
    if "attributes" in replaced and (sets or removes):
        raise RequestError(
            f"{field}.update_mask",
            "metadata.attributes replaces all attributes; leave it out to set or remove some",
        )
    if both := sorted(removes & sets.keys()):
        raise RequestError(
            f"{field}.remove_attributes", f"{both[0][:80]!r} is to be set too; give it once"
        )
    given = message.metadata
    return ImageChange(
        id,
        replaced,
        Metadata(
            given.camera,
            given.track,
            time(given, "captured_at", f"{field}.metadata.captured_at"),
            dict(given.attributes),
        ),
        message.uri,
        sets,
        removes,
        message.expected_revision if message.HasField("expected_revision") else None,
        field,
    )


def _replaced(message: pb.ImageUpdate, field: str) -> frozenset[Part]:
    found = set[Part]()
    for i, path in enumerate(message.update_mask.paths):
        if path not in _PATHS:
            raise RequestError(
                f"{field}.update_mask.paths[{i}]",
                f"{path[:80]!r} cannot be updated; allowed are {', '.join(_PATHS)}",
            )
        names = _OF_METADATA if path == "metadata" else (path.removeprefix("metadata."),)
        found.update(cast("Part", name) for name in names if name in get_args(Part))
    return frozenset(found)
