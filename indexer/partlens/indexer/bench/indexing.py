"""`partlens bench index`: indexing speed in images per second, compared with the bare backbone."""

import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

import click
import numpy as np
from numpy.typing import NDArray

from partlens.common.budget import Budget
from partlens.common.compute import Compute
from partlens.common.pictures import DEFAULT_LIMITS, UprightPicture
from partlens.common.results import json_option, say_json, say_result
from partlens.common.terminal import say
from partlens.explainer.errors import ExplainerError
from partlens.explainer.images import decode
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.arguments import compute_options
from partlens.indexer.bench import building, stages
from partlens.indexer.bench.given import given_images, model_and_images
from partlens.indexer.bench.photographs import write_photographs
from partlens.indexer.errors import IndexerError, SourceError
from partlens.indexer.extraction import DECODING_BYTES, DecodedImage, Loaded, load
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.holdings import EMPTY
from partlens.indexer.indexing import index_images
from partlens.indexer.picture import thumbnail
from partlens.indexer.sources import SourceImage, read_source

_MOST_PIXELS = 256
"""Images kept in memory for the bare backbone."""


@dataclass(frozen=True)
class Speed:
    """Medians over interleaved rounds.

    Attributes:
        model: name of the model.
        images, batch: images in a round, and in a pass through the model.
        backbone: images per second of only the backbone, with its input in memory.
        decoding: images per second of reading, decoding and resizing on one thread.
        full_decoding: the same without decoding JPEGs at a part of their size.
        indexing: images per second from files to rows on disk.
        ratio: indexing / backbone.
        cpu_ratio: processor time per image of the backbone / that of indexing: the highest ratio
            possible if the backbone keeps every core busy.
        backbone_cpu, indexing_cpu: milliseconds of processor time per image.
        stages: the same of each stage on its own, without the others that compete for caches; see
            bench.stages.STAGES.
    """

    model: str
    images: int
    batch: int
    backbone: float
    decoding: float
    full_decoding: float
    indexing: float
    ratio: float
    cpu_ratio: float
    backbone_cpu: float
    indexing_cpu: float
    stages: Mapping[str, float]


@dataclass
class _Times:
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def measure(self, work: Callable[[], int]) -> None:
        """Record the seconds per image of `work`, which returns its number of images."""
        wall, cpu = time.perf_counter(), time.process_time()
        done = work()
        self.wall.append((time.perf_counter() - wall) / done)
        self.cpu.append((time.process_time() - cpu) / done)


def measure(
    model: MetricModel, images: Sequence[SourceImage], *, batch: int = 32, repeats: int = 3
) -> Speed:
    """Time indexing and the bare backbone in turns, so that other load affects both.

    Raises:
        IndexerError: no image is usable, or the gallery cannot be written.
    """
    pixels = _pixels(model, images)

    def backbone() -> int:
        for start in range(0, len(images), len(pixels)):
            for first in range(0, min(len(pixels), len(images) - start), batch):
                model.backbone(pixels[first : first + batch])
        return len(images)

    def decoding() -> int:
        return sum(1 for _ in _loaded(model, images[:_MOST_PIXELS]))

    def full_decoding() -> int:
        for one in images[:_MOST_PIXELS]:
            picture = UprightPicture.whole(decode(one.read()))
            model.spec.preprocessing.pixels(picture)
            thumbnail(picture)
        return len(images[:_MOST_PIXELS])

    def indexing() -> int:
        with tempfile.TemporaryDirectory(prefix="partlens-bench-") as folder:
            with Gallery.create(Path(folder) / "gallery", model.spec) as gallery:
                return index_images(gallery, model, images, batch_size=batch).done

    model.decompose_pixels(pixels[:batch])
    rounds = {work: _Times() for work in (backbone, decoding, full_decoding, indexing)}
    for _ in range(repeats):
        for work, times in rounds.items():
            times.measure(work)
    of_backbone, of_indexing = rounds[backbone], rounds[indexing]
    return Speed(
        model.spec.name,
        len(images),
        batch,
        backbone=1 / statistics.median(of_backbone.wall),
        decoding=1 / statistics.median(rounds[decoding].wall),
        full_decoding=1 / statistics.median(rounds[full_decoding].wall),
        indexing=1 / statistics.median(of_indexing.wall),
        ratio=_median_ratio(of_backbone.wall, of_indexing.wall),
        cpu_ratio=_median_ratio(of_backbone.cpu, of_indexing.cpu),
        backbone_cpu=1000 * statistics.median(of_backbone.cpu),
        indexing_cpu=1000 * statistics.median(of_indexing.cpu),
        stages=stages.processor_time(model, _usable(model, images), batch),
    )


