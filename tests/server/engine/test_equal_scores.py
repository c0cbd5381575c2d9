"""Copies of one picture, through the real server: in order of id, whatever the page."""

import pytest
from tests.server.conftest import DEADLINE, Running, picture

from partlens.indexer.gallery import Gallery
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb

BOX = region_pb.Region(box=region_pb.Box(x=0, y=0, width=30, height=30))


@pytest.mark.parametrize("compacted", [False, True], ids=["segments", "compacted"])
@pytest.mark.parametrize("score", [0, 1, 2, 3])
async def test_five_copies_come_in_order_of_id_on_pages_of_any_size(
    running: Running, gallery: Gallery, score: pb.ScoreKind, compacted: bool
) -> None:
    seeds = {id: 1 for id in "abcde"} | {"o": 2, "p": 3}
    for some in ("ceo", "apd", "b"):  # a commit, and so a segment, each
        requests = [gallery_pb.UpsertImagesRequest(id=id, data=picture(seeds[id])) for id in some]
        await running.upload(requests)
    if compacted:
        gallery.compact()

    async def ask(page_size: int, token: str = "") -> pb.SearchRegionsResponse:
        request = pb.SearchRegionsRequest(
            images=[image_pb.QueryImage(data=picture(1))],
            regions=[pb.QueryRegion(region=BOX)],
            score=score,
            page_size=page_size,
            page_token=token,
        )
        answer: pb.SearchRegionsResponse = await running.search.SearchRegions(
            request, timeout=DEADLINE
        )
        return answer

    whole = await ask(100)
    assert "abcde" in "".join(hit.id for hit in whole.hits)
    assert len({hit.score for hit in whole.hits if hit.id in "abcde"}) == 1
    for size in (1, 2, 3, 4):
        page = await ask(size)
        shown = list(page.hits)
        while page.next_page_token:
            page = await ask(size, page.next_page_token)
            shown += page.hits
        assert [(hit.id, hit.score) for hit in shown] == [(hit.id, hit.score) for hit in whole.hits]
