"""What a message may hold is counted before it is parsed, and for every repeated field."""

from collections import Counter
from collections.abc import Iterator

import pytest
from google.protobuf.descriptor import Descriptor
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass
from hypothesis import given
from hypothesis import strategies as st

from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import RequestError
from partlens.server.handlers.table import SERVICES
from partlens.server.limits.message_scan import DEEPEST, Scan
from partlens.server.limits.message_shape import MOST, shape_of
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as report_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb

FILES = (search_pb, gallery_pb, standing_pb, report_pb)
FEW = LimitsSection(
    regions=3, query_images=2, corners=6, filter_values=3, filter_attributes=2, exclude_ids=4,
    delete_ids=4, nested_filters=4, update_images=4, watched_queries=3, message_fields=60,
    text_bytes=2000,
)  # fmt: skip


def requests() -> list[Descriptor]:
    """Of every method of every service."""
    services = [one for file in FILES for one in file.DESCRIPTOR.services_by_name.values()]
    assert {one.full_name for one in services} == set(SERVICES)
    return [method.input_type for service in services for method in service.methods]


def repeated(message: Descriptor, around: frozenset[str] = frozenset()) -> Iterator[str]:
    """Every repeated field of a message and of those inside it, found without shape_of."""
    if message.full_name in around:
        return
    for field in message.fields:
        if field.is_repeated:
            yield f"{message.name}.{field.name}"
        if field.message_type is not None:
            yield from repeated(field.message_type, around | {message.full_name})


def test_every_repeated_field_of_every_request_has_a_limit_and_no_other_has() -> None:
    found = {name for request in requests() for name in repeated(request)}
    assert found == set(MOST)
    for request in requests():
        shape_of(GetMessageClass(request), LimitsSection())


def counts(message: Message) -> Counter[str]:
    """Values of each repeated field in a parsed message, and in those inside it."""
    found: Counter[str] = Counter()
    for field, value in message.ListFields():
        name = f"{message.DESCRIPTOR.name}.{field.name}"
        inside = []
        if field.is_repeated:
            found[name] += len(value)
            if field.message_type is not None and not field.message_type.GetOptions().map_entry:
                inside = list(value)
        elif field.message_type is not None:
            inside = [value]
        for one in inside:
            found += counts(one)
    return found


def most(name: str) -> int:
    limit = MOST[name]
    return getattr(FEW, limit) if isinstance(limit, str) else limit


@st.composite
def searches(draw: st.DrawFn) -> search_pb.SearchRegionsRequest:
    """Requests around the limits."""
    some = st.integers(0, 5)
    asked = search_pb.SearchRegionsRequest(
        images=[image_pb.QueryImage(data=b"x" * draw(st.sampled_from([0, 9, 5000])))]
        * draw(st.integers(0, 3)),
        maps=[search_pb.MAP_KIND_SCORE] * draw(some),
    )
    for _ in range(draw(st.integers(0, 4))):
        points = [region_pb.Point(x=1, y=2)] * draw(some)
        asked.regions.add(region=region_pb.Region(polygon=region_pb.Polygon(points=points)))
    asked.filter.cameras.extend(["gate"] * draw(some))
    asked.filter.exclude_ids.extend(["a"] * draw(some))
    asked.filter.ids.extend(["a"] * draw(some))
    asked.filter.attributes.update({str(n): "" for n in range(draw(some))})
    where = asked.filter
    for kind in draw(st.lists(st.sampled_from(["all_of", "any_of", "none_of"]), max_size=6)):
        inside = getattr(where, kind).add(cameras=["gate"] * draw(st.integers(0, 2)))
        hat = image_pb.TextList(values=["red"] * draw(st.integers(0, 2)))
        inside.attribute_conditions.add(name="hat", any=hat)
        where = draw(st.sampled_from([where, inside]))
    asked.page_token = "t" * draw(st.sampled_from([0, 10, 3000]))
    return asked


@given(searches())
def test_a_message_is_refused_just_if_it_is_over_a_limit(
    asked: search_pb.SearchRegionsRequest,
) -> None:
    shape = shape_of(type(asked), FEW)
    over = {name for name, count in counts(asked).items() if count > most(name)}
    text = asked.ByteSize() - sum(len(image.data) for image in asked.images)
    try:
        Scan(asked.SerializeToString(), FEW).require_within(shape)
    except RequestError as error:
        if over:
            assert error.violation.field.rpartition(".")[2] in {n.partition(".")[2] for n in over}
            assert "given; at most" in error.violation.description
        else:
            assert text > FEW.text_bytes
    else:
        assert not over and text <= FEW.text_bytes


@given(
    searches(),
    st.lists(st.tuples(st.integers(0), st.integers(0, 255)), max_size=6),
    st.binary(max_size=20),
)
def test_what_the_parser_would_accept_has_been_counted(
    asked: search_pb.SearchRegionsRequest, changes: list[tuple[int, int]], more: bytes
) -> None:
    data = bytearray(asked.SerializeToString() + more)
    for place, value in changes:
        if data:
            data[place % len(data)] = value
    try:
        Scan(bytes(data), FEW).require_within(shape_of(type(asked), FEW))
    except (RequestError, DecodeError):
        return
    try:
        parsed = search_pb.SearchRegionsRequest.FromString(bytes(data))
    except DecodeError:
        return
    assert all(count <= most(name) for name, count in counts(parsed).items())


@pytest.mark.parametrize("kind", ["all_of", "none_of"])
def test_filters_nested_thousands_deep_are_refused_before_they_are_parsed(kind: str) -> None:
    number = image_pb.Filter.DESCRIPTOR.fields_by_name[kind].number
    data = b""
    for _ in range(5000):
        data = bytes([number << 3 | 2]) + varint(len(data)) + data
    shape = shape_of(search_pb.SearchRegionsRequest, LimitsSection())
    with pytest.raises(RequestError, match=f"nested more than {DEEPEST} messages deep"):
        Scan(b"\x1a" + varint(len(data)) + data, LimitsSection()).require_within(shape)


def varint(number: int) -> bytes:
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def test_a_message_of_millions_of_fields_is_counted_only_to_the_limit() -> None:
    many = b"\x12\x00" * 5_000_000
    scan = Scan(many, FEW)
    with pytest.raises(RequestError, match=r"regions: 60 or more given; at most 3 are allowed"):
        scan.require_within(shape_of(search_pb.SearchRegionsRequest, FEW))


def test_fields_that_are_given_again_or_unknown_count_too() -> None:
    shape = shape_of(search_pb.SearchRegionsRequest, FEW)
    for field in (b"\x1a\x00", b"\xfa\x01\x00"):
        with pytest.raises(RequestError, match="more than 60 fields"):
            Scan(field * 61, FEW).require_within(shape)


def test_packed_numbers_are_counted_one_by_one() -> None:
    packed = search_pb.SearchRegionsRequest(maps=["MAP_KIND_SCORE"] * 4).SerializeToString()
    with pytest.raises(RequestError, match="maps: 4 given; at most 3 are allowed"):
        Scan(packed, FEW).require_within(shape_of(search_pb.SearchRegionsRequest, FEW))
