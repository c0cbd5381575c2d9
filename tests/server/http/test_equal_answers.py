"""Every method answers alike over gRPC, and over HTTP in JSON and in binary."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any, cast

import grpc
import pytest
from google.protobuf import json_format
from google.protobuf.message import Message
from google.rpc import status_pb2
from grpc_status import rpc_status  # type: ignore[import-untyped, unused-ignore]
from tests.server.conftest import DEADLINE, picture
from tests.server.http.conftest import Fronts

from partlens.server.calls.code import Code
from partlens.server.calls.method import Method
from partlens.server.handlers.table import methods
from partlens.server.http.connect_errors import HTTP_STATUS
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as report_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb

METHODS: dict[str, Method] = methods(cast("Any", None))
UNARY = sorted(path for path, method in METHODS.items() if method.kind == "unary")
BOX = region_pb.Region(box=region_pb.Box(x=3, y=2, width=12, height=20))
SHOWN = image_pb.QueryImage(data=picture(77))
STORED = image_pb.QueryImage(gallery_id="p001")
SEARCH = search_pb.SearchRegionsRequest(
    images=[SHOWN],
    regions=[search_pb.QueryRegion(region=BOX)],
    page_size=3,
    maps=["MAP_KIND_SCORE", "MAP_KIND_OVERALL", "MAP_KIND_REGIONS"],
    include_thumbnails=True,
)
PAIR = search_pb.ExplainPairRequest(
    query=SHOWN,
    retrieved=STORED,
    regions=[search_pb.PairRegion(side="PAIR_SIDE_QUERY", region=BOX)],
)
STANDING = standing_pb.CreateStandingQueryRequest(
    name="n", images=[SHOWN], regions=[search_pb.QueryRegion(region=BOX)], threshold=0.9
)
WRONG = search_pb.SearchRegionsRequest(images=[SHOWN], regions=[search_pb.QueryRegion()] * 7)
CHANGING = {
    "version",
    "galleryVersion",
    "revision",
    "createdAt",
    "createdRevision",
    "report",
    "html",
    "pdf",
}
"""Fields that differ from call to call."""
Call = Callable[[Fronts, Method, Message], Awaitable[Message | status_pb2.Status]]


def sensible(name: str, number: int, standing: list[str], query_id: str) -> Message:
    """A request for a method that changes nothing the next one needs.

    Args:
        number: of the way that it goes.
        standing: ids of standing queries, one for each way.
        query_id: of a query image that was a picture.
    """
    requests: dict[str, Message] = {
        "SearchRegions": SEARCH,
        "ExplainPair": PAIR,
        "DescribeQuery": search_pb.DescribeQueryRequest(image=STORED, regions=[BOX]),
        "UpsertImage": gallery_pb.UpsertImageRequest(id=f"new{number}", data=picture(number)),
        "GetImage": gallery_pb.GetImageRequest(id="p001"),
        "GetPicture": gallery_pb.GetPictureRequest(
            image=image_pb.QueryImage(query_id=query_id), max_side=30
        ),
        "ListImages": gallery_pb.ListImagesRequest(page_size=3, prefix="p00"),
        "GetFacets": gallery_pb.GetFacetsRequest(values=2),
        "UpdateImages": gallery_pb.UpdateImagesRequest(
            updates=[gallery_pb.ImageUpdate(id="p002", set_attributes={"hat": str(number)})]
        ),
        "DeleteImages": gallery_pb.DeleteImagesRequest(ids=[f"p{8 + number:03}"]),
        "GetGallery": gallery_pb.GetGalleryRequest(),
        "ListGalleries": gallery_pb.ListGalleriesRequest(),
        "SetGalleryAlias": gallery_pb.SetGalleryAliasRequest(alias="a", gallery="default"),
        "DeleteGalleryAlias": gallery_pb.DeleteGalleryAliasRequest(alias="a"),
        "CreateStandingQuery": STANDING,
        "ListStandingQueries": standing_pb.ListStandingQueriesRequest(),
        "UpdateStandingQuery": standing_pb.UpdateStandingQueryRequest(id=standing[0], name="m"),
        "DeleteStandingQuery": standing_pb.DeleteStandingQueryRequest(id=standing[number]),
        "ReportSearch": report_pb.ReportSearchRequest(search=SEARCH),
        "ReportPair": report_pb.ReportPairRequest(pair=PAIR),
    }
    return requests[name]


async def over_grpc(
    fronts: Fronts, method: Method, request: Message
) -> Message | status_pb2.Status:
    """The answer, or the error."""
    call: Any = fronts.channel.unary_unary(
        method.path, method.request.SerializeToString, method.response.FromString
    )
    try:
        answer: Message = await call(request, timeout=DEADLINE)
    except grpc.aio.AioRpcError as error:
        # from_call wants a call that is no coroutine; the error has the same methods.
        status: status_pb2.Status | None = rpc_status.from_call(cast("Any", error))
        assert status is not None, error
        return status
    return answer


async def over_json(
    fronts: Fronts, method: Method, request: Message
) -> Message | status_pb2.Status:
    """The same."""
    text = json_format.MessageToJson(request)
    response = await fronts.http.post(
        method.path, content=text, headers={"Content-Type": "application/json"}
    )
    if response.status_code != 200:
        return status(response.json(), response.status_code)
    assert response.headers["content-type"] == "application/json"
    return json_format.Parse(response.text, method.response())


async def over_binary(
    fronts: Fronts, method: Method, request: Message
) -> Message | status_pb2.Status:
    """The same."""
    response = await fronts.http.post(
        method.path,
        content=request.SerializeToString(),
        headers={"Content-Type": "application/proto", "Connect-Protocol-Version": "1"},
    )
    if response.status_code != 200:
        return status(response.json(), response.status_code)
    assert response.headers["content-type"] == "application/proto"
    return method.response.FromString(response.content)


def status(error: dict[str, Any], http_status: int) -> status_pb2.Status:
    """An error of Connect as gRPC has it."""
    code = next(code for code in Code if code.snake == error["code"])
    assert HTTP_STATUS[code] == http_status
    made = status_pb2.Status(message=error["message"])
    made.code = int(code)
    for detail in error.get("details", ()):
        value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
        made.details.add(type_url=f"type.googleapis.com/{detail['type']}", value=value)
        # What people read says the same as what programs read.
        packed = made.details[-1]
        unpacked = json_format.MessageToDict(packed)
        unpacked.pop("@type")
        assert unpacked == detail["debug"]
    return made


WAYS: tuple[Call, ...] = (over_grpc, over_json, over_binary)


def steady(answer: Message) -> Any:
    """An answer without what differs from call to call."""

    def cleaned(value: Any) -> Any:
        if isinstance(value, dict):
            items = ((key, cleaned(inner)) for key, inner in value.items() if key not in CHANGING)
            return {
                key: "s" if key == "id" and str(inner).startswith("s-") else inner
                for key, inner in items
            }
        return [cleaned(one) for one in value] if isinstance(value, list) else value

    return cleaned(json_format.MessageToDict(answer))


@pytest.mark.parametrize("path", UNARY, ids=lambda path: path.rpartition("/")[2])
async def test_every_method_answers_alike(filled_fronts: Fronts, path: str) -> None:
    method = METHODS[path]
    name = path.rpartition("/")[2]
    create = METHODS["/partlens.v1.StandingQueryService/CreateStandingQuery"]
    made = [await over_grpc(filled_fronts, create, STANDING) for _ in WAYS]
    standing = [cast("Any", one).standing_query.id for one in made]
    describe = METHODS["/partlens.v1.PartSearchService/DescribeQuery"]
    shown = search_pb.DescribeQueryRequest(image=SHOWN)
    described: Any = await over_grpc(filled_fronts, describe, shown)
    good = [
        await way(filled_fronts, method, sensible(name, number, standing, described.query.query_id))
        for number, way in enumerate(WAYS)
    ]
    # This server has one gallery without a name, so an alias is refused.
    assert isinstance(good[0], method.response) != name.endswith("GalleryAlias")
    assert type(good[0]) is type(good[1]) is type(good[2])
    assert steady(good[0]) == steady(good[1]) == steady(good[2])
    empty = [await way(filled_fronts, method, method.request()) for way in WAYS]
    assert type(empty[0]) is type(empty[1]) is type(empty[2])
    assert steady(empty[0]) == steady(empty[1]) == steady(empty[2])


@pytest.mark.parametrize(
    ("name", "request_", "reason"),
    [
        ("GalleryService/GetImage", gallery_pb.GetImageRequest(id="nope"), "IMAGE_UNKNOWN"),
        ("GalleryService/GetImage", gallery_pb.GetImageRequest(id=513 * "x"), "ID_INVALID"),
        ("PartSearchService/SearchRegions", WRONG, "FIELD_INVALID"),
        (
            "PartSearchService/DescribeQuery",
            search_pb.DescribeQueryRequest(image=image_pb.QueryImage(data=b"no picture")),
            "IMAGE_INVALID",
        ),
        (
            "PartSearchService/DescribeQuery",
            search_pb.DescribeQueryRequest(image=image_pb.QueryImage(query_id="q-unknown")),
            "QUERY_UNKNOWN",
        ),
        (
            "StandingQueryService/DeleteStandingQuery",
            standing_pb.DeleteStandingQueryRequest(id="s-nope"),
            "STANDING_QUERY_UNKNOWN",
        ),
    ],
)
async def test_errors_are_alike(
    filled_fronts: Fronts, name: str, request_: Message, reason: str
) -> None:
    method = METHODS[f"/partlens.v1.{name}"]
    ends = [await way(filled_fronts, method, request_) for way in WAYS]
    assert isinstance(ends[0], status_pb2.Status)
    assert ends[0] == ends[1] == ends[2]
    assert reason.encode() in ends[0].details[0].value


async def test_the_request_id_comes_back(filled_fronts: Fronts) -> None:
    for body, status in (({"id": "p001"}, 200), ({"id": "nope"}, 404)):
        response = await filled_fronts.json(
            "/partlens.v1.GalleryService/GetImage", body, **{"x-request-id": "job-7"}
        )
        assert (response.status_code, response.headers["x-request-id"]) == (status, "job-7")
    odd = await filled_fronts.json("/partlens.v1.X/Y", {}, **{"x-request-id": "a b"})
    assert len(odd.headers["x-request-id"]) == 16
