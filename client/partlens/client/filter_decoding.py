"""Filters from protobuf messages."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from partlens.common.filters import BOUNDS, DEEPEST, NESTED, Exists, Filter, Range, Wanted, is_empty
from partlens.v1 import image_pb2 as pb

_MEDIA_DIGEST = re.compile("sha256:[0-9a-f]{64}")


class ConditionError(ValueError):
    """A condition that makes no sense.

    Attributes:
        field: its path in the request.
        description: what was given, what is allowed and what to do.
    """

    def __init__(self, field: str, description: str) -> None:
        self.field, self.description = field, description
        super().__init__(f"{field}: {description}")


def filter_of(message: pb.Filter, field: str = "filter", depth: int = 1) -> Filter:
    """A filter, with the filters inside it.

    Args:
        field: its path in the request, for errors.
        depth: number of filters around it, counting itself.

    Raises:
        ConditionError: a condition is invalid, or filters are nested too deeply.
    """
    if depth > DEEPEST:
        raise ConditionError(field, f"{depth} filters inside each other; at most {DEEPEST} fit")
    attributes, repeated = _attributes(message, f"{field}.attribute_conditions")
    inside = {
        name: tuple(
            _nested(one, f"{field}.{name}[{i}]", depth)
            for i, one in enumerate(getattr(message, name))
        )
        for name in NESTED
    }
    # An attribute with a second condition has it in a filter of its own.
    if repeated and depth == DEEPEST:
        name = next(iter(repeated[0].attributes))
        raise ConditionError(
            f"{field}.attribute_conditions",
            f"{name[:80]!r} has two conditions, which are two filters; at most {DEEPEST} fit inside"
            " each other",
        )
    inside["all_of"] = (*inside["all_of"], *repeated)
    return Filter(
        cameras=frozenset(message.cameras),
        tracks=frozenset(message.tracks),
        captured_after=time(message, "captured_after", f"{field}.captured_after"),
        captured_before=time(message, "captured_before", f"{field}.captured_before"),
        attributes=attributes,
        exclude_ids=frozenset(message.exclude_ids),
        exclude_cameras=frozenset(message.exclude_cameras),
        exclude_media=_media_digests(message.exclude_media_digests, field),
        ids=frozenset(message.ids),
        **inside,
    )


def time(message: Message, name: str, field: str) -> datetime | None:
    """The time of a field; None if it is not set.

    Raises:
        ConditionError: it is outside the years 1 to 9999.
    """
    if not message.HasField(name):
        return None
    stamp: Timestamp = getattr(message, name)
    try:
        return stamp.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError) as error:
        raise ConditionError(field, "the time must be within the years 1 to 9999") from error


def _nested(message: pb.Filter, field: str, depth: int) -> Filter:
    found = filter_of(message, field, depth + 1)
    if is_empty(found):
        raise ConditionError(field, "the filter has no condition; leave it out, or give it one")
    return found


def _attributes(message: pb.Filter, field: str) -> tuple[Mapping[str, Wanted], Sequence[Filter]]:
    """What each attribute must be, and filters with further conditions on the same attributes."""
    first, repeated = dict[str, Wanted](message.attributes), list[Filter]()
    for i, one in enumerate(message.attribute_conditions):
        path = f"{field}[{i}]"
        if not one.name:
            raise ConditionError(f"{path}.name", "it is empty; name an attribute")
        wanted = _wanted(one, path)
        if one.name in first:
            repeated.append(Filter(attributes={one.name: wanted}))
        else:
            first[one.name] = wanted
    return first, repeated


def _wanted(message: pb.AttributeCondition, field: str) -> Wanted:
    match message.WhichOneof("test"):
        case "any":
            if not message.any.values:
                raise ConditionError(f"{field}.any.values", "none given; give at least one text")
            return frozenset(message.any.values)
        case "numbers":
            numbers = message.numbers
            return _range(numbers, f"{field}.numbers", lambda name: getattr(numbers, name))
        case "times":
            times, path = message.times, f"{field}.times"
            return _range(times, path, lambda name: time(times, name, f"{path}.{name}"))
        case "exists":
            return Exists()
        case _:
            raise ConditionError(
                field, "it has no test that this server knows; give any, numbers, times or exists"
            )


def _range(message: Message, field: str, bound: Callable[[str], float | datetime | None]) -> Range:
    try:
        return Range(**{name: bound(name) for name in BOUNDS if message.HasField(name)})
    except ConditionError:
        raise
    except (ValueError, TypeError) as error:
        raise ConditionError(field, str(error)) from error


def _media_digests(given: Sequence[str], field: str) -> frozenset[str]:
    for i, digest in enumerate(given):
        if not _MEDIA_DIGEST.fullmatch(digest):
            raise ConditionError(
                f"{field}.exclude_media_digests[{i}]",
                f"{digest[:80]!r} is not a media digest: sha256: and 64 lower-case hexadecimal"
                " digits",
            )
    return frozenset(given)
