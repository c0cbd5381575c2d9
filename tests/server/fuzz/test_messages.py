"""Thousands of requests of every method that a server has, most of them damaged or made up."""

from functools import partial
from typing import Any

import grpc
import pytest
from fuzz_messages import Values, case
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pool import Default
from google.protobuf.field_mask_pb2 import FieldMask
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection_pb2_grpc import ServerReflectionStub
from tests.server.conftest import DEADLINE, picture, upserts
from tests.server.fuzz.conftest import Cases, Target
from tests.server.test_bad_input import bomb

from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import report_service_pb2 as report_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub

# The server's only gallery has no name, so that none can be an alias.
OF_NAMED_GALLERIES = {
    f"/partlens.v1.GalleryService/{name}" for name in ("SetGalleryAlias", "DeleteGalleryAlias")
}
IDS = [b"p%03d" % i for i in range(12)]
PICTURES = [picture(i, 20 + i, 30 - i, kind) for i, kind in enumerate(("PNG", "JPEG", "WEBP"))]
BOX = region_pb.Region(box=region_pb.Box(x=3, y=2, width=12, height=20))
SHOWN = image_pb.QueryImage(data=PICTURES[0])
STORED = image_pb.QueryImage(gallery_id="p001")
SEARCH = pb.SearchRegionsRequest(
    images=[SHOWN],
    regions=[pb.QueryRegion(region=BOX)],
    page_size=2,
    maps=["MAP_KIND_SCORE", "MAP_KIND_OVERALL"],
)
STANDING = standing_pb.CreateStandingQueryRequest(
    name="n", images=[SHOWN], regions=[pb.QueryRegion(region=BOX)], threshold=0.9
)
REQUESTS = [
    SEARCH,
    pb.SearchRegionsRequest(
        images=[STORED], regions=[pb.QueryRegion(region=BOX)], score="SCORE_KIND_PART"
    ),
    pb.ExplainPairRequest(
        query=SHOWN, retrieved=STORED, regions=[pb.PairRegion(side="PAIR_SIDE_QUERY", region=BOX)]
    ),
    pb.ExplainPairRequest(
        query=STORED,
        retrieved=SHOWN,
        pairs=pb.PairSelection(side="PAIR_SIDE_RETRIEVED", positions=[5, 0, 31]),
    ),
    pb.DescribeQueryRequest(image=STORED, regions=[BOX]),
    report_pb.ReportSearchRequest(search=SEARCH, title="Case 7"),
    report_pb.ReportPairRequest(
        pair=pb.ExplainPairRequest(query=SHOWN, retrieved=STORED), format="REPORT_FORMAT_HTML"
    ),
    *upserts(12),
    STANDING,
    standing_pb.ListStandingQueriesRequest(),
    standing_pb.WatchMatchesRequest(),
    standing_pb.UpdateStandingQueryRequest(id="s-0", name="n", threshold=0.5, paused=True),
    gallery_pb.GetImageRequest(id="p001"),
    gallery_pb.UpsertImageRequest(id="p004", data=PICTURES[0], uri="file:///etc/passwd"),
    gallery_pb.GetPictureRequest(image=STORED, max_side=20),
    gallery_pb.GetPictureRequest(image=image_pb.QueryImage(query_id="q")),
    gallery_pb.GetFacetsRequest(filter=image_pb.Filter(cameras=["cam1"]), values=3),
    gallery_pb.ListImagesRequest(page_size=3),
    gallery_pb.ListImagesRequest(
        filter=image_pb.Filter(ids=["p001"], attributes={"parity": "1"}), include_thumbnails=True
    ),
    gallery_pb.UpdateImagesRequest(
        updates=[
            gallery_pb.ImageUpdate(
                id="p002",
                metadata=image_pb.ImageMetadata(camera="cam1"),
                update_mask=FieldMask(paths=["metadata.camera", "uri"]),
                set_attributes={"parity": "0"},
                remove_attributes=["hat"],
                expected_revision=1,
            )
        ]
    ),
    gallery_pb.ListImagesRequest(
        filter=image_pb.Filter(
            any_of=[image_pb.Filter(cameras=["cam1"])],
            none_of=[
                image_pb.Filter(
                    attribute_conditions=[
                        image_pb.AttributeCondition(
                            name="parity", numbers=image_pb.NumberRange(gte=1, lt=2)
                        )
                    ]
                )
            ],
        )
    ),
    gallery_pb.DeleteImagesRequest(ids=["p003"]),
    health_pb2.HealthCheckRequest(service="partlens.v1.GalleryService"),
    reflection_pb2.ServerReflectionRequest(list_services=""),
]


