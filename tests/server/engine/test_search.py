"""What a search, an explanation and a description say through gRPC, and that it adds up."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.server.conftest import DEADLINE, Running, picture

from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb


def box(x: float, y: float, width: float, height: float) -> region_pb.Region:
    return region_pb.Region(box=region_pb.Box(x=x, y=y, width=width, height=height))


def find(shape: region_pb.Region, **options: object) -> pb.QueryRegion:
    return pb.QueryRegion(region=shape, **options)  # type: ignore[arg-type]


def shown(data: bytes) -> image_pb.QueryImage:
    return image_pb.QueryImage(data=data)


def close(value: float) -> Any:
    return pytest.approx(value, abs=1e-4)


def values(map: image_pb.ActivationMap) -> NDArray[np.float64]:
    return np.array(map.values).reshape(map.rows, map.cols)


HEAD, FEET = box(4, 2, 25, 20), box(0, 40, 40, 20)
REGIONS = {
    "one": [find(HEAD)],
    "two weighted": [find(HEAD, weight=0.3), find(FEET, weight=2.0)],
    "one excluded": [find(HEAD), find(FEET, exclude=True, weight=0.7)],
    "two images": [find(HEAD), find(FEET, image_index=1)],
    "point": [find(region_pb.Region(point=region_pb.Point(x=39.9, y=59.9)))],
}
SCORES = [pb.SCORE_KIND_WHOLE, pb.SCORE_KIND_PART, pb.SCORE_KIND_DEFAULT]


async def search(running: Running, **fields: object) -> pb.SearchRegionsResponse:
    request = pb.SearchRegionsRequest(**fields)  # type: ignore[arg-type]
    answer: pb.SearchRegionsResponse = await running.search.SearchRegions(request, timeout=DEADLINE)
    return answer


@pytest.mark.parametrize("score", SCORES, ids=["whole", "part", "context"])
@pytest.mark.parametrize("regions", REGIONS.values(), ids=REGIONS.keys())
async def test_every_score_is_the_sum_of_its_map_and_constant(
    filled: Running, regions: list[pb.QueryRegion], score: pb.ScoreKind
) -> None:
    images = [shown(picture(100)), image_pb.QueryImage(gallery_id="p003")]
    answer = await search(filled, images=images, regions=regions, score=score)
    assert len(answer.hits) == 12 and answer.next_page_token == ""
    for hit in answer.hits:
        assert hit.score == pytest.approx(values(hit.map).sum() + hit.constant, abs=1e-4)
        assert 0 <= hit.box.x < hit.box.x + hit.box.width <= hit.image.width + 1e-6
        assert 0 <= hit.box.y < hit.box.y + hit.box.height <= hit.image.height + 1e-6
    scores = [hit.score for hit in answer.hits]
    assert scores == sorted(scores, reverse=True)
    assert [q.width for q in answer.queries] == [40, 40]


async def test_an_excluded_region_counts_with_a_negative_sign(filled: Running) -> None:
    images = [shown(picture(100))]

    async def scores(**second: object) -> dict[str, float]:
        regions = [find(HEAD), *([find(FEET, **second)] if second else [])]
        answer = await search(filled, images=images, regions=regions, score=pb.SCORE_KIND_WHOLE)
        return {hit.id: hit.score for hit in answer.hits}

    alone, included = await scores(), await scores(weight=0.5)
    excluded = await scores(weight=0.5, exclude=True)
    for id, score in alone.items():
        assert included[id] - score == pytest.approx(score - excluded[id], abs=1e-5)


async def test_a_gallery_image_finds_itself_first(filled: Running) -> None:
    everything = [find(box(0, 0, 40, 60))]
    for image in (shown(picture(5)), image_pb.QueryImage(gallery_id="p005")):
        answer = await search(
            filled, images=[image], regions=everything, score=pb.SCORE_KIND_PART, page_size=3
        )
        assert answer.hits[0].id == "p005"


async def test_a_query_id_stands_for_the_picture_it_was_given_for(filled: Running) -> None:
    first = await search(filled, images=[shown(picture(100))], regions=REGIONS["one"])
    known = image_pb.QueryImage(query_id=first.queries[0].query_id)
    second = await search(filled, images=[known], regions=REGIONS["one"])
    assert second == first


async def test_pages_join_to_the_whole_ranking_without_gap_or_overlap(filled: Running) -> None:
    asked = {"images": [shown(picture(100))], "regions": REGIONS["two weighted"]}
    whole = await search(filled, **asked)
    ids, token = [], ""
    for expected in (5, 5, 2):
        page = await search(filled, **asked, page_size=5, page_token=token)
        assert len(page.hits) == expected
        ids += [hit.id for hit in page.hits]
        token = page.next_page_token
        # The picture need not be sent again: its query id makes the same question.
        known = image_pb.QueryImage(query_id=page.queries[0].query_id)
        asked = {**asked, "images": [known]}
    assert token == ""
    assert ids == [hit.id for hit in whole.hits]


async def test_a_filter_chooses_among_the_images(filled: Running) -> None:
    where = image_pb.Filter(cameras=["cam1"], exclude_ids=["p003"])
    where.captured_after.seconds = 1_700_000_003
    answer = await search(filled, images=[shown(picture(1))], regions=REGIONS["one"], filter=where)
    assert {hit.id for hit in answer.hits} == {"p005", "p007", "p009", "p011"}
    assert {hit.image.metadata.camera for hit in answer.hits} == {"cam1"}
    named = image_pb.Filter(ids=["p003", "p005", "nobody"], exclude_ids=["p003"])
    answer = await search(filled, images=[shown(picture(1))], regions=REGIONS["one"], filter=named)
    assert {hit.id for hit in answer.hits} == {"p005"}
    by_attribute = image_pb.Filter(attributes={"parity": "0"})
    answer = await search(
        filled, images=[shown(picture(1))], regions=REGIONS["one"], filter=by_attribute
    )
    assert len(answer.hits) == 6


async def test_maps_come_as_asked(filled: Running) -> None:
    asked = {"images": [shown(picture(100))], "regions": REGIONS["one excluded"], "page_size": 2}
    for hit in (await search(filled, **asked, maps=[pb.MAP_KIND_NONE])).hits:
        assert not hit.HasField("map") and not hit.overall_maps and not hit.region_maps
        assert hit.thumbnail == b""
    kinds = [pb.MAP_KIND_OVERALL, pb.MAP_KIND_REGIONS]
    for hit in (await search(filled, **asked, maps=kinds, include_thumbnails=True)).hits:
        assert not hit.HasField("map")
        assert (len(hit.overall_maps), len(hit.region_maps)) == (1, 2)
        assert hit.thumbnail.startswith(b"\xff\xd8")


async def test_whole_is_the_sum_of_the_regions_own_maps(filled: Running) -> None:
    answer = await search(
        filled,
        images=[shown(picture(100))],
        regions=REGIONS["one excluded"],
        score=pb.SCORE_KIND_WHOLE,
        maps=[pb.MAP_KIND_SCORE, pb.MAP_KIND_REGIONS],
    )
    for hit in answer.hits:
        head, feet = map(values, hit.region_maps)
        np.testing.assert_allclose(values(hit.map), head - 0.7 * feet, atol=1e-4)


async def test_overall_maps_and_the_pair_agree(filled: Running) -> None:
    query, stored = shown(picture(100)), image_pb.QueryImage(gallery_id="p004")
    answer = await search(
        filled, images=[query], regions=REGIONS["one"], maps=[pb.MAP_KIND_OVERALL]
    )
    (hit,) = [hit for hit in answer.hits if hit.id == "p004"]
    pair = await filled.search.ExplainPair(
        pb.ExplainPairRequest(query=query, retrieved=stored), timeout=DEADLINE
    )
    np.testing.assert_allclose(
        values(hit.overall_maps[0]), values(pair.retrieved_map_with_bias), atol=1e-4
    )


async def test_a_pair_adds_up(filled: Running) -> None:
    request = pb.ExplainPairRequest(
        query=shown(picture(100)), retrieved=image_pb.QueryImage(gallery_id="p004")
    )
    whole = box(0, 0, 40, 60)
    request.regions.add(side=pb.PAIR_SIDE_QUERY, region=whole)
    request.regions.add(side=pb.PAIR_SIDE_RETRIEVED, region=whole)
    pair = await filled.search.ExplainPair(request, timeout=DEADLINE)
    terms = pair.terms
    four = [terms.position_position, terms.position_bias, terms.bias_position, terms.bias_bias]
    assert sum(four) == close(pair.similarity)
    for map in (pair.query_map, pair.retrieved_map):
        assert values(map).sum() == close(four[0])
    assert values(pair.query_map_with_bias).sum() == close(four[0] + four[1])
    assert values(pair.retrieved_map_with_bias).sum() == close(four[0] + four[2])
    # A region that covers everything explains all but what its own bias does.
    of_query, of_retrieved = pair.partial_maps
    assert (of_query.side, of_retrieved.side) == (pb.PAIR_SIDE_RETRIEVED, pb.PAIR_SIDE_QUERY)
    assert values(of_query.map).sum() == close(four[0])
    assert of_query.constant == close(four[1])
    assert of_retrieved.constant == close(four[2])


async def test_a_description_says_what_a_region_covers(filled: Running) -> None:
    request = pb.DescribeQueryRequest(image=shown(picture(100)), regions=[box(0, 0, 20, 30)])
    answer = await filled.search.DescribeQuery(request, timeout=DEADLINE)
    query = answer.query
    assert (query.width, query.height, query.rows, query.cols) == (40, 60, 8, 4)
    assert (query.extent.width, query.extent.height) == (40, 60)
    expected = np.zeros((8, 4))
    expected[:4, :2] = 1
    np.testing.assert_allclose(values(answer.coverage[0]), expected, atol=1e-6)
    known = pb.DescribeQueryRequest(image=image_pb.QueryImage(query_id=query.query_id))
    assert (await filled.search.DescribeQuery(known, timeout=DEADLINE)).query == query
