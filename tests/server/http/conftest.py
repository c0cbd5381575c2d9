"""A server that answers over gRPC and over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import grpc
import httpx
import pytest
from tests.server.conftest import DEADLINE, settings, upserts

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.app import PartlensServer, create_server
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

SERVICES = "/partlens.v1."
GET_IMAGE = f"{SERVICES}GalleryService/GetImage"
GET_GALLERY = f"{SERVICES}GalleryService/GetGallery"
SEARCH = f"{SERVICES}PartSearchService/SearchRegions"
WATCH = f"{SERVICES}StandingQueryService/WatchMatches"
UPSERTS = f"{SERVICES}GalleryService/UpsertImages"


@dataclass
class Fronts:
    """A server, a gRPC channel to it and an HTTP client of it."""

    server: PartlensServer
    address: str
    channel: grpc.aio.Channel
    http: httpx.AsyncClient

    @property
    def port(self) -> int:
        """Port of HTTP."""
        port = urlsplit(str(self.http.base_url)).port
        assert port
        return port

    async def fill(self, count: int = 12) -> None:
        """Adds pictures."""
        call = GalleryServiceStub(self.channel).UpsertImages(iter(upserts(count)), timeout=DEADLINE)
        assert all([answer.HasField("committed") async for answer in call])

    async def json(self, path: str, body: object, **headers: str) -> httpx.Response:
        """A call with JSON."""
        return await self.http.post(path, json=body, headers=headers)


@asynccontextmanager
async def both(
    model: MetricModel, gallery: Gallery, **sections: dict[str, Any]
) -> AsyncIterator[Fronts]:
    """A server on free ports, over HTTP without TLS."""
    server_section: dict[str, object] = {"http_listen": "127.0.0.1:0", **sections.pop("server", {})}
    server = create_server(model, gallery, settings(server=server_section, **sections))
    address = f"127.0.0.1:{await server.start()}"
    assert server.http_url
    try:
        async with (
            grpc.aio.insecure_channel(address) as channel,
            httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE) as client,
        ):
            yield Fronts(server, address, channel, client)
    finally:
        await server.stop(0)


@pytest.fixture
async def fronts(model: MetricModel, gallery: Gallery) -> AsyncIterator[Fronts]:
    """A server over an empty gallery."""
    async with both(model, gallery) as made:
        yield made


@pytest.fixture
async def filled_fronts(fronts: Fronts) -> Fronts:
    """A server over a gallery of 12 pictures."""
    await fronts.fill()
    return fronts
