"""A real server in process, over a tiny live model and a gallery on disk."""

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.settings import Settings
from partlens.server.app import PartlensServer, create_server
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub

DEADLINE = 20.0


def settings(**sections: dict[str, object]) -> Settings:
    """Settings of a server of tests: a free port and small limits, unless given."""
    limits = {
        "request_bytes": 256 * 1024,
        "image_pixels": 250_000,
        "kept_queries": 4,
        "regions": 6,
        "query_images": 3,
    }
    return Settings.model_validate(
        sections
        | {
            "server": {"listen": "127.0.0.1:0"} | sections.get("server", {}),
            "limits": limits | sections.get("limits", {}),
        }
    )


SETTINGS = settings()
LIMITS = SETTINGS.limits


class TinyNet(nn.Module):
    """Two convolutions, then a head of average pooling, a linear layer and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU(), nn.Conv2d(8, 12, 3, padding=1)
        )
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.embed = nn.Linear(12, 6)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.embed(self.pool(self.features(pixels)).flatten(1))
        return embedded


def tiny_model(name: str = "tiny", seed: int = 0, size: tuple[int, int] = (32, 16)) -> MetricModel:
    """A live model; another seed gives other weights.

    Args:
        size: (height, width) of its input; its grid has a fourth of them, usually 8x4.
    """
    torch.manual_seed(seed)
    preprocessing = Preprocessing(*size)
    return MetricModel.from_module(
        TinyNet().eval(), feature_layer="features", preprocessing=preprocessing, name=name
    )


def picture(seed: int, width: int = 40, height: int = 60, kind: str = "PNG") -> bytes:
    """An encoded picture of coarse coloured noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(out, kind)
    return out.getvalue()


@dataclass
class Running:
    """A server, and the stubs that reach it."""

    server: PartlensServer
    address: str
    channel: grpc.aio.Channel
    search: PartSearchServiceStub
    gallery: GalleryServiceStub

    async def upload(
        self, requests: list[gallery_pb.UpsertImagesRequest]
    ) -> list[gallery_pb.UpsertImagesResponse]:
        """Every answer to a stream of these requests."""
        call = self.gallery.UpsertImages(iter(requests), timeout=DEADLINE)
        return [answer async for answer in call]


@pytest.fixture(scope="session")
def model() -> MetricModel:
    return tiny_model()


@pytest.fixture
def gallery(tmp_path: Path, model: MetricModel) -> Gallery:
    return Gallery.create(tmp_path / "gallery", model.spec)


def upserts(count: int) -> list[gallery_pb.UpsertImagesRequest]:
    """Requests that add count pictures with ids p000, p001, ..., at one of two cameras."""
    requests = []
    for i in range(count):
        request = gallery_pb.UpsertImagesRequest(id=f"p{i:03}", data=picture(i), uri=f"f/{i}.png")
        request.metadata.camera = f"cam{i % 2}"
        request.metadata.attributes["parity"] = str(i % 2)
        request.metadata.captured_at.seconds = 1_700_000_000 + i
        requests.append(request)
    return requests


@asynccontextmanager
async def reached(server: PartlensServer) -> AsyncIterator[Running]:
    """Starts a server, and stops it at the end."""
    address = f"127.0.0.1:{await server.start()}"
    async with grpc.aio.insecure_channel(address) as channel:
        stubs = PartSearchServiceStub(channel), GalleryServiceStub(channel)
        yield Running(server, address, channel, *stubs)
    await server.stop(0)


@pytest.fixture
async def running(model: MetricModel, gallery: Gallery) -> AsyncIterator[Running]:
    """A server over an empty gallery."""
    async with reached(create_server(model, gallery, SETTINGS)) as one:
        yield one


@pytest.fixture
async def filled(running: Running) -> Running:
    """A server over a gallery of 12 pictures."""
    answers = await running.upload(upserts(12))
    assert all(answer.HasField("committed") for answer in answers)
    return running
