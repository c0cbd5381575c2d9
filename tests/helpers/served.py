"""A real server in its own process, with a tiny model and a gallery of drawn pictures."""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import head_modules
import numpy as np
from PIL import Image
from server_process import server_process

from partlens.client import Client, Upload
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import Gallery

DEADLINE = 60.0


def picture(seed: int, width: int = 30, height: int = 44) -> bytes:
    """An encoded picture of coarse coloured noise."""
    noise = np.random.default_rng(seed).integers(0, 256, (6, 4, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).save(out, "PNG")
    return out.getvalue()


@dataclass(frozen=True)
class Served:
    """A running server: its address and its model folder."""

    target: str
    model: Path


@contextmanager
def serving(folder: Path) -> Iterator[Served]:
    """`partlens serve` on a free port, with 30 pictures in its gallery."""
    net = head_modules.make("two branches")
    preprocessing = Preprocessing(32, 16)
    model = MetricModel.from_module(
        net, feature_layer="stem", preprocessing=preprocessing, name="tiny", licence="MIT"
    ).save(folder / "model")
    Gallery.create(folder / "gallery", model.spec).close()
    with server_process(folder / "model", folder / "gallery") as server:
        with Client(server.address) as client:
            client.wait_until_ready(DEADLINE)
            uploads = (Upload(f"{i:02}", picture(i)) for i in range(30))
            assert all(answer.committed for answer in client.upsert_images(uploads))
        yield Served(server.address, folder / "model")
