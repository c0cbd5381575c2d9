"""What a server of an earlier version ignores is an error, where its answer shows that."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from partlens.client import (
    Client,
    Filter,
    GalleryImageId,
    Mark,
    PairSelection,
    QueryRegion,
    ServerError,
    Upload,
    Whole,
)
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1.gallery_service_pb2_grpc import (
    GalleryServiceServicer,
    add_GalleryServiceServicer_to_server,
)
from partlens.v1.image_pb2 import ActivationMap, DescribedQuery, GalleryImage
from partlens.v1.part_search_service_pb2_grpc import (
    PartSearchServiceServicer,
    add_PartSearchServiceServicer_to_server,
)

PICTURE, REGIONS = [b"picture"], [QueryRegion(Whole())]


class _Search(PartSearchServiceServicer):
    """Knows no marks, no ids in a filter, and no pairs of positions."""

    def SearchRegions(
        self, request: search_pb.SearchRegionsRequest, context: grpc.ServicerContext
    ) -> search_pb.SearchRegionsResponse:
        hits = [search_pb.Hit(id=id) for id in "ab"]
        return search_pb.SearchRegionsResponse(hits=hits, gallery_version=1)

    def ExplainPair(
        self, request: search_pb.ExplainPairRequest, context: grpc.ServicerContext
    ) -> search_pb.ExplainPairResponse:
        map, query = ActivationMap(rows=1, cols=1, values=[0]), DescribedQuery(rows=1, cols=1)
        return search_pb.ExplainPairResponse(
            query_map=map, query_map_with_bias=map, retrieved_map=map, retrieved_map_with_bias=map,
            query=query, retrieved=query,
        )  # fmt: skip


class _Gallery(GalleryServiceServicer):
    """Knows no filter and no thumbnails in a list."""

    def ListImages(
        self, request: gallery_pb.ListImagesRequest, context: grpc.ServicerContext
    ) -> gallery_pb.ListImagesResponse:
        return gallery_pb.ListImagesResponse(images=[GalleryImage(id=id) for id in "ab"])

    def GetGallery(
        self, request: gallery_pb.GetGalleryRequest, context: grpc.ServicerContext
    ) -> gallery_pb.GetGalleryResponse:
        return gallery_pb.GetGalleryResponse(version=1, images=2)


@pytest.fixture
def client() -> Iterator[Client]:
    server = grpc.server(ThreadPoolExecutor(1))
    add_PartSearchServiceServicer_to_server(_Search(), server)
    add_GalleryServiceServicer_to_server(_Gallery(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with Client(f"127.0.0.1:{port}", deadline=20) as client:
            yield client
    finally:
        server.stop(0).wait(20)


def test_a_search(client: Client) -> None:
    assert len(client.search_regions(PICTURE, REGIONS).hits) == 2
    with pytest.raises(ServerError, match="too old for marks"):
        client.search_regions(PICTURE, REGIONS, marks=[Mark(GalleryImageId("03"))])
    with pytest.raises(ServerError, match="too old for ids in a filter"):
        client.search_regions(PICTURE, REGIONS, where=Filter(ids=["a"]))
    assert client.search_regions(PICTURE, REGIONS, where=Filter(ids=["a", "b", "c"])).hits


def test_an_explanation(client: Client) -> None:
    assert client.explain_pair(b"a", b"b").pairs is None
    with pytest.raises(ServerError, match="too old for pairs of positions"):
        client.explain_pair(b"a", b"b", pairs=PairSelection())


def test_a_list(client: Client) -> None:
    for where in (None, Filter()):
        assert [one.id for one in client.list_images(where=where)] == ["a", "b"]
    with pytest.raises(ServerError, match="too old for the filter or prefix of a list"):
        next(client.list_images(where=Filter(cameras=["gate"])))
    with pytest.raises(ServerError, match="too old for the filter or prefix of a list"):
        next(client.list_images(prefix="a"))
    with pytest.raises(ServerError, match="too old for thumbnails"):
        next(client.list_images(thumbnails=True))
    gallery = client.get_gallery()
    assert (gallery.caller, gallery.server_version, gallery.indexing) == (None, "", None)


def test_the_name_of_a_gallery(client: Client) -> None:
    """A server that ignores it would answer from its only gallery."""
    for ask in (
        lambda: client.search_regions(PICTURE, REGIONS, gallery="people"),
        lambda: client.upsert_images([Upload("a", b"picture")], gallery="people"),
        lambda: list(client.watch_matches(gallery="people")),
    ):
        with pytest.raises(ServerError, match="too old for named galleries"):
            ask()
