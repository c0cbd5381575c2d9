"""`partlens bench growth`: recall and latency as a gallery grows."""

import json
import statistics
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path

import click

from partlens.common.filters import Filter
from partlens.common.results import json_option, say_json
from partlens.common.storage import Storage
from partlens.common.terminal import say
from partlens.indexer.arguments import STORAGE, clear_errors
from partlens.indexer.bench import synthetic
from partlens.indexer.bench.contenders import TOP
from partlens.indexer.bench.filling import GALLERY, Filling, filled
from partlens.indexer.bench.searching import exact
from partlens.indexer.bench.synthetic import Query
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.cli import MEMORY
from partlens.indexer.gallery.durability import files_below
from partlens.indexer.gallery.indexes import INDEXES

_ROUNDS = 5
_EXACT = "exact.json"


@dataclass(frozen=True)
class Size:
    """A gallery of one size.

    Attributes:
        images: how many it holds.
        filling: what filling it took, when it was filled.
        index_bytes: size of the files of its indexes.
        p50_ms: median over queries of the least time of several rounds, in process.
        recall_at_10: fraction of the exact ten best that were found.
        ratio: p50_ms divided by that of the first gallery.
    """

    images: int
    filling: Filling
    index_bytes: int
    p50_ms: float
    recall_at_10: float
    ratio: float


def measure(folders: Sequence[Path], count: int) -> Sequence[Size]:
    """Search the galleries of folders with `count` queries each, in turn.

    Raises:
        IndexerError: a gallery cannot be read.
    """
    with ExitStack() as stack:
        galleries = [stack.enter_context(Gallery.open(path / GALLERY)) for path in folders]
        asked = [list(synthetic.queries(gallery, count)) for gallery in galleries]
        wanted = [
            _exact(path, gallery, queries)
            for path, gallery, queries in zip(folders, galleries, asked, strict=True)
        ]
        for gallery in galleries:
            gallery.view.prepare()
        least, found = _searched(galleries, asked)
    p50 = [1e3 * statistics.median(times) for times in least]
    return [
        Size(
            images=len(gallery.view),
            filling=Filling.read(path),
            index_bytes=sum(file.stat().st_size for file in files_below(path / GALLERY / INDEXES)),
            p50_ms=p50[i],
            recall_at_10=sum(
                len(set(one) & set(wanted[i][query.id]))
                for query, one in zip(asked[i], found[i], strict=True)
            )
            / sum(len(wanted[i][query.id]) for query in asked[i]),
            ratio=p50[i] / p50[0],
        )
        for i, (path, gallery) in enumerate(zip(folders, galleries, strict=True))
    ]


def _exact(folder: Path, gallery: Gallery, queries: Sequence[Query]) -> dict[str, Sequence[str]]:
    """Query -> the exact best; kept in the folder, as scoring a million images takes long."""
    file = folder / _EXACT
    known: dict[str, Sequence[str]] = json.loads(file.read_text("utf-8")) if file.exists() else {}
    for query in queries:
        if query.id not in known:
            known[query.id] = list(exact(gallery, query))
            file.write_text(json.dumps(known), encoding="utf-8")
    return known


def _searched(
    galleries: Sequence[Gallery], asked: Sequence[Sequence[Query]]
) -> tuple[list[list[float]], list[list[Sequence[str]]]]:
    """For each gallery and query: the least seconds of several rounds, and the ids found."""
    least: list[list[float]] = [[] for _ in galleries]
    found: list[list[Sequence[str]]] = [[] for _ in galleries]
    for queries in zip(*asked, strict=True):
        times = [[0.0] * _ROUNDS for _ in galleries]
        for turn in range(_ROUNDS):
            for i, (gallery, query) in enumerate(zip(galleries, queries, strict=True)):
                begun = time.perf_counter()
                hits = gallery.view.search([query.part], "context", Filter(), TOP)
                times[i][turn] = time.perf_counter() - begun
                if not turn:
                    found[i].append([hit.id for hit in hits])
        for i, of_rounds in enumerate(times):
            least[i].append(min(of_rounds))
    return least, found


@click.command("growth")
@click.option(
    "--images",
    multiple=True,
    type=click.IntRange(1000),
    default=(100_000, 1_000_000),
    show_default=True,
    help="Size of a gallery; repeatable.",
)
@click.option("--queries", "count", default=100, show_default=True, type=click.IntRange(1))
@click.option(
    "--folder",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the galleries, each in a folder named by its size. Those that exist are used.",
)
@STORAGE
@MEMORY
@json_option
def growth(
    images: tuple[int, ...],
    count: int,
    folder: Path,
    storage: Storage,
    memory: int | None,
    as_json: bool,
) -> None:
    """Search generated galleries of several sizes, and compare their recall and latency.

    The exact results, which are scored once, and the time of filling are kept with the galleries.
    If a run is ended, run it again to resume. A million images take 13 GB with --storage int8 and
    22 GB with float16, and half as much again while the last segments are merged.
    """
    folders = [folder / str(wanted) for wanted in images]
    with clear_errors():
        for path, wanted in zip(folders, images, strict=True):
            filled(path, wanted, storage, memory)
        sizes = measure(folders, count)
    if as_json:
        say_json([asdict(size) for size in sizes])
        return
    for size in sizes:
        say(
            f"{size.images} images: p50 {size.p50_ms:.2f} ms ({size.ratio:.2f} times the first),"
            f" recall@10 {size.recall_at_10:.3f}, indexes {size.index_bytes / 2**30:.2f} GiB;"
            f" filled in {size.filling.seconds:.0f} s ({size.filling.processor_seconds:.0f} s of"
            f" processor time), at most {size.filling.peak_bytes / 2**30:.2f} GiB of memory"
        )
