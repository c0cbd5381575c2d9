"""A contender in a search benchmark: a server in another process."""

from collections.abc import Sequence
from typing import Any

from grpc_health.v1 import health_pb2
from grpc_health.v1.health_pb2_grpc import HealthStub

from partlens.client.channel import open_channel, route
from partlens.indexer.bench.contenders import TOP
from partlens.indexer.bench.synthetic import Query
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub

_DEADLINE = 60.0


class ThroughGrpc:
    """A server on loopback; queries name the image by its gallery id."""

    def __init__(self, address: str) -> None:
        # Each client has its own connection, as separate programs would.
        own = (("grpc.use_local_subchannel_pool", 1),)
        channel = open_channel(route(address), more=own)
        self._search = PartSearchServiceStub(channel)
        self._health: Any = HealthStub(channel)

    def search(self, query: Query) -> Sequence[str]:
        """Search by CONTEXT, with maps and thumbnails."""
        x, y, width, height = query.box
        box = region_pb.Box(x=x, y=y, width=width, height=height)
        region = search_pb.QueryRegion(region=region_pb.Region(box=box))
        request = search_pb.SearchRegionsRequest(
            images=[image_pb.QueryImage(gallery_id=query.id)],
            regions=[region],
            page_size=TOP,
            include_thumbnails=True,
        )
        answer = self._search.SearchRegions(request, timeout=_DEADLINE)
        return [hit.id for hit in answer.hits]

    def check_health(self) -> None:
        """Ask the server whether it serves."""
        self._health.Check(health_pb2.HealthCheckRequest(), timeout=_DEADLINE)
