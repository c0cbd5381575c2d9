"""PartSearchService: decode, run new images through the model, call the engine, encode."""

from collections.abc import Sequence

from partlens.server.calls import call as calls
from partlens.server.calls.method import methods_of
from partlens.server.engine.engine import Engine
from partlens.server.galleries.served import ServedGallery
from partlens.server.handlers.region_requests import answered, drawn
from partlens.server.host import Host
from partlens.server.messages import decoding
from partlens.server.observe.tracing import tracer
from partlens.server.pages import page_tokens
from partlens.server.query_images.query import Query
from partlens.server.requests.digest import digest
from partlens.server.requests.questions import DescribeQuestion, PairQuestion, SearchQuestion
from partlens.v1 import part_search_service_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["PartSearchService"]


class PartSearchHandlers:
    """Finds images by their parts, and explains why two images are similar.

    The errors of the methods reach the caller through calls/.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.methods = methods_of(
            SERVICE,
            {
                "SearchRegions": self.search_regions,
                "ExplainPair": self.explain_pair,
                "DescribeQuery": self.describe_query,
            },
        )

    async def search_regions(self, request: pb.SearchRegionsRequest) -> pb.SearchRegionsResponse:
        """The gallery's images that contain parts similar to the regions, best first."""
        earlier, request.page_token = page_tokens.split(request.page_token)
        return await searched(self._host.directory.of(request.gallery, earlier), request)

    async def explain_pair(self, request: pb.ExplainPairRequest) -> pb.ExplainPairResponse:
        """The similarity of two images, decomposed by position."""
        return await explained(self._host.directory.of(request.gallery), request)

    async def describe_query(self, request: pb.DescribeQueryRequest) -> pb.DescribeQueryResponse:
        """Runs one image through the model and keeps it under a query id."""
        return await described(self._host.directory.of(request.gallery), request)


async def searched(
    gallery: ServedGallery, request: pb.SearchRegionsRequest
) -> pb.SearchRegionsResponse:
    """Searches a gallery, whatever the request names."""
    metrics = gallery.metrics.queries

    def answer(
        engine: Engine, question: SearchQuestion, queries: Sequence[Query]
    ) -> pb.SearchRegionsResponse:
        with (
            metrics.search_seconds.labels(gallery.name).time(),
            tracer.start_as_current_span("search"),
        ):
            found = engine.search(question, queries)
        calls.current().note(
            query=found.asked, gallery_version=found.gallery_version, hits=len(found.matches)
        )
        if found.shards_ok < found.shards_total:
            gallery.metrics.shards.partial.labels(gallery.name).inc()
        unreadable = sum(match.candidate.unreadable for match in found.matches)
        metrics.unreadable_thumbnails.inc(unreadable)
        response = gallery.encoder.search(question, found)
        response.gallery = gallery.name
        response.next_page_token = page_tokens.of_gallery(gallery.name, found.next_page_token)
        return response

    return await answered(
        gallery,
        drawn(request),
        lambda engine: decoding.search(request, engine.limits, engine.require_waiting),
        answer,
    )


async def explained(
    gallery: ServedGallery, request: pb.ExplainPairRequest
) -> pb.ExplainPairResponse:
    """Explains a pair with a gallery and its model, whatever the request names."""

    def answer(
        engine: Engine, question: PairQuestion, queries: Sequence[Query]
    ) -> pb.ExplainPairResponse:
        query, retrieved = queries
        explained = engine.explain(question, query, retrieved)
        calls.current().note(query=explained.asked, gallery_version=engine.gallery.view.number)
        return gallery.encoder.pair(explained)

    return await answered(
        gallery,
        (region.region for region in request.regions),
        lambda engine: decoding.pair(
            request, engine.limits, engine.spec.grid, engine.require_waiting
        ),
        answer,
    )


async def described(
    gallery: ServedGallery, request: pb.DescribeQueryRequest
) -> pb.DescribeQueryResponse:
    """Describes an image with a gallery's model, whatever the request names."""

    def answer(
        engine: Engine, question: DescribeQuestion, queries: Sequence[Query]
    ) -> pb.DescribeQueryResponse:
        (query,) = queries
        described = engine.describe(question, query)
        calls.current().note(query=digest(query.id), gallery_version=engine.gallery.view.number)
        return gallery.encoder.describe(described)

    return await answered(
        gallery,
        request.regions,
        lambda engine: decoding.describe(request, engine.limits, engine.require_waiting),
        answer,
    )
