"""Both clients speak to a real server, and what they return adds up."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from importlib.metadata import version

import numpy as np
import pytest
from served import Served, picture

from partlens.client import (
    AsyncClient,
    Box,
    Caller,
    Client,
    DeadlineError,
    ExhaustedError,
    Facet,
    Filter,
    GalleryImageId,
    Mask,
    Metadata,
    NotFoundError,
    Picture,
    Point,
    Polygon,
    QueryId,
    QueryRegion,
    RequestError,
    UnavailableError,
    Upload,
)
from partlens.client.questions import MapKind, QueryImage

BOX = Box(3, 5, 12, 20)


def test_a_search_finds_the_picture_itself_first(served: Served) -> None:
    four_cells = QueryRegion(Box(7.5, 5.5, 15, 11))
    maps: list[MapKind] = ["score", "overall", "regions"]
    with Client(served.target) as client:
        answer = client.search_regions(
            [picture(7)], [four_cells], score="part", maps=maps, thumbnails=True
        )
    assert answer.hits[0].id == "07" and len(answer.hits) == 20
    assert answer.hits[0].score == pytest.approx(1, abs=1e-4)
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    for hit in answer.hits:
        assert hit.map is not None and hit.map.values.shape == (8, 4)
        assert hit.score == pytest.approx(hit.map.values.sum() + hit.constant, abs=1e-4)
        assert len(hit.overall_maps) == len(hit.region_maps) == 1
        assert hit.thumbnail[:2] == b"\xff\xd8"
        assert 0 <= hit.box.x and hit.box.x + hit.box.width <= hit.image.width + 1e-6


async def test_both_clients_give_the_same(served: Served) -> None:
    regions = [
        QueryRegion(BOX, weight=2),
        QueryRegion(Polygon(((0, 0), (20, 3), (4, 30))), image=1),
        QueryRegion(Mask(np.eye(44, 30, dtype=np.bool_)), image=1, exclude=True),
    ]
    images: list[QueryImage] = [picture(1), GalleryImageId("02")]
    async with AsyncClient(served.target) as client:
        await client.wait_until_ready(20)
        theirs = await client.search_regions(images, regions, score="part", page_size=5)
        page = await client.search_regions(
            images, regions, score="part", page_size=5, page_token=theirs.next_page_token
        )
        listed = [image.id async for image in client.list_images(page_size=7)]
        begins = [image.id async for image in client.list_images(page_size=2, prefix="0")]
        pair = await client.explain_pair(images[0], images[1], query_regions=[Point(5, 6)])
        described = await client.describe_query(images[0], [BOX])
    with Client(served.target) as client:
        ours = client.search_regions(images, regions, score="part", page_size=10)
        assert listed == [image.id for image in client.list_images()]
        assert begins == [id for id in listed if id.startswith("0")] != listed
        assert begins == [image.id for image in client.list_images(prefix="0")]
        again = client.explain_pair(QueryId(described.query.id), images[1])
    both = [*theirs.hits, *page.hits]
    assert [hit.id for hit in both] == [hit.id for hit in ours.hits]
    np.testing.assert_allclose([h.score for h in both], [h.score for h in ours.hits], atol=1e-6)
    assert pair.similarity == pytest.approx(again.similarity, abs=1e-6)
    assert described.query.grid == (8, 4) and 0 < described.coverage[0].values.sum() < 32


def test_an_explained_pair_adds_up(served: Served) -> None:
    with Client(served.target) as client:
        pair = client.explain_pair(
            picture(1),
            GalleryImageId("03"),
            query_regions=[Box(0, 0, 30, 44)],
            retrieved_regions=[Point(3, 3)],
        )
    terms = pair.terms
    total = terms.position_position + terms.position_bias + terms.bias_position + terms.bias_bias
    assert pair.similarity == pytest.approx(total, abs=1e-5)
    assert pair.query_map.values.sum() == pytest.approx(terms.position_position, abs=1e-4)
    with_bias = terms.position_position + terms.bias_position
    assert pair.retrieved_map_with_bias.values.sum() == pytest.approx(with_bias, abs=1e-4)
    whole, point = pair.partial_maps
    assert (whole.side, point.side) == ("retrieved", "query")
    share = terms.position_position + terms.position_bias
    assert whole.map.values.sum() + whole.constant == pytest.approx(share, abs=1e-4)


def test_what_is_listed_is_counted_and_shown(served: Served) -> None:
    known = Metadata("cam", "t", datetime(2026, 5, 1, tzinfo=UTC), {"hat": "red"})
    with Client(served.target) as client:
        added = client.upsert_image(Upload("one", picture(99), "/x", known))
        assert added.committed and not added.replaced
        with pytest.raises(RequestError, match="not an image") as caught:
            client.upsert_image(Upload("bad", b"no picture"))
        assert (caught.value.reason, caught.value.field) == ("IMAGE_INVALID", "data")
        where = Filter(cameras=["cam"])
        (image,) = client.list_images(where=where, thumbnails=True)
        assert image == replace(client.get_image("one")[0], thumbnail=client.get_image("one")[1])
        counts, rest = client.get_facets(where), client.get_facets(Filter(exclude_ids=["one"]))
        assert (counts.images, counts.cameras) == (1, Facet("camera", {"cam": 1}, 1, 0))
        assert counts.attributes == [Facet("hat", {"red": 1}, 1, 0)]
        assert counts.captured_first == counts.captured_last == known.captured_at
        assert (rest.images, rest.tracks, rest.captured_first) == (
            30,
            Facet("track", {}, 0, 30),
            None,
        )
        described = client.describe_query(picture(98))
        shown = client.get_picture(QueryId(described.query.id))
        assert shown == Picture(picture(98), "image/png")
        assert client.get_picture(QueryId(described.query.id), 9).media_type == "image/jpeg"
        with pytest.raises(NotFoundError) as refused:
            client.get_picture(GalleryImageId("one"))
        assert refused.value.reason == "PICTURE_UNAVAILABLE"
        gallery = client.get_gallery()
        assert gallery.caller == Caller("anyone", ("search", "ingest", "admin"), ())
        assert gallery.server_version == version("partlens") and gallery.indexing is None
        assert client.delete_images(["one"]) == 1


def test_images_come_and_go(served: Served) -> None:
    known = Metadata("cam", "t", datetime(2026, 5, 1, tzinfo=UTC), {"hat": "red"})
    with Client(served.target) as client:
        before = client.get_gallery()
        good, bad = client.upsert_images(
            [Upload("new", picture(99), "file:///x", known), Upload("bad", b"GIF89a")]
        )
        assert good.committed and good.gallery_version > before.version
        assert not bad.committed and bad.reason == "IMAGE_INVALID" and bad.index == 1
        image, thumbnail = client.get_image("new")
        assert image.metadata == known and image.uri == "file:///x" and thumbnail
        found = client.search_regions(
            [picture(99)], [QueryRegion(BOX)], where=Filter(attributes={"hat": "red"})
        )
        assert [hit.id for hit in found.hits] == ["new"]
        assert client.delete_images(["new", "nobody"]) == 1
        with pytest.raises(NotFoundError, match="new"):
            client.get_image("new")
        assert client.get_gallery().images == before.images == 30
        assert before.model.name == "tiny" and before.model.grid == (8, 4)


async def test_images_come_from_an_asynchronous_source(served: Served) -> None:
    async def pictures() -> AsyncIterator[Upload]:
        for id in ("x1", "x2", "x3"):
            await asyncio.sleep(0.01)
            yield Upload(id, picture(9))

    async with AsyncClient(served.target) as client:
        given = await client.upsert_images(pictures(), deadline=20)
        assert [(answer.id, answer.committed) for answer in given] == [
            ("x1", True),
            ("x2", True),
            ("x3", True),
        ]
        assert await client.delete_images(["x1", "x2", "x3"]) == 3


async def test_an_upload_that_cannot_be_sent_says_why(served: Served) -> None:
    zone = timezone(timedelta(hours=-5))
    late = Metadata(captured_at=datetime(9999, 12, 31, 23, 59, 59, tzinfo=zone))
    sent = [Upload("y1", picture(9)), Upload("y2", picture(9), metadata=late)]

    def broken() -> Iterator[Upload]:
        yield sent[0]
        raise OSError("no such picture")

    with Client(served.target) as client:
        answers = client.upsert_stream(sent)
        assert next(answers).committed
        with pytest.raises(ValueError, match="within the years 1 to 9999"):
            next(answers)
        answers = client.upsert_stream(broken())
        assert next(answers).replaced
        with pytest.raises(OSError, match="no such picture"):
            next(answers)
        assert client.delete_images(["y1", "y2"]) == 1
    async with AsyncClient(served.target) as other:
        with pytest.raises(ValueError, match="that UTF-8 can encode"):
            await other.upsert_images([Upload("y", b"", "\ud800")])


def test_errors_are_typed_and_name_the_field(served: Served) -> None:
    with Client(served.target) as client:
        with pytest.raises(RequestError, match="outside") as caught:
            client.search_regions([picture(1)], [QueryRegion(Box(500, 0, 5, 5))])
        assert caught.value.field.startswith("regions[0]")
        assert caught.value.reason == "REGION_INVALID"
        assert str(caught.value).count("regions[0]") == 1
        with pytest.raises(RequestError, match=r"images\[0\]"):
            client.search_regions([b"not an image"], [QueryRegion(BOX)])
        with pytest.raises(NotFoundError) as forgotten:
            client.search_regions([QueryId("0" * 8)], [QueryRegion(BOX)])
        assert forgotten.value.reason == "QUERY_UNKNOWN"
        with pytest.raises(ExhaustedError, match="larger than max"):
            client.describe_query(b" " * (33 * 2**20))
        with pytest.raises(ValueError, match="time zone"):
            client.search_regions(
                [picture(1)], [QueryRegion(BOX)], where=Filter(captured_after=datetime(2026, 1, 1))
            )
    with Client("127.0.0.1:1", deadline=5) as nobody:
        with pytest.raises(UnavailableError, match=r"127\.0\.0\.1:1"):
            nobody.get_gallery()
        with pytest.raises(UnavailableError, match="not ready after"):
            nobody.wait_until_ready(0.2)


def test_a_call_ends_at_its_own_deadline(served: Served) -> None:
    with Client(served.target) as client:
        with pytest.raises(DeadlineError, match=served.target):
            client.search_regions([picture(1)], [QueryRegion(BOX)], deadline=1e-4)
        assert client.get_gallery(deadline=20).images == 30


@pytest.mark.parametrize(
    ("top", "page_size", "sizes"),
    [(12, 5, [5, 5, 2]), (30, 0, [30]), (40, 15, [15, 15]), (3, 20, [3])],
)
async def test_pages_together_are_the_one_answer(
    served: Served, top: int, page_size: int, sizes: list[int]
) -> None:
    images: list[QueryImage] = [picture(1), GalleryImageId("02")]
    asked = images, [QueryRegion(BOX), QueryRegion(BOX, image=1)]
    with Client(served.target) as client:
        pages = list(client.search_pages(*asked, top=top, page_size=page_size))
        whole = client.search_regions(*asked, page_size=top)
    async with AsyncClient(served.target) as other:
        theirs = [page async for page in other.search_pages(*asked, top=top, page_size=page_size)]
    for some in (pages, theirs):
        assert [len(page.hits) for page in some] == sizes
        hits = [hit for page in some for hit in page.hits]
        assert [(hit.id, hit.score) for hit in hits] == [(h.id, h.score) for h in whole.hits]


def test_pages_of_a_changed_gallery_go_on(served: Served) -> None:
    with Client(served.target) as client:
        asked = [picture(1)], [QueryRegion(BOX)]
        whole = client.search_regions(*asked, page_size=10)
        first = client.search_regions(*asked, page_size=5)
        assert all(answer.committed for answer in client.upsert_images([Upload("x", picture(1))]))
        second = client.search_regions(*asked, page_size=5, page_token=first.next_page_token)
        assert [hit.id for hit in [*first.hits, *second.hits]] == [hit.id for hit in whole.hits]
        assert client.delete_images(["x"]) == 1
