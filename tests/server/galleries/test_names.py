"""Every call is answered by the gallery that it names, and by none that its caller may not use."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from tests.server.conftest import DEADLINE, picture
from tests.server.galleries.conftest import PREFIX, Two, serving, upserts
from tests.server.test_bad_input import failure, reason

from partlens.explainer.model import MetricModel
from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import create
from partlens.server.calls.method import methods_of
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as report_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb

FILES = (pb, search_pb, standing_pb, report_pb)
BOX = region_pb.Region(box=region_pb.Box(x=4, y=4, width=24, height=30))
OF_NONE = {"ListGalleries", "SetGalleryAlias", "DeleteGalleryAlias"}
"""Methods about the server's galleries, not about one."""


def methods() -> list[Any]:
    """Every method of every service, with its messages."""
    services = [one for file in FILES for one in file.DESCRIPTOR.services_by_name.values()]
    return [
        method
        for service in services
        for method in methods_of(
            service, {one.name: lambda: None for one in service.methods}
        ).values()
    ]


def naming(method: Any, gallery: str) -> Any:
    """A request of a method that names a gallery, and is otherwise as small as it can be."""
    request: Any = method.request()
    inner = {"ReportSearch": "search", "ReportPair": "pair"}.get(method.path.split("/")[-1])
    (getattr(request, inner) if inner else request).gallery = gallery
    if method.path.endswith("DeleteImages"):
        request.ids.append("x")
    if method.path.endswith("UpdateStandingQuery"):
        request.paused = True
    return request


def stub(channel: grpc.aio.Channel, method: Any) -> Any:
    kinds = {
        "unary": channel.unary_unary,
        "server_stream": channel.unary_stream,
        "bidi_stream": channel.stream_stream,
    }
    return kinds[method.kind](
        method.path,
        request_serializer=method.request.SerializeToString,
        response_deserializer=method.response.FromString,
    )


def search(gallery: str, **fields: Any) -> search_pb.SearchRegionsRequest:
    return search_pb.SearchRegionsRequest(
        images=[image_pb.QueryImage(data=picture(100))],
        regions=[search_pb.QueryRegion(region=BOX)],
        gallery=gallery,
        **fields,
    )


async def test_every_method_refuses_an_unknown_gallery_and_names_those_that_exist(
    two: Two,
) -> None:
    tried = 0
    for method in methods():
        if method.path.split("/")[-1] in OF_NONE:
            continue
        request, call = naming(method, "pepole"), stub(two.channel, method)

        async def ask(request: Message = request, call: Any = call, kind: str = method.kind) -> Any:
            if kind == "unary":
                return await call(request, timeout=DEADLINE)
            given = iter([request]) if kind == "bidi_stream" else request
            return [one async for one in call(given, timeout=DEADLINE)]

        code, status = await failure(ask)
        assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "GALLERY_UNKNOWN"), method.path
        assert "'pepole'" in status.message and "people, people-v2" in status.message
        tried += 1
    assert tried >= 18


@pytest.mark.parametrize("asked", ["", "people", "people-v2"])
async def test_a_call_sees_only_the_gallery_that_it_names(two: Two, asked: str) -> None:
    own = asked or "people"
    found = await two.search.SearchRegions(search(asked, page_size=20), timeout=DEADLINE)
    listed = await two.gallery.ListImages(pb.ListImagesRequest(gallery=asked), timeout=DEADLINE)
    ids = {f"{PREFIX[own]}{i:03}" for i in range(12)}
    assert {hit.id for hit in found.hits} == ids == {one.id for one in listed.images}
    assert found.gallery == own == await two.answering(asked)
    facets = await two.gallery.GetFacets(pb.GetFacetsRequest(gallery=asked), timeout=DEADLINE)
    assert facets.images == 12
    first = sorted(ids)[0]
    asked_for = pb.GetImageRequest(id=first, gallery=asked)
    assert (await two.gallery.GetImage(asked_for, timeout=DEADLINE)).image.id == first
    rows = found.hits[0].map.rows
    assert rows == {"people": 8, "people-v2": 12}[own]


async def test_deleting_and_adding_leave_the_other_gallery_alone(two: Two) -> None:
    gone = pb.DeleteImagesRequest(ids=["b000", "a000"], gallery="people-v2")
    assert (await two.gallery.DeleteImages(gone, timeout=DEADLINE)).deleted == 1
    one = upserts("people-v2", range(20, 21))[0]
    request = pb.UpsertImageRequest(id=one.id, data=one.data, gallery="people-v2")
    answer = await two.gallery.UpsertImage(request, timeout=DEADLINE)
    assert answer.committed.gallery == "people-v2"
    counts = [
        (await two.gallery.GetGallery(pb.GetGalleryRequest(gallery=name), timeout=DEADLINE)).images
        for name in ("people", "people-v2")
    ]
    assert counts == [12, 12]


