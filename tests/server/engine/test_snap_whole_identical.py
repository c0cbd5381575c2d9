"""Snapping, whole pictures and identical pictures through gRPC."""

import grpc
import numpy as np
import pytest
from tests.server.conftest import DEADLINE, Running, picture, upserts
from tests.server.engine.test_feedback import QUERY, SNAP, WHOLE, scores, stored
from tests.server.engine.test_search import HEAD, close, find, search, shown, values

from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb


async def test_a_point_that_snaps_covers_the_same_everywhere(filled: Running) -> None:
    request = pb.DescribeQueryRequest(image=QUERY[0], regions=[SNAP, WHOLE])
    described = await filled.search.DescribeQuery(request, timeout=DEADLINE)
    snapped, everything = map(values, described.coverage)
    assert snapped.max() == 1 and 1 < np.count_nonzero(snapped) < 32 and (everything == 1).all()
    # WHOLE and the partial map of a pair are linear in what a region covers.
    cells = [
        find(
            region_pb.Region(box=region_pb.Box(x=10 * col, y=7.5 * row, width=10, height=7.5)),
            weight=float(snapped[row, col]),
        )
        for row, col in zip(*np.nonzero(snapped), strict=True)
    ]
    maps = [pb.MAP_KIND_SCORE, pb.MAP_KIND_REGIONS]
    one, pieces = [
        await search(filled, images=QUERY, regions=regions, score=2, maps=maps, page_size=12)
        for regions in ([find(SNAP)], cells[:6])
    ]
    if len(cells) <= 6:
        assert scores(one) == pytest.approx(scores(pieces), abs=1e-4)
    pair = pb.ExplainPairRequest(query=QUERY[0], retrieved=stored("p004"))
    pair.regions.add(side=pb.PAIR_SIDE_QUERY, region=SNAP)
    explained = await filled.search.ExplainPair(pair, timeout=DEADLINE)
    (hit,) = [hit for hit in one.hits if hit.id == "p004"]
    np.testing.assert_allclose(
        values(explained.partial_maps[0].map), values(hit.region_maps[0]), atol=1e-4
    )


async def test_a_whole_picture_is_ranked_by_the_cosine_similarity(filled: Running) -> None:
    kinds = [pb.MAP_KIND_SCORE, pb.MAP_KIND_OVERALL, pb.MAP_KIND_REGIONS]
    answer = await search(filled, images=QUERY, regions=[find(WHOLE)], maps=kinds)
    for hit in answer.hits:
        pair = pb.ExplainPairRequest(query=QUERY[0], retrieved=stored(hit.id))
        pair.regions.add(side=pb.PAIR_SIDE_QUERY, region=WHOLE)
        pair.regions.add(side=pb.PAIR_SIDE_RETRIEVED, region=WHOLE)
        explained = await filled.search.ExplainPair(pair, timeout=DEADLINE)
        assert hit.score == close(explained.similarity)
        assert hit.score == close(values(hit.map).sum() + hit.constant)
        np.testing.assert_allclose(values(hit.map), values(hit.overall_maps[0]), atol=1e-5)
        np.testing.assert_allclose(values(hit.map), values(hit.region_maps[0]), atol=1e-5)
        assert (hit.box.x, hit.box.y, hit.box.width, hit.box.height) == (0, 0, 40, 60)
        for partial in explained.partial_maps:
            assert values(partial.map).sum() + partial.constant == close(explained.similarity)
        np.testing.assert_allclose(
            values(explained.partial_maps[0].map), values(hit.map), atol=1e-5
        )


async def test_a_whole_picture_has_one_score_and_only_a_point_snaps(filled: Running) -> None:
    for score in (pb.SCORE_KIND_PART, pb.SCORE_KIND_CONTEXT):
        with pytest.raises(grpc.aio.AioRpcError, match="ranked by its cosine similarity"):
            await search(filled, images=QUERY, regions=[find(WHOLE)], score=score)
    wrong = region_pb.Region(box=HEAD.box, snap=True)
    with pytest.raises(grpc.aio.AioRpcError, match="a box cannot snap; give a point"):
        await search(filled, images=QUERY, regions=[find(wrong)])


async def test_identical_pictures_are_left_out_however_the_query_is_given(
    filled: Running,
) -> None:
    copies = upserts(2)
    copies[0].id, copies[0].data, copies[1].id, copies[1].data = "x1", picture(4), "x2", picture(7)
    await filled.upload(copies)
    everything = set(scores(await search(filled, images=QUERY, regions=[find(HEAD)])))
    assert len(everything) == 14
    described = await filled.search.DescribeQuery(
        pb.DescribeQueryRequest(image=shown(picture(4))), timeout=DEADLINE
    )
    known = image_pb.QueryImage(query_id=described.query.query_id)
    regions = [find(HEAD)]
    for given in (shown(picture(4)), stored("p004"), stored("x1"), known):
        found = await search(filled, images=[given], regions=regions, exclude_identical=True)
        assert everything - set(scores(found)) == {"p004", "x1"}
        both = [given, shown(picture(7))]
        found = await search(filled, images=both, regions=regions, exclude_identical=True)
        assert everything - set(scores(found)) == {"p004", "x1", "p007", "x2"}
        # The same picture in another file is another picture.
    other = [shown(picture(4, kind="BMP"))]
    found = await search(filled, images=other, regions=regions, exclude_identical=True)
    assert set(scores(found)) == everything
    first = await search(
        filled, images=[known], regions=regions, exclude_identical=True, page_size=5
    )
    with pytest.raises(grpc.aio.AioRpcError, match="belongs to another search"):
        await search(
            filled, images=[known], regions=regions, page_size=5, page_token=first.next_page_token
        )


async def test_a_filter_leaves_out_media_digests_and_refuses_other_texts(filled: Running) -> None:
    answer = await search(filled, images=QUERY, regions=[find(HEAD)])
    (digest,) = {hit.image.media_digest for hit in answer.hits if hit.id == "p003"}
    where = image_pb.Filter(exclude_media_digests=[digest])
    found = await search(filled, images=QUERY, regions=[find(HEAD)], filter=where)
    assert set(scores(answer)) - set(scores(found)) == {"p003"}
    for wrong in (digest.removeprefix("sha256:"), digest.upper(), digest + "0"):
        with pytest.raises(grpc.aio.AioRpcError, match="is not a media digest"):
            where = image_pb.Filter(exclude_media_digests=[wrong])
            await search(filled, images=QUERY, regions=[find(HEAD)], filter=where)
