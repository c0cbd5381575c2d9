"""Feedback through gRPC: marks move a search, and reproduce, confine and save like its images."""

import json
from collections.abc import Sequence
from typing import Any

import grpc
import pytest
from safetensors import safe_open
from tests.server.access.test_access import Locked, locked
from tests.server.conftest import DEADLINE, LIMITS, Running, picture, upserts
from tests.server.engine.test_search import FEET, HEAD, close, find, search, shown, values
from tests.server.standing.test_standing import serving, watch

from partlens.client import Box, GalleryImageId, Mark, NotFoundError, QueryRegion
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import LIKE, UNLIKE
from partlens.indexer.gallery import Gallery
from partlens.server.errors import RequestError
from partlens.server.messages import decoding
from partlens.server.standing.standing import beside
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb

__all__ = ["locked"]
QUERY = [shown(picture(100))]
WHOLE = region_pb.Region(whole=region_pb.Whole())
SNAP = region_pb.Region(point=region_pb.Point(x=12, y=12), snap=True)


def stored(id: str) -> image_pb.QueryImage:
    return image_pb.QueryImage(gallery_id=id)


def mark(image: image_pb.QueryImage | str, **fields: object) -> pb.Mark:
    source = stored(image) if isinstance(image, str) else image
    return pb.Mark(image=source, **fields)  # type: ignore[arg-type]


MARKS = {
    "like": [mark("p003")],
    "unlike": [mark("p004", unlike=True, weight=0.2)],
    "a place": [mark("p003", region=FEET)],
    "a picture": [mark(shown(picture(101)), weight=0.5), mark("p005", unlike=True)],
}


def scores(answer: pb.SearchRegionsResponse) -> dict[str, float]:
    return {hit.id: hit.score for hit in answer.hits}


@pytest.mark.parametrize("score", [2, 3, 4])
@pytest.mark.parametrize("marks", MARKS.values(), ids=MARKS.keys())
async def test_after_feedback_a_score_is_another_one_and_the_sum_of_its_map(
    filled: Running, marks: list[pb.Mark], score: pb.ScoreKind
) -> None:
    asked = {"images": QUERY, "regions": [find(HEAD)], "score": score}
    plain, answer = await search(filled, **asked), await search(filled, **asked, marks=marks)
    assert len(answer.hits) == 12 and len(answer.marks) == len(marks)
    for hit in answer.hits:
        assert hit.score == close(values(hit.map).sum() + hit.constant)
    before, after = scores(plain), scores(answer)
    assert any(abs(before[id] - after[id]) > 1e-3 for id in before)
    towards = -1 if marks[0].unlike else 1
    if len(marks) == 1 and not marks[0].HasField("region") and score == pb.SCORE_KIND_PART:
        id = marks[0].image.gallery_id
        assert towards * (after[id] - before[id]) > 0


async def test_marks_of_weight_0_and_of_the_query_itself_change_nothing(filled: Running) -> None:
    asked = {"images": [stored("p002")], "regions": [find(HEAD)]}
    plain = await search(filled, **asked)
    none = await search(filled, **asked, marks=[mark("p003", weight=0), mark("p002", weight=0)])
    assert none.hits == plain.hits
    own = await search(filled, **asked, marks=[mark("p002", weight=2), mark("p002", region=HEAD)])
    assert scores(own) == pytest.approx(scores(plain), abs=1e-5)


async def test_a_mark_of_a_whole_picture_is_one_of_a_box_around_it(filled: Running) -> None:
    """Its bias counts only where the search is for a whole picture too."""
    asked = {"images": QUERY, "regions": [find(HEAD)]}
    everything = region_pb.Region(box=region_pb.Box(x=0, y=0, width=9999, height=9999))
    box = await search(filled, **asked, marks=[mark("p003", region=everything)])
    whole = await search(filled, **asked, marks=[mark("p003", region=WHOLE)])
    assert scores(whole) == pytest.approx(scores(box), abs=1e-5)


