"""Words that several parts share: one class each, wherever it is imported from."""

import json
from datetime import UTC, datetime

import any_filter
import numpy as np
import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

import partlens.client
import partlens.explainer
import partlens.indexer.gallery
from partlens.client import encoding
from partlens.client.errors import RequestError
from partlens.client.filter_messages import filter_message
from partlens.common import filters, metadata, regions
from partlens.common.filters import Filter, Range, from_plain, require_several, to_plain
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.common.regions import Box, Mask, Point, Polygon
from partlens.server import errors
from partlens.server.messages import decoding_filters
from partlens.v1 import image_pb2 as pb


@pytest.mark.parametrize(
    ("room", "name", "parts"),
    [
        *(
            (regions, name, (partlens.client, partlens.explainer))
            for name in ("Box", "Point", "Polygon", "Mask", "Whole")
        ),
        (filters, "Filter", (partlens.client, partlens.indexer.gallery)),
        (metadata, "Metadata", (partlens.client, partlens.indexer.gallery)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_parts_export_one_class(room: object, name: str, parts: tuple[object, ...]) -> None:
    assert {getattr(part, name) for part in parts} == {getattr(room, name)}


texts = st.sets(st.text(st.characters(codec="utf-8"), min_size=1), max_size=3)
times = st.none() | st.datetimes(timezones=st.just(UTC))


digests = st.sets(st.binary(min_size=32, max_size=32).map(lambda data: f"sha256:{data.hex()}"))


@given(texts, texts, times, st.dictionaries(st.text(max_size=3), st.text(max_size=3)), digests)
def test_a_filter_arrives_as_it_was_sent(
    cameras: set[str],
    ids: set[str],
    after: datetime | None,
    attributes: dict[str, str],
    media: set[str],
) -> None:
    """Whatever collections its texts are given in."""
    sent = Filter(
        sorted(cameras),
        captured_after=after,
        attributes=attributes,
        exclude_ids=ids,
        exclude_media=media,
        ids=cameras,
    )
    request = encoding.search([], [], sent, "default", 0, "", (), False, "")
    arrived = decoding_filters.where(pb.Filter.FromString(request.filter.SerializeToString()))
    assert arrived == Filter(
        frozenset(cameras),
        frozenset(),
        after,
        attributes=attributes,
        exclude_ids=frozenset(ids),
        exclude_cameras=frozenset(),
        exclude_media=frozenset(media),
        ids=frozenset(cameras),
    )
    assert from_plain(json.loads(json.dumps(to_plain(sent)))) == arrived


@given(any_filter.filters(depth=4))
def test_a_nested_filter_arrives_as_it_was_sent(sent: Filter) -> None:
    """Client and server agree on every kind of condition, and so does what they keep as JSON."""
    message = filter_message(sent)
    arrived = decoding_filters.where(pb.Filter.FromString(message.SerializeToString()))
    assert to_plain(arrived) == to_plain(sent)
    assert filter_message(from_plain(json.loads(json.dumps(to_plain(arrived))))) == message


def nested(depth: int, kind: str = "none_of") -> Filter:
    """Filters inside each other."""
    where = Filter(cameras=["a"])
    for _ in range(depth - 1):
        where = Filter(**{kind: [where]})  # type: ignore[arg-type]
    return where


@pytest.mark.parametrize("kind", filters.NESTED)
def test_filters_are_nested_to_the_limit_and_no_deeper(kind: str) -> None:
    deepest = filter_message(nested(filters.DEEPEST, kind))
    assert decoding_filters.where(deepest)
    with pytest.raises(RequestError, match=f"at most {filters.DEEPEST} fit"):
        filter_message(nested(filters.DEEPEST + 1, kind))
    deeper = pb.Filter(**{kind: [deepest]})  # type: ignore[arg-type]
    with pytest.raises(errors.RequestError, match=f"at most {filters.DEEPEST} fit"):
        decoding_filters.where(deeper)


RED = pb.TextList(values=["red"])


@pytest.mark.parametrize(
    ("message", "field"),
    [
        (pb.Filter(any_of=[pb.Filter()]), "filter.any_of[0]"),
        (pb.Filter(none_of=[pb.Filter(any_of=[pb.Filter()])]), "filter.none_of[0].any_of[0]"),
        (
            pb.Filter(attribute_conditions=[pb.AttributeCondition(any=RED)]),
            "filter.attribute_conditions[0].name",
        ),
        (
            pb.Filter(attribute_conditions=[pb.AttributeCondition(name="hat")]),
            "filter.attribute_conditions[0]",
        ),
        (
            pb.Filter(attribute_conditions=[pb.AttributeCondition(name="h", any=pb.TextList())]),
            "filter.attribute_conditions[0].any.values",
        ),
        (
            pb.Filter(
                attribute_conditions=[
                    pb.AttributeCondition(name="h", numbers=pb.NumberRange(gt=float("nan")))
                ]
            ),
            "filter.attribute_conditions[0].numbers",
        ),
        (
            pb.Filter(
                attribute_conditions=[
                    pb.AttributeCondition(name="h", times=pb.TimeRange(gt=Timestamp(seconds=2**40)))
                ]
            ),
            "filter.attribute_conditions[0].times.gt",
        ),
        (pb.Filter(all_of=[pb.Filter(exclude_media_digests=["x"])]), "filter.all_of[0]"),
    ],
)
def test_a_condition_that_makes_no_sense_is_named(message: pb.Filter, field: str) -> None:
    with pytest.raises(errors.RequestError) as raised:
        decoding_filters.where(message)
    assert raised.value.violation.field.startswith(field)


def test_two_conditions_on_one_attribute_both_count() -> None:
    conditions = [
        pb.AttributeCondition(name="speed", numbers=pb.NumberRange(gte=1)),
        pb.AttributeCondition(name="speed", numbers=pb.NumberRange(lt=9)),
    ]
    arrived = decoding_filters.where(pb.Filter(attribute_conditions=conditions))
    assert arrived.attributes == {"speed": Range(gte=1)}
    assert arrived.all_of == (Filter(attributes={"speed": Range(lt=9)}),)


@pytest.mark.parametrize(
    ("where", "field"),
    [
        (Filter(any_of=Filter(cameras=["a"])), "where.any_of"),  # type: ignore[arg-type]
        (Filter(any_of=["a"]), "where.any_of[0]"),  # type: ignore[list-item]
        (Filter(any_of=[Filter()]), "where.any_of[0]"),
        (Filter(none_of=[Filter(cameras="ab")]), "where.none_of[0].cameras"),
        (Filter(attributes={"hat": []}), "where.attributes['hat']"),
        (Filter(attributes={"hat": ["a", 1]}), "where.attributes['hat'][1]"),  # type: ignore[list-item]
        (Filter(attributes={"hat": 1}), "where.attributes['hat']"),  # type: ignore[dict-item]
        (Filter(attributes="hat"), "where.attributes"),  # type: ignore[arg-type]
        (
            Filter(
                any_of=[
                    Filter(
                        captured_after=datetime(2026, 5, 2, tzinfo=UTC),
                        captured_before=datetime(2026, 5, 1, tzinfo=UTC),
                    )
                ]
            ),
            "where.any_of[0].captured_after",
        ),
    ],
)
def test_a_mistake_in_a_filter_is_named_before_it_is_sent(where: Filter, field: str) -> None:
    with pytest.raises(RequestError) as raised:
        encoding.search([], [], where, "default", 0, "", (), False, "")
    assert raised.value.field == field


@pytest.mark.parametrize(
    "name", ["cameras", "tracks", "exclude_ids", "exclude_cameras", "exclude_media", "ids"]
)
def test_one_text_is_not_taken_for_its_letters(name: str) -> None:
    where = Filter(**{name: "north"})  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=f"{name} is the text 'north'"):
        require_several(where)
    with pytest.raises(RequestError, match=name):
        encoding.search([], [], where, "default", 0, "", (), False, "")


def test_a_time_without_a_zone_is_refused_before_it_is_stored_or_sent() -> None:
    naive = Metadata(captured_at=datetime(2026, 5, 1))
    with pytest.raises(MetadataError, match=r"captured_at: .* has no time zone"):
        require_metadata(naive)
    with pytest.raises(RequestError, match="no time zone"):
        encoding.metadata(naive)


def test_equal_regions_are_equal_and_masks_are_themselves() -> None:
    assert Box(1, 2, 3, 4) == Box(1.0, 2.0, 3.0, 4.0) != Box(1, 2, 3, 5)
    assert Point(1, 2) == Point(1, 2) and Polygon(((0, 0),)) == Polygon(((0, 0),))
    one, other = (Mask(np.ones((2, 2), bool)) for _ in range(2))
    assert one == one and one != other