async def test_a_stream_of_uploads_is_for_one_gallery(two: Two) -> None:
    first, second = upserts("people-v2", range(30, 32))
    second.gallery = ""
    other = upserts("people", range(32, 33))[0]
    answers = await two.upload([first, second, other])
    assert [one.committed.gallery for one in answers[:2]] == ["people-v2"] * 2
    assert answers[2].refused.reason == "FIELD_INVALID"
    assert "people-v2" in answers[2].refused.message


async def test_a_query_id_of_another_model_is_refused_with_the_gallery(two: Two) -> None:
    found = await two.search.SearchRegions(search("people"), timeout=DEADLINE)
    request = search("people-v2")
    request.images[0].CopyFrom(image_pb.QueryImage(query_id=found.queries[0].query_id))
    code, status = await failure(lambda: two.search.SearchRegions(request, timeout=DEADLINE))
    assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "QUERY_UNKNOWN")
    assert "in gallery 'people-v2'" in status.message


async def test_a_page_token_is_for_its_gallery(two: Two) -> None:
    first = await two.search.SearchRegions(search("people", page_size=3), timeout=DEADLINE)
    request = search("people-v2", page_size=3, page_token=first.next_page_token)
    code, status = await failure(lambda: two.search.SearchRegions(request, timeout=DEADLINE))
    assert (code, reason(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")
    listed = await two.gallery.ListImages(
        pb.ListImagesRequest(gallery="people", page_size=3), timeout=DEADLINE
    )
    again = pb.ListImagesRequest(
        gallery="people-v2", page_size=3, page_token=listed.next_page_token
    )
    code, status = await failure(lambda: two.gallery.ListImages(again, timeout=DEADLINE))
    assert (code, reason(status)) == (grpc.StatusCode.INVALID_ARGUMENT, "PAGE_TOKEN_INVALID")


async def test_a_token_is_confined_to_its_galleries(
    models: dict[str, MetricModel], tmp_path: Path
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    texts: dict[tuple[str, ...], str] = {}
    for galleries in ((), ("people-v2",)):
        made, text = create("x", frozenset(("search", "admin")), galleries=frozenset(galleries))
        file.add(made)
        texts[galleries] = text
    assert json.loads(file.path.read_text())["format"] == 2

    def given(*galleries: str) -> Callable[[Any, Message], Any]:
        metadata = (("authorization", f"Bearer {texts[galleries]}"),)
        return lambda method, request: method(request, timeout=DEADLINE, metadata=metadata)

    async with serving(models, tmp_path, access={"tokens": file.path}) as two:
        confined, free = given("people-v2"), given()
        for name in ("", "people", "nothing"):
            ask = pb.GetGalleryRequest(gallery=name)
            code, status = await failure(partial(confined, two.gallery.GetGallery, ask))
            assert (code, reason(status)) == (grpc.StatusCode.NOT_FOUND, "GALLERY_UNKNOWN")
            assert status.message.endswith("you may use people-v2")
        seen = await confined(two.gallery.GetGallery, pb.GetGalleryRequest(gallery="people-v2"))
        assert list(seen.caller.galleries) == ["people-v2"]
        names = [
            [
                one.name
                for one in (
                    await ask(two.gallery.ListGalleries, pb.ListGalleriesRequest())
                ).galleries
            ]
            for ask in (confined, free)
        ]
        assert names == [["people-v2"], ["people", "people-v2"]]
        move = pb.SetGalleryAliasRequest(alias="people-v2", gallery="people")
        code, _ = await failure(lambda: confined(two.gallery.SetGalleryAlias, move))
        assert code == grpc.StatusCode.PERMISSION_DENIED
        # The alias decides what a confined caller sees, so that a token needs no change.
        await free(two.gallery.SetGalleryAlias, move)
        seen = await confined(two.gallery.GetGallery, pb.GetGalleryRequest(gallery="people-v2"))
        assert seen.gallery == "people"


async def test_a_server_of_one_gallery_has_no_aliases(running: Any) -> None:
    seen = await running.gallery.GetGallery(pb.GetGalleryRequest(), timeout=DEADLINE)
    assert seen.gallery == "default"
    request = pb.SetGalleryAliasRequest(alias="people", gallery="default")
    code, status = await failure(lambda: running.gallery.SetGalleryAlias(request, timeout=DEADLINE))
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "--gallery NAME=PATH" in status.message


async def test_what_is_written_names_the_gallery(two: Two, tmp_path: Path) -> None:
    await two.search.SearchRegions(search("people-v2"), timeout=DEADLINE)
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    (line,) = [one for one in lines if one.get("method") == "SearchRegions"]
    assert line["gallery"] == "people-v2"
    value = two.server.metrics.registry.get_sample_value
    assert value("partlens_search_seconds_count", {"gallery": "people-v2"}) == 1
    assert [value("partlens_gallery_images", {"gallery": one}) for one in PREFIX] == [12, 12]
