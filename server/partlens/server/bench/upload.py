"""`partlens bench upload`: images per second from several clients at the same time."""

import asyncio
import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import click
import numpy as np

from partlens.client.channel import open_aio_channel, route
from partlens.client.cli.arguments import FiniteRange
from partlens.common.results import json_lines_option, say_result
from partlens.explainer.errors import ExplainerError
from partlens.explainer.model import read_spec
from partlens.explainer.starter import model_folder
from partlens.indexer.bench.given import given_images, model_and_images
from partlens.indexer.errors import IndexerError
from partlens.indexer.gallery import Gallery
from partlens.server.bench.counts import Counts
from partlens.server.bench.load import fresh
from partlens.server.bench.served import served
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

_DEADLINE = 60.0
_PICTURES = 200


@dataclass(frozen=True)
class UploadResult:
    """Result of uploads by some clients.

    Attributes:
        clients: number of clients, each with one image at a time.
        images: number of images that were committed.
        images_per_second: rate of committed images.
        commits: versions that the gallery went through.
        p50_ms, p99_ms: time until an image was on disk, in milliseconds.
        cpu_ms: processor time of the server for each image, in milliseconds.
    """

    clients: int
    images: int
    images_per_second: float
    commits: int
    p50_ms: float
    p99_ms: float
    cpu_ms: float


async def measure(
    address: str,
    process: int,
    images: Iterator[pb.UpsertImageRequest],
    *,
    clients: int,
    seconds: float,
) -> UploadResult:
    """Upload images to a server on this machine for `seconds`.

    Each client has its own connection, and sends its next image when the last one is on disk.

    Args:
        process: id of the server's process.
        images: endless.

    Raises:
        grpc.aio.AioRpcError: an upload failed.
    """
    spent, versions = list[float](), set[int]()
    before, begun = _processor_seconds(process), time.perf_counter()
    end = begun + seconds
    await asyncio.gather(*(_client(address, images, end, spent, versions) for _ in range(clients)))
    wall, used = time.perf_counter() - begun, _processor_seconds(process) - before
    p50, p99 = (float(1e3 * value) for value in np.percentile(spent, [50, 99]))
    count = len(spent)
    return UploadResult(clients, count, count / wall, len(versions), p50, p99, 1e3 * used / count)


def new_images(pictures: Sequence[bytes]) -> Iterator[pb.UpsertImageRequest]:
    """The pictures repeated endlessly, each time as an image that no gallery has yet."""
    for number, data in enumerate(fresh(pictures)):
        yield pb.UpsertImageRequest(id=f"bench-{number:08}", data=data)


async def _client(
    address: str,
    images: Iterator[pb.UpsertImageRequest],
    end: float,
    spent: list[float],
    versions: set[int],
) -> None:
    own = (("grpc.use_local_subchannel_pool", 1),)
    async with open_aio_channel(route(address), more=own) as channel:
        stub = GalleryServiceStub(channel)
        while (begun := time.perf_counter()) < end:
            answer = await stub.UpsertImage(next(images), timeout=_DEADLINE)
            spent.append(time.perf_counter() - begun)
            versions.add(answer.committed.gallery_version)


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK")


@click.command()
@model_and_images
@click.option("--clients", type=Counts(), default="1,4,8", show_default=True)
@click.option("--seconds", type=FiniteRange(0.1, 86_400), default=10.0, show_default=True)
@json_lines_option
def upload(
    model: Path | None,
    images: Path | None,
    clients: tuple[int, ...],
    seconds: float,
    as_json: bool,
) -> None:
    """Upload images to a server on loopback from several clients at the same time.

    Each client sends one image at a time, to a gallery that is empty at first.
    """
    folder = model or model_folder()
    try:
        with (
            given_images(images, _PICTURES) as source,
            tempfile.TemporaryDirectory(prefix="partlens-bench-") as place,
        ):
            pictures = [one.read() for one in source]
            gallery = Path(place) / "gallery"
            Gallery.create(gallery, read_spec(folder)).close()
            with served(folder, gallery) as (address, process):
                uploads = new_images(pictures)
                # The first calls of a process warm it up.
                asyncio.run(measure(address, process, uploads, clients=4, seconds=1.0))
                for count in clients:
                    work = measure(address, process, uploads, clients=count, seconds=seconds)
                    result = asyncio.run(work)
                    say_result(asdict(result), _line(result), as_json=as_json)
    except (IndexerError, ExplainerError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _line(result: UploadResult) -> str:
    return (
        f"{result.clients:4} clients: {result.images_per_second:6.1f} images/s,"
        f" {result.images / result.commits:.1f} a commit, p50 {result.p50_ms:.1f} ms, p99"
        f" {result.p99_ms:.1f} ms, processor time of the server {result.cpu_ms:.2f} ms an image"
    )
