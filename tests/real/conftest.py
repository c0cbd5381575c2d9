"""The three real models, imported and served as a user would, each over a small real gallery."""

import asyncio
import csv
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from typing import Any

import click
import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner
from numpy.typing import NDArray

from partlens.client import Client
from partlens.explainer.architectures.mobilefacenet import MobileFaceNet
from partlens.explainer.cli import model as model_command
from partlens.explainer.model import MetricModel
from partlens.indexer.cli import index
from partlens.indexer.gallery import Gallery
from partlens.server.app import create_server

DEADLINE = 30.0
GALLERY = 16
Array = NDArray[np.float32]


@dataclass(frozen=True)
class Source:
    """A real model and real images of its kind.

    Attributes:
        images: folder below the data.
        arguments: of `partlens model import`; {data} is where the data lies.
        grid, dimensions: what the import must find.
        pools: whether the head treats all positions alike.
        embed: the original network, by the library it came with: data and pixels to embeddings.
    """

    images: str
    arguments: str
    grid: tuple[int, int]
    dimensions: int
    pools: bool
    embed: Callable[[Path, Array], Array]


def _by_onnx_runtime(name: str, output: str) -> Callable[[Path, Array], Array]:
    def embed(data: Path, pixels: Array) -> Array:
        session = onnxruntime.InferenceSession(data / "models" / name)
        (given,) = session.get_inputs()
        rows = [np.asarray(session.run([output], {given.name: one[None]})[0]) for one in pixels]
        return np.concatenate(rows)

    return embed


def _by_torch(data: Path, pixels: Array) -> Array:
    file = data / "models/mobilefacenet_casia_068.ckpt"
    net = MobileFaceNet().eval()
    weights = torch.load(file, map_location="cpu", weights_only=True)["net_state_dict"]
    net.load_state_dict(weights, strict=True)
    with torch.no_grad():
        embedding: Array = net(torch.from_numpy(pixels)).numpy()
    return embedding


SOURCES = {
    "birds": Source(
        "birds-cub/images",
        "--onnx {data}/models/mobilenet_v2_inat_bird.onnx --feature-tensor feature_map"
        " --embedding gap --mean 128 --std 128",
        (7, 7),
        1280,
        True,
        _by_onnx_runtime("mobilenet_v2_inat_bird.onnx", "gap"),
    ),
    "people": Source(
        "reid-cuhk03/images",
        "--onnx {data}/models/osnet_x0_25_msmt17.onnx --feature-tensor /conv5/relu/Relu_output_0"
        " --embedding output --height 256 --width 128"
        " --mean 123.675,116.28,103.53 --std 58.395,57.12,57.375",
        (16, 8),
        512,
        True,
        _by_onnx_runtime("osnet_x0_25_msmt17.onnx", "output"),
    ),
    "faces": Source(
        "faces-orl",
        "--torch partlens.explainer.architectures.mobilefacenet:MobileFaceNet"
        " --weights {data}/models/mobilefacenet_casia_068.ckpt --feature-layer conv2"
        " --height 112 --width 96 --mean 127.5 --std 128",
        (7, 6),
        128,
        False,
        _by_torch,
    ),
}


@dataclass(frozen=True, eq=False)
class Real:
    """A real model behind a running server.

    Attributes:
        model: loaded from the folder that the import wrote.
        files: id -> file of the gallery's images.
        queries: files that the gallery does not hold.
        original: pixels to embeddings by the original network.
    """

    source: Source
    model: MetricModel
    client: Client
    files: dict[str, Path]
    queries: list[Path]
    original: Callable[[Array], Array]


def run(command: click.Command, *arguments: object) -> str:
    """What a command prints; fails the test if it fails."""
    result = CliRunner().invoke(command, [str(argument) for argument in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def import_model(folder: Path, data: Path, name: str, *more: object) -> MetricModel:
    """The model folder made by the command, completeness checked on real images too."""
    source = SOURCES[name]
    arguments = source.arguments.format(data=data).split()
    run(model_command, "import", folder, *arguments, "--images", data / source.images, *more)
    return MetricModel.load(folder)


@contextmanager
def served(model: MetricModel, gallery: Gallery) -> Iterator[str]:
    """The address of a server in this process, on an event loop and thread of its own."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()

    def wait(work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, loop).result(DEADLINE)

    async def start() -> tuple[Any, int]:
        server = create_server(model, gallery)
        return server, await server.start()

    try:
        server, port = wait(start())
        yield f"127.0.0.1:{port}"
        wait(server.stop(0))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(DEADLINE)
        loop.close()


@pytest.fixture(scope="session", params=SOURCES)
def real(
    request: pytest.FixtureRequest, real_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Real]:
    """Each of the three models, over a gallery of 16 of its images."""
    source, folder = SOURCES[request.param], tmp_path_factory.mktemp(request.param)
    model = import_model(folder / "model", real_data, request.param)
    found = sorted(path for path in (real_data / source.images).rglob("*") if path.is_file())
    chosen = found[:: max(1, len(found) // (GALLERY + 2))][: GALLERY + 2]
    queries, files = chosen[:2], {f"{i:02}": path for i, path in enumerate(chosen[2:])}
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("id", "path"), *files.items()])
    run(index, "create", folder / "gallery", "--model", folder / "model")
    added = run(
        index, "add", folder / "gallery", folder / "manifest.csv", "--model", folder / "model"
    )
    assert f"{GALLERY} added" in added
    with (
        Gallery.open(folder / "gallery", model.spec) as gallery,
        served(model, gallery) as address,
        Client(address) as client,
    ):
        yield Real(source, model, client, files, queries, lambda p: source.embed(real_data, p))