def methods(address: str) -> list[MethodDescriptor]:
    """Every method that the server says it has."""
    asked = iter([reflection_pb2.ServerReflectionRequest(list_services="")])
    with grpc.insecure_channel(address) as channel:
        stub: Any = ServerReflectionStub(channel)
        (answer,) = stub.ServerReflectionInfo(asked, timeout=DEADLINE)
    services = sorted(one.name for one in answer.list_services_response.service)
    assert len(services) >= 4
    found = [method for name in services for method in Default().FindServiceByName(name).methods]
    # grpcio's health has no List for asyncio.
    return [method for method in found if method.full_name != "grpc.health.v1.Health.List"]


def good(address: str) -> Values:
    """Values that make sense, by field; some of them only this server can give."""
    with grpc.insecure_channel(address) as channel:
        list(GalleryServiceStub(channel).UpsertImages(iter(upserts(12)), timeout=DEADLINE))
        page = PartSearchServiceStub(channel).SearchRegions(SEARCH, timeout=DEADLINE)
        create = StandingQueryServiceStub(channel).CreateStandingQuery
        made = [create(STANDING, timeout=DEADLINE) for _ in range(4)]  # some will be deleted
    assert page.next_page_token
    standing = [one.standing_query.id.encode() for one in made]
    cameras, queries = [b"cam0", b"cam1"], [page.queries[0].query_id.encode()]
    return {
        "id": [*IDS, *standing],
        "standing_query_ids": standing,
        "ids": IDS,
        "gallery_id": IDS,
        "exclude_ids": IDS,
        "query_id": queries,
        "data": [*PICTURES, bomb(), PICTURES[0][:99], bytes(300_000)],
        "png": [PICTURES[0], bomb()],
        "bits": [b"\xff" * 8, b"\x01"],
        "page_token": [page.next_page_token.encode(), b""],
        "camera": cameras,
        "cameras": cameras,
        "exclude_cameras": cameras,
        "track": [b"t"],
        "key": [b"parity"],
        "value": [b"0", b"1"],
        "group_by": [b"camera", b"track", b"attribute:parity", b""],
        "service": [b"partlens.v1.GalleryService", b""],
    }


# 10,000 calls take a minute alone, and longer beside other work.
@pytest.mark.timeout(400)
def test_no_request_harms_the_server(target: Target, cases: Cases) -> None:
    every, before = methods(target.server.address), target.search()
    known: dict[str, list[bytes]] = {}
    for request in REQUESTS:
        known.setdefault(request.DESCRIPTOR.full_name, []).append(request.SerializeToString())
    made = partial(case, methods=every, known=known, good=good(target.server.address))
    target.calls(cases, lambda number: made(cases.seed, number))
    assert target.search() == before
    # What is refused at the door alone would try nothing.
    answered = {path for path, code in target.ended if code in ("OK", "DEADLINE_EXCEEDED")}
    refused = {path for path, code in target.ended if code == "INVALID_ARGUMENT"}
    paths = {f"/{one.containing_service.full_name}/{one.name}" for one in every}
    if len(cases.numbers) >= 1000:
        assert paths <= refused and paths - answered <= OF_NAMED_GALLERIES
