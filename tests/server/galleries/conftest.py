"""A server of two galleries of different models: `people` (ids a..., the default) and `people-v2`
(ids b...)."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from tests.server.conftest import DEADLINE, Running, picture, settings, tiny_model

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.app import PartlensServer
from partlens.server.engine.engine import Engine
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub

NAMES = ("people", "people-v2")
PREFIX: dict[str, str] = dict(zip(NAMES, "ab", strict=True))
"""Gallery -> what the ids of its images begin with."""


@dataclass
class Two(Running):
    """A server of two galleries."""

    standing: StandingQueryServiceStub

    async def move(self, alias: str, gallery: str) -> pb.SetGalleryAliasResponse:
        """Move an alias."""
        request = pb.SetGalleryAliasRequest(alias=alias, gallery=gallery)
        return await self.gallery.SetGalleryAlias(request, timeout=DEADLINE)  # type: ignore[no-any-return]

    async def answering(self, name: str) -> str:
        """Own name of the gallery that a name leads to."""
        request = pb.GetGalleryRequest(gallery=name)
        return str((await self.gallery.GetGallery(request, timeout=DEADLINE)).gallery)


@pytest.fixture(scope="session")
def models(model: MetricModel) -> dict[str, MetricModel]:
    """The models of the galleries; their grids differ too."""
    return {"people": model, "people-v2": tiny_model("newer", seed=1, size=(48, 24))}


def upserts(gallery: str, numbers: range) -> list[pb.UpsertImagesRequest]:
    """Requests that add pictures to a gallery."""
    prefix = PREFIX.get(gallery, "a")
    return [
        pb.UpsertImagesRequest(id=f"{prefix}{i:03}", data=picture(i), gallery=gallery)
        for i in numbers
    ]


@asynccontextmanager
async def serving(
    models: dict[str, MetricModel], folder: Path, images: int = 0, **sections: dict[str, object]
) -> AsyncIterator[Two]:
    """The server, with pictures in both galleries."""
    used = settings(**sections)

    def make(name: str) -> Engine:
        path, model = folder / name, models[name]
        if not path.exists():
            Gallery.create(path, model.spec).close()
        return Engine(model, Gallery.open(path, model.spec), used.limits)

    server = PartlensServer(
        {name: lambda name=name: make(name) for name in models},  # type: ignore[misc]
        used,
        audit_log=folder / "audit.jsonl",
        aliases=folder / "aliases.json",
    )
    address = f"127.0.0.1:{await server.start()}"
    async with grpc.aio.insecure_channel(address) as channel:
        running = Two(
            server,
            address,
            channel,
            PartSearchServiceStub(channel),
            GalleryServiceStub(channel),
            StandingQueryServiceStub(channel),
        )
        try:
            for name in models if images else ():
                answers = await running.upload(upserts(name, range(images)))
                assert [one.committed.gallery for one in answers] == [name] * images
            yield running
        finally:
            await server.stop(0)


@pytest.fixture
async def two(models: dict[str, MetricModel], tmp_path: Path) -> AsyncIterator[Two]:
    """The server, with 12 pictures in each gallery."""
    async with serving(models, tmp_path, images=12) as running:
        yield running