async def test_the_order_of_marks_does_not_matter_and_several_unlike_share_a_weight(
    filled: Running,
) -> None:
    asked = {"images": QUERY, "regions": [find(HEAD)]}
    marks = [mark("p003"), mark("p004", unlike=True), mark("p007", unlike=True)]
    given = [LIKE, UNLIKE / 2, UNLIKE / 2]
    same = [
        mark(one.image, unlike=one.unlike, weight=weight)
        for one, weight in zip(marks, given, strict=True)
    ]
    first = await search(filled, **asked, marks=marks)
    for others in (marks[::-1], same):
        again = await search(filled, **asked, marks=others)
        assert scores(again) == pytest.approx(scores(first), abs=1e-5)


async def test_pages_of_a_search_with_marks_join_and_query_ids_stand_for_its_pictures(
    filled: Running,
) -> None:
    asked = {"images": QUERY, "regions": [find(HEAD)], "marks": MARKS["a picture"]}
    whole, ids, token = await search(filled, **asked), list[str](), ""
    marks = MARKS["a picture"]
    for _ in range(3):
        page = await search(filled, **asked, page_size=5, page_token=token)
        ids, token = ids + [hit.id for hit in page.hits], page.next_page_token
        known = [image_pb.QueryImage(query_id=one.query_id) for one in page.marks]
        marks = [
            mark(image, weight=one.weight, unlike=one.unlike)
            if one.HasField("weight")
            else mark(image, unlike=one.unlike)
            for image, one in zip(known, MARKS["a picture"], strict=True)
        ]
        asked = {**asked, "marks": marks}
    assert token == "" and ids == [hit.id for hit in whole.hits]
    first = await search(filled, **asked, page_size=5)
    for other in ([], MARKS["like"], [mark(one.image, weight=2) for one in marks]):
        with pytest.raises(grpc.aio.AioRpcError, match=r"belongs to another search.* marks"):
            changed = {**asked, "marks": other}
            await search(filled, **changed, page_token=first.next_page_token)


async def test_a_mark_is_about_the_region_that_it_names(filled: Running) -> None:
    two = [find(HEAD), find(FEET)]
    asked = {"images": QUERY, "regions": two, "score": pb.SCORE_KIND_PART}
    plain, feet = await search(filled, **asked), {**asked, "regions": [find(FEET)]}
    about = [mark("p003", region=HEAD, region_index=1)]
    both, alone = await search(filled, **asked, marks=about), await search(filled, **feet)
    marked = await search(filled, **feet, marks=[mark("p003", region=HEAD)])
    for id, score in scores(plain).items():
        moved = scores(marked)[id] - scores(alone)[id]
        assert scores(both)[id] - score == pytest.approx(moved, abs=1e-4)


WRONG: dict[str, tuple[Sequence[pb.Mark], str]] = {
    "negative": ([mark("p001", weight=-1)], r"marks\[0\]\.weight: -1: must be 0 to 1e6"),
    "not a number": ([mark("p001", weight=float("nan"))], r"marks\[0\]\.weight"),
    "no image": ([mark(image_pb.QueryImage())], r"marks\[0\]\.image: an image needs"),
    "excluded": ([mark("p001", region_index=2)], r"marks\[0\]\.region_index: 2; .* are 0, 1"),
    "no such region": ([mark("p001", region_index=3)], r"marks\[0\]\.region_index"),
    "which": ([mark("p001", region=HEAD)], r"region_index: not given; .* which of them"),
    "shapeless": (
        [mark("p001", region=region_pb.Region(), region_index=0)],
        r"marks\[0\]\.region: a region needs",
    ),
}


