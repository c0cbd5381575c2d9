"""`partlens bench score`: what it costs to score candidates, compared with what it cannot avoid."""

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, get_args

import click
import numpy as np
from numpy.typing import NDArray

from partlens.common.results import json_lines_option
from partlens.common.storage import Storage
from partlens.common.terminal import say
from partlens.explainer.scoring import MIXTURES, QueryPart, query_part, score_rows, warm
from partlens.explainer.scoring.arrays import ArrayScorer
from partlens.explainer.scoring.stack import PartStack
from partlens.explainer.stored import Stored
from partlens.indexer.bench.synthetic import DIMENSIONS, GRID, contributions
from partlens.indexer.gallery.row_file import RowFile
from partlens.indexer.gallery.threads import one_thread

Array = NDArray[Any]
_CHUNK = 1024


@dataclass(frozen=True)
class ScoringCost:
    """Processor time of one search's candidates, medians over interleaved runs, in milliseconds.

    Attributes:
        storage: type of the stored numbers.
        candidates: images scored, of different rows each time.
        kernel_ms: the compiled kernel, which reads the rows by calls of the system.
        mapped_ms: the same on a mapped file; if that is truncated, the process ends.
        numpy_ms: the numpy version.
        product_ms: the product of the images, as float32 in memory, with what it needs.
        reading_ms: reading the rows by calls of the system.
        mapped_reading_ms: copying them from the mapped file.
    """

    storage: Storage
    candidates: int
    kernel_ms: float
    mapped_ms: float
    numpy_ms: float
    product_ms: float
    reading_ms: float
    mapped_reading_ms: float


def measure(
    folder: Path, storage: Storage, images: int, candidates: int, repeats: int
) -> ScoringCost:
    """Time each in turn, on the same rows of generated images in a file.

    Args:
        folder: an empty folder.
        repeats: measured runs of each.
    """
    files, mapped = _files(folder, storage, images)
    part, bias, grid = _part(), np.zeros((images, DIMENSIONS), np.float32), GRID
    stack, arrays = (
        PartStack([part], placed=True),
        ArrayScorer([(MIXTURES["context"], [part])], grid),
    )
    ways: Mapping[str, Callable[[Array], object]] = {
        "kernel_ms": lambda rows: score_rows("context", [part], files, bias, rows, grid),
        "mapped_ms": lambda rows: score_rows("context", [part], mapped, bias, rows, grid),
        "numpy_ms": lambda rows: arrays.images(files, bias, rows),
        "reading_ms": files.take,
        "mapped_reading_ms": mapped.take,
    }
    spent: dict[str, list[float]] = {name: [] for name in (*ways, "product_ms")}
    random = np.random.default_rng(0)
    with one_thread():
        for repeat in range(-2, repeats):  # the first two warm up
            rows = random.choice(images, candidates, replace=False)
            ready = mapped[rows].reshape(candidates, *grid, DIMENSIONS)
            times = {name: _seconds(way, rows) for name, way in ways.items()}
            times["product_ms"] = _seconds(stack.along, ready)
            if repeat >= 0:
                for name, seconds in times.items():
                    spent[name].append(1e3 * seconds)
    medians = {name: statistics.median(each) for name, each in spent.items()}
    return ScoringCost(storage, candidates, **medians)


def _files(folder: Path, storage: Storage, images: int) -> tuple[Stored, Stored]:
    """Generated images in files, and the same files mapped."""
    some = [
        Stored.of(contributions(start, min(_CHUNK, images - start)), storage)
        for start in range(0, images, _CHUNK)
    ]
    arrays = [np.concatenate([np.asarray(one.values) for one in some])]
    if storage == "int8":
        arrays.append(np.concatenate([np.asarray(one.scales) for one in some]))
    paths = [folder / f"{storage}-{number}.npy" for number in range(len(arrays))]
    for path, array in zip(paths, arrays, strict=True):
        np.save(path, array)
    mapped = [np.asarray(np.load(path, mmap_mode="r")) for path in paths]
    return Stored(*map(RowFile, paths)), Stored(*mapped)


def _part() -> QueryPart:
    """A region of two by two cells of an image."""
    region = np.zeros(GRID, np.float32)
    region[1:3, 1:3] = 1
    return query_part(
        contributions(0, 1)[0], np.zeros(DIMENSIONS, np.float32), region.reshape(-1), GRID
    )


def _seconds(work: Callable[[Array], object], argument: Array) -> float:
    begun = time.process_time()
    work(argument)
    return time.process_time() - begun


@click.command()
@click.option("--images", default=20_000, show_default=True, type=click.IntRange(1))
@click.option("--candidates", type=click.IntRange(1), multiple=True, default=(256, 1024))
@click.option("--repeats", default=50, show_default=True, type=click.IntRange(1))
@json_lines_option
def score(images: int, candidates: tuple[int, ...], repeats: int, as_json: bool) -> None:
    """Compare the time of scoring candidates with that of the product and the reading it needs.

    Scores rows of a generated file by the compiled kernel and by numpy, in turn with the bare
    product and the bare reading. Times are of the processor.
    """
    if warm() != "kernel":
        raise click.ClickException("the scoring kernel cannot run here: see the warning above")
    for storage in get_args(Storage):
        for count in candidates:
            with tempfile.TemporaryDirectory(prefix="partlens-bench-") as folder:
                cost = measure(Path(folder), storage, images, min(count, images), repeats)
            say(json.dumps(asdict(cost)) if as_json else _line(cost))


def _line(cost: ScoringCost) -> str:
    needed = cost.product_ms + cost.reading_ms
    return (
        f"{cost.candidates} images of {cost.storage}: kernel {cost.kernel_ms:.2f} ms (mapped"
        f" {cost.mapped_ms:.2f}), numpy {cost.numpy_ms:.2f} ms,"
        f" {cost.numpy_ms / cost.kernel_ms:.1f} times; product {cost.product_ms:.2f} ms, reading"
        f" {cost.reading_ms:.2f} ms (mapped {cost.mapped_reading_ms:.2f}): kernel / both"
        f" {cost.kernel_ms / needed:.2f}"
    )
