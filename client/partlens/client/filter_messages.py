"""Filters as protobuf messages. Checks the types of values, as checks.py does."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp

from partlens.client import checks
from partlens.client.errors import RequestError
from partlens.common.filters import DEEPEST, NESTED, Exists, Filter, Range, is_empty
from partlens.v1 import image_pb2 as pb


def filter_message(value: Filter, name: str = "where", depth: int = 1) -> pb.Filter:
    """A filter, with the filters inside it.

    Args:
        name: name to use in errors.
        depth: number of filters around it, counting itself.

    Raises:
        RequestError: a value has the wrong type, or filters are nested too deeply.
    """
    if not isinstance(value, Filter):
        hint = "; for a text, use parse_where(text)" if isinstance(value, str) else ""
        raise RequestError(f"{name} must be a Filter, not {checks.shown(value)}{hint}", name)
    if depth > DEEPEST:
        raise RequestError(f"{name} is inside {depth - 1} filters; at most {DEEPEST} fit", name)
    texts, conditions = _attributes(f"{name}.attributes", value.attributes)
    return pb.Filter(
        cameras=_texts(f"{name}.cameras", value.cameras),
        tracks=_texts(f"{name}.tracks", value.tracks),
        captured_after=moment(f"{name}.captured_after", value.captured_after),
        captured_before=moment(f"{name}.captured_before", value.captured_before),
        attributes=texts,
        exclude_ids=_texts(f"{name}.exclude_ids", value.exclude_ids),
        exclude_cameras=_texts(f"{name}.exclude_cameras", value.exclude_cameras),
        exclude_media_digests=_texts(f"{name}.exclude_media", value.exclude_media),
        ids=_texts(f"{name}.ids", value.ids),
        attribute_conditions=conditions,
        **{one: list(_nested(f"{name}.{one}", getattr(value, one), depth)) for one in NESTED},
    )


def require_possible(message: pb.Filter, name: str = "where") -> None:
    """Raise RequestError if no image can pass, as the bounds of the capture time are swapped."""
    after, before = message.captured_after, message.captured_before
    if message.HasField("captured_after") and message.HasField("captured_before"):
        if after.ToNanoseconds() >= before.ToNanoseconds():
            raise RequestError(
                f"{name}.captured_after is {after.ToJsonString()}, not before captured_before,"
                f" {before.ToJsonString()}: no image can match; swap them",
                f"{name}.captured_after",
            )
    for kind in NESTED:
        for i, one in enumerate(getattr(message, kind)):
            require_possible(one, f"{name}.{kind}[{i}]")


def moment(name: str, value: datetime | None) -> Timestamp | None:
    """A time with a zone; None stays None."""
    if value is None:
        return None
    stamp = Timestamp()
    stamp.FromDatetime(checks.moment(name, value))
    return stamp


def _nested(name: str, given: Any, depth: int) -> Iterable[pb.Filter]:
    for i, one in enumerate(checks.several(name, given)):
        path = f"{name}[{i}]"
        if isinstance(one, Filter) and is_empty(one):
            raise RequestError(f"{path} is a Filter without a condition; leave it out", path)
        yield filter_message(one, path, depth + 1)


def _attributes(name: str, given: Any) -> tuple[dict[str, str], list[pb.AttributeCondition]]:
    """The attributes that must be one text, and the other conditions on attributes."""
    texts, conditions = dict[str, str](), list[pb.AttributeCondition]()
    for key, wanted in checks.mapping(name, given).items():
        attribute, path = checks.text(name, key), f"{name}[{key!r}]"
        if isinstance(wanted, str):
            texts[attribute] = checks.text(path, wanted)
        else:
            conditions.append(_condition(attribute, path, wanted))
    return texts, conditions


def _condition(name: str, path: str, wanted: Any) -> pb.AttributeCondition:
    match wanted:
        case Exists():
            return pb.AttributeCondition(name=name, exists=pb.AnyValue())
        case Range() if wanted.of_times:
            times: dict[str, Any] = wanted.bounds
            stamps = {key: moment(path, at) for key, at in times.items()}
            return pb.AttributeCondition(name=name, times=pb.TimeRange(**stamps))
        case Range():
            numbers: dict[str, Any] = wanted.bounds
            return pb.AttributeCondition(name=name, numbers=pb.NumberRange(**numbers))
        case several if checks.is_several(several):
            values = _texts(path, several)
            if not values:
                raise RequestError(f"{path} is empty; give at least one text", path)
            return pb.AttributeCondition(name=name, any=pb.TextList(values=values))
    raise RequestError(
        f"{path} must be a text, a list of texts, a Range or Exists(), not {checks.shown(wanted)}",
        path,
    )


def _texts(name: str, given: Any) -> list[str]:
    """Several texts; those of a set are sorted, so that equal filters give equal messages."""
    texts = checks.texts(name, given)
    return sorted(texts) if isinstance(given, set | frozenset) else texts
