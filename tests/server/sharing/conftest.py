"""Servers that share a Redis."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
from redis_server import RedisServer
from tests.server.conftest import Running, settings

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.app import create_server
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub


@asynccontextmanager
async def replicas(
    model: MetricModel,
    gallery: Gallery,
    folder: Path,
    store: RedisServer,
    count: int = 2,
    redis: Mapping[str, object] = {},
) -> AsyncIterator[list[Running]]:
    """Servers of one gallery that share a Redis; the first is the one over the given object."""
    async with AsyncExitStack() as stack:
        made = []
        for number in range(count):
            used = settings(
                redis={**store.values, "prefix": folder.name, **redis},
                access={"audit_log": folder / f"{number}.jsonl"},
            )
            opened = gallery if number == 0 else Gallery.open(gallery.path, model.spec)
            server = create_server(model, opened, used)
            address = f"127.0.0.1:{await server.start()}"
            stack.push_async_callback(server.stop, 0)
            channel = await stack.enter_async_context(grpc.aio.insecure_channel(address))
            stubs = PartSearchServiceStub(channel), GalleryServiceStub(channel)
            made.append(Running(server, address, channel, *stubs))
        yield made