@pytest.mark.parametrize(("marks", "message"), WRONG.values(), ids=WRONG.keys())
def test_what_is_no_mark_is_an_error_at_its_field(marks: list[pb.Mark], message: str) -> None:
    regions = [find(HEAD), find(FEET), find(HEAD, exclude=True)]
    request = pb.SearchRegionsRequest(images=QUERY, regions=regions, marks=marks)
    with pytest.raises(RequestError, match=message):
        decoding.search(request, LIMITS)


async def test_marks_that_cancel_and_unknown_ones_are_refused(filled: Running) -> None:
    asked = {"images": [stored("p002")], "regions": [find(HEAD)]}
    with pytest.raises(grpc.aio.AioRpcError, match="cancel the region out"):
        await search(filled, **asked, marks=[mark("p002", unlike=True, weight=1)])
    with pytest.raises(grpc.aio.AioRpcError, match="no image 'p999'"):
        await search(filled, **asked, marks=[mark("p999")])
    outside = region_pb.Region(point=region_pb.Point(x=-3, y=3))
    with pytest.raises(grpc.aio.AioRpcError, match=r"marks\[1\]\.region: .* outside the image"):
        await search(filled, **asked, marks=[mark("p003"), mark("p003", region=outside)])


async def test_a_mark_outside_the_cameras_of_a_token_is_as_unknown(locked: Locked) -> None:
    regions = [QueryRegion(Box(4, 2, 25, 20))]
    async with locked.client("search", cameras="a") as client:
        for id in ("p1", "nowhere"):
            with pytest.raises(NotFoundError, match=f"no image '{id}'"):
                await client.search_regions([picture(0)], regions, marks=[Mark(GalleryImageId(id))])
            with pytest.raises(NotFoundError, match=f"no image '{id}'"):
                await client.create_standing_query(
                    "", [picture(0)], regions, 1, marks=[Mark(GalleryImageId(id))]
                )
        answer = await client.search_regions(
            [picture(0)], regions, marks=[Mark(GalleryImageId("p2"))]
        )
        assert {hit.image.metadata.camera for hit in answer.hits} == {"a"}


def formats(gallery: Gallery) -> dict[str, int]:
    """Name and format of every standing query on disk."""
    found = dict[str, int]()
    for path in beside(gallery.path).glob("s-*.safetensors"):
        with safe_open(path, framework="numpy") as file:
            plain = json.loads(file.metadata()["partlens"])
        found[plain["name"]] = plain["format"]
    return found


async def test_a_standing_query_keeps_marks_snaps_and_whole_pictures_over_a_restart(
    model: MetricModel, gallery: Gallery
) -> None:
    queries: dict[str, dict[str, Any]] = {
        "marks": {"regions": [find(HEAD)], "marks": MARKS["a picture"]},
        "snap": {"regions": [find(SNAP)]},
        "whole": {"regions": [find(WHOLE)]},
        "new": {"regions": [find(HEAD)], "exclude_identical": True},
        "ids": {"regions": [find(HEAD)], "filter": image_pb.Filter(ids=["p002", "p004"])},
    }
    sent = upserts(6)
    sent[2].data = picture(100)
    async with serving(model, gallery) as (running, standing):
        await running.upload([*sent, *upserts(8)[5:6]])
        for name, fields in queries.items():
            request = standing_pb.CreateStandingQueryRequest(
                name=name, images=QUERY, threshold=-10, **fields
            )
            await standing.CreateStandingQuery(request, timeout=DEADLINE)
    # An earlier server must not read a query and leave out a part of it.
    assert formats(gallery) == {"marks": 2, "snap": 1, "whole": 2, "new": 2, "ids": 3}
    async with serving(model, gallery) as (running, standing):
        await running.upload(sent)
        matches = await watch(standing, 25, 0)
        for name, fields in queries.items():
            found = {
                one.hit.id: one.hit.score for one in matches if one.standing_query_name == name
            }
            expected = scores(await search(running, images=QUERY, **fields))
            assert found == pytest.approx(expected, abs=1e-4), name
            assert ("p002" in found) == (name != "new")
