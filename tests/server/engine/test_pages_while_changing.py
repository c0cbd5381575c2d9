"""Pages of one search show what the first page saw, whatever happens to the gallery meanwhile."""

from dataclasses import replace

import grpc
import pytest
from tests.server.conftest import DEADLINE, Running, picture, upserts

from partlens.indexer.gallery import Gallery
from partlens.server.pages.kept_views import KEPT, SECONDS, KeptViews
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb

BOX = region_pb.Region(box=region_pb.Box(x=0, y=0, width=30, height=30))


def asked(page_size: int, **fields: object) -> pb.SearchRegionsRequest:
    return pb.SearchRegionsRequest(
        images=[image_pb.QueryImage(data=picture(1))],
        regions=[pb.QueryRegion(region=BOX)],
        page_size=page_size,
        **fields,  # type: ignore[arg-type]
    )


async def page(running: Running, token: str = "", **fields: object) -> pb.SearchRegionsResponse:
    request = asked(3, page_token=token, include_thumbnails=True, **fields)
    found: pb.SearchRegionsResponse = await running.search.SearchRegions(request, timeout=DEADLINE)
    return found


async def test_pages_go_on_from_what_the_first_saw_less_what_is_gone(
    filled: Running, gallery: Gallery
) -> None:
    whole = await filled.search.SearchRegions(asked(100), timeout=DEADLINE)
    ranking = [hit.id for hit in whole.hits]
    first = await page(filled)
    assert [hit.id for hit in first.hits] == ranking[:3]
    deleted, replaced = ranking[4], ranking[7]
    await filled.gallery.DeleteImages(
        gallery_pb.DeleteImagesRequest(ids=[deleted]), timeout=DEADLINE
    )
    await filled.upload([gallery_pb.UpsertImagesRequest(id=replaced, data=picture(1))])
    await filled.upload([gallery_pb.UpsertImagesRequest(id="new", data=picture(1))])
    gallery.compact()
    shown, token = [hit.id for hit in first.hits], first.next_page_token
    while token:
        next_page = await page(filled, token)
        assert next_page.gallery_version == first.gallery_version
        assert all(hit.thumbnail for hit in next_page.hits)
        shown += [hit.id for hit in next_page.hits]
        token = next_page.next_page_token
    assert shown == [id for id in ranking if id not in (deleted, replaced)]
    fresh = await filled.search.SearchRegions(asked(100), timeout=DEADLINE)
    now = {hit.id for hit in fresh.hits}
    assert now == {*ranking, "new"} - {deleted}
    scores = {hit.id: hit.score for hit in fresh.hits}
    assert scores["new"] == scores[replaced]


async def test_groups_reach_the_caller(running: Running) -> None:
    requests = upserts(12)
    for number, upload in enumerate(requests):
        upload.metadata.track = f"t{number % 3}" if number < 9 else ""
    await running.upload(requests)
    whole = await running.search.SearchRegions(asked(100), timeout=DEADLINE)
    best: dict[str, str] = {}
    for hit in whole.hits:
        best.setdefault(hit.image.metadata.track or hit.id, hit.id)
    request = asked(100, group_by="track")
    grouped = await running.search.SearchRegions(request, timeout=DEADLINE)
    assert [hit.id for hit in grouped.hits] == list(best.values())
    assert [hit.others_in_group for hit in grouped.hits] == [
        2 if hit.image.metadata.track else 0 for hit in grouped.hits
    ]
    first = await page(running, group_by="track")
    second = await page(running, first.next_page_token, group_by="track")
    assert [hit.id for hit in [*first.hits, *second.hits]] == list(best.values())
    with pytest.raises(grpc.aio.AioRpcError, match="another search"):
        await page(running, first.next_page_token)
    for wrong in ("tracks", "attribute:", "track:x"):
        with pytest.raises(grpc.aio.AioRpcError, match="attribute:NAME"):
            await page(running, group_by=wrong)


async def test_a_page_whose_first_is_forgotten_says_so(filled: Running) -> None:
    first = await page(filled)
    for number in range(KEPT + 1):
        await filled.upload([gallery_pb.UpsertImagesRequest(id=f"n{number}", data=picture(9))])
        await page(filled)
    with pytest.raises(grpc.aio.AioRpcError, match="search again") as caught:
        await page(filled, first.next_page_token)
    assert caught.value.code() == grpc.StatusCode.FAILED_PRECONDITION


def test_views_are_kept_for_a_while_after_their_last_page(gallery: Gallery) -> None:
    now = [0.0]
    kept, view = KeptViews(lambda: now[0]), gallery.view
    number = kept.keep(view)
    now[0] = SECONDS - 1
    assert kept.of(number) is view
    assert kept.keep(view) == number
    now[0] += SECONDS - 1
    assert kept.of(number) is view
    now[0] += 2
    assert kept.of(number) is None


async def test_views_of_one_version_are_kept_apart(filled: Running, gallery: Gallery) -> None:
    """Compaction changes the segments of a version while pages are shown."""
    kept, before = KeptViews(), gallery.view
    after = replace(before)
    numbers = [kept.keep(before), kept.keep(after)]
    assert [kept.of(number) for number in numbers] == [before, after]
    assert [kept.keep(before), kept.keep(after)] == numbers