def _loaded(model: MetricModel, images: Sequence[SourceImage]) -> Iterator[Loaded]:
    memory = Budget(DECODING_BYTES)
    for one in images:
        yield load(one, one.id, EMPTY, model.spec.preprocessing, DEFAULT_LIMITS, memory)


def _pixels(model: MetricModel, images: Sequence[SourceImage]) -> NDArray[np.float32]:
    """Inputs of the model, shape [n, 3, height, width], n at most _MOST_PIXELS."""
    loaded = _loaded(model, images[:_MOST_PIXELS])
    pixels = [one.picture.pixels for one in loaded if isinstance(one, DecodedImage)]
    if not pixels:
        raise SourceError(f"none of the first {len(images[:_MOST_PIXELS])} images is usable")
    return np.stack(pixels)


def _usable(model: MetricModel, images: Sequence[SourceImage]) -> Sequence[SourceImage]:
    some = images[:_MOST_PIXELS]
    loaded = zip(some, _loaded(model, some), strict=True)
    return [one for one, found in loaded if isinstance(found, DecodedImage)]


def _median_ratio(above: Sequence[float], below: Sequence[float]) -> float:
    return statistics.median(a / b for a, b in zip(above, below, strict=True))


@contextmanager
def _images(
    folder: Path | None, count: int, megapixels: float | None
) -> Iterator[Sequence[SourceImage]]:
    with (
        given_images(folder, count) as images,
        tempfile.TemporaryDirectory(prefix="partlens-bench-") as large,
    ):
        if megapixels is not None and images:
            write_photographs(Path(large), images, megapixels, count)
            images = read_source(Path(large)).images
        yield images


@click.command()
@model_and_images
@click.option("--count", type=click.IntRange(1), default=1000, show_default=True)
@click.option(
    "--megapixels",
    type=click.FloatRange(0.01, 250),
    help="Enlarge the images to photographs of this size, with noise; 0.4 MB each megapixel.",
)
@click.option("--batch", type=click.IntRange(1, 1024), default=32, show_default=True)
@click.option("--repeats", type=click.IntRange(1), default=3, show_default=True)
@click.option(
    "--engine",
    type=click.Choice(["local", "ray"]),
    default="local",
    show_default=True,
    help="ray: compare `index build` on a cluster of this machine with one process instead.",
)
@click.option(
    "--block", type=click.IntRange(1), default=128, show_default=True, help="As of `index build`."
)
@compute_options
@json_option
def index(
    model: Path | None,
    images: Path | None,
    count: int,
    megapixels: float | None,
    batch: int,
    repeats: int,
    engine: str,
    block: int,
    compute: Compute,
    as_json: bool,
) -> None:
    """Compare the speed of indexing with the bare backbone's.

    Indexing is measured from files to rows on disk, at the same batch size.
    """
    folder = model or model_folder()
    try:
        with _images(images, count, megapixels) as source:
            if engine == "ray":
                _compare(folder, source, compute, batch, block, repeats, as_json=as_json)
            else:
                speed = measure(
                    MetricModel.load(folder, compute), source, batch=batch, repeats=repeats
                )
                _say(speed, compute, as_json=as_json)
    except (IndexerError, ExplainerError) as error:
        raise click.ClickException(str(error)) from error


def _compare(
    folder: Path,
    images: Sequence[SourceImage],
    compute: Compute,
    batch: int,
    block: int,
    repeats: int,
    *,
    as_json: bool,
) -> None:
    if len(images) <= block:
        raise click.UsageError(f"give more images than --block, which is {block}")
    found = building.compare(folder, images, compute, batch=batch, block=block, repeats=repeats)
    say_result(asdict(found) | asdict(compute), building.text(found), as_json=as_json)


def _say(speed: Speed, compute: Compute, *, as_json: bool) -> None:
    if as_json:
        say_json(asdict(speed) | asdict(compute))
        return
    say(
        f"{speed.model} on {compute.device}, {compute.precision}: backbone"
        f" {speed.backbone:.1f} images/s, indexing {speed.indexing:.1f} images/s, ratio"
        f" {speed.ratio:.3f} (of processor time {speed.cpu_ratio:.3f}); decoding on one thread"
        f" {speed.decoding:.1f} images/s, in full {speed.full_decoding:.1f} images/s"
    )
    say(
        f"processor time per image: backbone {speed.backbone_cpu:.2f} ms, indexing"
        f" {speed.indexing_cpu:.2f} ms; each stage on its own:"
    )
    for stage, milliseconds in speed.stages.items():
        say(f"{'  ' if stage in stages.PARTS_OF_COMMIT else ''}{stage} {milliseconds:.3f} ms")
