"""PartSearchService: decode, run new images through the model, call the engine, encode."""

from partlens.server.calls import call as calls
from partlens.server.calls.method import methods_of
from partlens.server.engine.engine import Engine
from partlens.server.handlers.region_requests import drawn, found
from partlens.server.host import Host
from partlens.server.messages import decoding
from partlens.server.messages.encoding import Encoder
from partlens.server.observe.tracing import tracer
from partlens.server.requests.digest import digest
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
        question, queries = await found(
            self._host,
            drawn(request),
            lambda engine: decoding.search(request, engine.limits, engine.require_waiting),
        )

        def answer(engine: Engine) -> pb.SearchRegionsResponse:
            with (
                self._host.metrics.queries.search_seconds.time(),
                tracer.start_as_current_span("search"),
            ):
                found = engine.search(question, queries)
            unreadable = sum(match.candidate.unreadable for match in found.matches)
            self._host.metrics.queries.unreadable_thumbnails.inc(unreadable)
            calls.current().note(
                query=found.asked, gallery_version=found.gallery_version, hits=len(found.matches)
            )
            return Encoder(engine.spec).search(question, found)

        return await self._host.run(answer)

    async def explain_pair(self, request: pb.ExplainPairRequest) -> pb.ExplainPairResponse:
        """The similarity of two images, decomposed by position."""
        question, (query, retrieved) = await found(
            self._host,
            (region.region for region in request.regions),
            lambda engine: decoding.pair(
                request, engine.limits, engine.spec.grid, engine.require_waiting
            ),
        )

        def answer(engine: Engine) -> pb.ExplainPairResponse:
            explained = engine.explain(question, query, retrieved)
            calls.current().note(query=explained.asked, gallery_version=engine.gallery.view.number)
            return Encoder(engine.spec).pair(explained)

        return await self._host.run(answer)

    async def describe_query(self, request: pb.DescribeQueryRequest) -> pb.DescribeQueryResponse:
        """Runs one image through the model and keeps it under a query id."""
        question, (query,) = await found(
            self._host,
            request.regions,
            lambda engine: decoding.describe(request, engine.limits, engine.require_waiting),
        )

        def answer(engine: Engine) -> pb.DescribeQueryResponse:
            described = engine.describe(question, query)
            calls.current().note(query=digest(query.id), gallery_version=engine.gallery.view.number)
            return Encoder(engine.spec).describe(described)

        return await self._host.run(answer)
