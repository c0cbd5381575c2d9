"""Words that several parts share: one class each, wherever it is imported from."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import partlens.client
import partlens.explainer
import partlens.indexer.gallery
from partlens.client import encoding
from partlens.client.errors import RequestError
from partlens.common import filters, metadata, regions
from partlens.common.filters import Filter, from_plain, require_several, to_plain
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.common.regions import Box, Mask, Point, Polygon
from partlens.server.messages import decoding
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
    arrived = decoding.where(pb.Filter.FromString(request.filter.SerializeToString()))
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
