"""What a kind of message may hold: which fields are repeated, and how often."""

from dataclasses import dataclass
from functools import cached_property
from typing import cast

from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message import Message

from partlens.runtime.config.sections import LimitsSection

_MAP_KINDS = 3
_OF_IMAGES = 10_000
"""Attributes, or names of fields, of all images in one request. An upload with more than
MAX_ATTRIBUTES is refused and its stream goes on; above this the stream ends."""

MOST: dict[str, str | int] = {
    "CreateStandingQueryRequest.images": "query_images",
    "CreateStandingQueryRequest.marks": "marks",
    "CreateStandingQueryRequest.regions": "regions",
    "DeleteImagesRequest.ids": "delete_ids",
    "DescribeQueryRequest.regions": "regions",
    "ExplainPairRequest.regions": "regions",
    "FieldMask.paths": _OF_IMAGES,
    "Filter.all_of": "nested_filters",
    "Filter.any_of": "nested_filters",
    "Filter.attribute_conditions": "filter_attributes",
    "Filter.attributes": "filter_attributes",
    "Filter.cameras": "filter_values",
    "Filter.exclude_cameras": "filter_values",
    "Filter.exclude_ids": "exclude_ids",
    "Filter.exclude_media_digests": "exclude_ids",
    "Filter.ids": "exclude_ids",
    "Filter.none_of": "nested_filters",
    "Filter.tracks": "filter_values",
    "ImageMetadata.attributes": _OF_IMAGES,
    "ImageUpdate.remove_attributes": _OF_IMAGES,
    "ImageUpdate.set_attributes": _OF_IMAGES,
    "PairSelection.positions": "pairs",
    "Polygon.points": "corners",
    "SearchRegionsRequest.images": "query_images",
    "SearchRegionsRequest.maps": _MAP_KINDS,
    "SearchRegionsRequest.marks": "marks",
    "SearchRegionsRequest.regions": "regions",
    "TextList.values": "filter_values",
    "UpdateImagesRequest.updates": "update_images",
    "WatchMatchesRequest.standing_query_ids": "watched_queries",
}
"""The limit of every repeated field of a request: a setting of section limits, or a number. It
holds for the whole message: for the corners of all its polygons together, and for a filter with all
filters inside it."""


@dataclass(frozen=True, eq=False)
class Field:
    """A field of a message.

    Attributes:
        name: its path in the request, such as "regions.region.polygon.points".
        most: most values in one request; None if it is not repeated.
        setting: name of that limit, such as "limits.regions"; "" if it is fixed.
        packed: bytes of a packed value; 0 for a varint, None if it is never packed.
        binary: whether it is an encoded picture or mask.
        inside: fields of the message that it holds, if any of them must be looked at. A message
            that may hold messages of its own kind has one shape at every depth.
    """

    name: str
    most: int | None
    setting: str
    packed: int | None
    binary: bool
    inside: "Shape | None"


@dataclass(frozen=True, eq=False)
class Shape:
    """Fields of a message by number."""

    fields: dict[int, Field]

    @cached_property
    def matters(self) -> bool:
        """Whether any of them, or of those inside them, is repeated or binary."""
        fields = self.fields.values()
        return any(one.most is not None or one.binary or one.inside for one in fields)


def shape_of(message: type[Message], limits: LimitsSection) -> Shape:
    """The shape of a kind of request.

    Raises:
        KeyError: a repeated field has no limit in MOST.
    """
    return _shape(cast("Descriptor", message.DESCRIPTOR), limits, "", {})


def _shape(
    message: Descriptor, limits: LimitsSection, path: str, around: dict[str, Shape]
) -> Shape:
    """The shape of a message.

    Args:
        path: path of the message in the request.
        around: shapes of the messages around it, which may be incomplete, by name.
    """
    shape = Shape({})
    around = {**around, message.full_name: shape}
    for one in message.fields:
        shape.fields[one.number] = _field(message, one, limits, path, around)
    return shape


def _field(
    message: Descriptor,
    field: FieldDescriptor,
    limits: LimitsSection,
    path: str,
    around: dict[str, Shape],
) -> Field:
    name, setting, packed = f"{path}{field.name}", "", None
    most: int | None = None
    if field.is_repeated:
        limit = MOST[f"{message.name}.{field.name}"]
        if isinstance(limit, str):
            limit, setting = getattr(limits, limit), f"limits.{limit}"
        most, packed = limit, _PACKED.get(field.type) if field.is_packed else None
    return Field(
        name,
        most,
        setting,
        packed,
        field.type == FieldDescriptor.TYPE_BYTES,
        _inside(field, limits, name, around),
    )


def _inside(
    field: FieldDescriptor, limits: LimitsSection, name: str, around: dict[str, Shape]
) -> Shape | None:
    if field.message_type is None:
        return None
    if (same := around.get(field.message_type.full_name)) is not None:
        return same
    held = _shape(field.message_type, limits, f"{name}.", around)
    return held if held.matters else None


_PACKED = {
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_DOUBLE, FieldDescriptor.TYPE_FIXED64, FieldDescriptor.TYPE_SFIXED64
        ),
        8,
    ),
    **dict.fromkeys(
        (FieldDescriptor.TYPE_FLOAT, FieldDescriptor.TYPE_FIXED32, FieldDescriptor.TYPE_SFIXED32),
        4,
    ),
    **dict.fromkeys(
        (
            FieldDescriptor.TYPE_BOOL, FieldDescriptor.TYPE_ENUM, FieldDescriptor.TYPE_INT32,
            FieldDescriptor.TYPE_INT64, FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64,
            FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64,
        ),
        0,
    ),
}  # fmt: skip
