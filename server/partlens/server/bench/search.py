"""`partlens bench search`: compares partlens, over gRPC and in process, with other systems."""

import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from partlens.client.cli.arguments import FiniteRange
from partlens.common.results import json_option, say_json
from partlens.common.terminal import say
from partlens.indexer.bench import alone, peers
from partlens.indexer.bench.contenders import (
    Contender,
    Outcome,
    anonymous_bytes,
    measure,
    measure_scaling,
)
from partlens.indexer.bench.searching import InProcess, Numpy, Torch, arrays, exact, units
from partlens.indexer.bench.synthetic import GRID, Query, fill, make_model, queries, thumbnail
from partlens.indexer.gallery import Gallery
from partlens.server.bench import search_parts
from partlens.server.bench.served import served
from partlens.server.bench.through_grpc import ThroughGrpc

BRUTE_FORCE = ("numpy", "torch")
OURS = ("partlens_grpc", "partlens", *BRUTE_FORCE)
CONTENDERS = (*OURS, *peers.PEERS)


@click.command()
@click.option("--images", default=10_000, show_default=True, type=click.IntRange(1000))
@click.option("--queries", "count", default=200, show_default=True, type=click.IntRange(1))
@click.option("--clients", default=1, show_default=True, type=click.IntRange(1))
@click.option(
    "--recall",
    default=0.98,
    show_default=True,
    type=FiniteRange(0, 1),
    help="Target recall; the search effort of databases is raised until they reach it.",
)
@click.option(
    "--contender",
    "asked",
    multiple=True,
    type=click.Choice(CONTENDERS),
    help="Contender to measure; repeatable. By default all that are installed.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Folder of the gallery, created if missing. By default it is temporary.",
)
@json_option
def search(
    images: int,
    count: int,
    clients: int,
    recall: float,
    asked: tuple[str, ...],
    folder: Path | None,
    as_json: bool,
) -> None:
    """Search a generated gallery by regions, and compare the time of each contender.

    partlens and numpy rank by CONTEXT. torch and the databases rank by MaxSim, which is what the
    databases offer. Each is compared with the exact result of its own score. Each database runs in
    its own process, set up as its documentation advises, and its search effort is raised until it
    reaches --recall: NAME_documented is the first result, NAME the last. To install the databases:
    `pip install --group bench`.

    Where partlens and partlens_grpc are both measured, the time of the parts of a search follows:
    FAISS, merging, scoring, looking up, the call. With several --clients, partlens and
    partlens_grpc are measured with one client too, in turn.
    """
    names = _names(asked)
    say(f"{images} images of {GRID[0] * GRID[1]} positions, {clients} clients", err=True)
    results, parts = dict[str, Outcome](), None
    with _gallery(images, folder) as (model, gallery):
        chosen = list(queries(gallery, count))
        for name, one in _measured(names, model, gallery, chosen, clients, recall):
            results[name] = one
            say(_line(name, one), err=as_json)
        if {"partlens_grpc", "partlens"} <= set(names):
            parts = _parts(model, gallery, chosen)
    for line in search_parts.lines(parts) if parts else ():
        say(line, err=as_json)
    if as_json:
        found: dict[str, object] = {name: asdict(one) for name, one in results.items()}
        say_json(found | ({"parts": asdict(parts)} if parts else {}))


def _names(asked: Sequence[str]) -> Sequence[str]:
    """The requested contenders, or all. Databases that are not installed are reported."""
    installed = peers.installed()
    missing = [peer for peer in asked or peers.PEERS if peer in peers.PEERS.keys() - installed]
    told = f"not installed: {', '.join(missing)} (pip install --group bench)"
    if missing and asked:
        raise click.ClickException(told)
    if missing:
        say(f"Skipped, {told}", err=True)
    return asked or (*OURS, *installed)


@contextmanager
def _gallery(images: int, folder: Path | None) -> Iterator[tuple[Path, Gallery]]:
    if folder is None:
        with tempfile.TemporaryDirectory(prefix="partlens-bench-") as made:
            with _gallery(images, Path(made) / "search") as opened:
                yield opened
        return
    if not folder.exists():
        model = make_model(folder / "model")
        with Gallery.create(folder / "gallery", model.spec) as gallery:
            fill(gallery, images, thumbnail())
    with Gallery.open(folder / "gallery") as gallery:
        if len(gallery.view) != images:
            raise click.ClickException(
                f"{folder} holds {len(gallery.view)} images, not {images}: choose another folder"
            )
        yield folder / "model", gallery


def _measured(
    names: Sequence[str],
    model: Path,
    gallery: Gallery,
    chosen: Sequence[Query],
    clients: int,
    recall: float,
) -> Iterator[tuple[str, Outcome]]:
    by_score = {query.id: exact(gallery, query) for query in chosen}
    for name in ("partlens_grpc", "partlens"):
        if name in names:
            with _partlens(name, model, gallery) as (make, memory):
                yield name, measure_scaling(make, chosen, by_score, clients=clients, memory=memory)
    if not set(names) - {"partlens_grpc", "partlens"}:
        return
    contributions, bias = arrays(gallery)
    if "numpy" in names:
        brute = Numpy(contributions, bias)
        held = contributions.nbytes + bias.nbytes
        yield (
            "numpy",
            measure(lambda: brute, chosen, by_score, clients=clients, memory=held.__int__),
        )
    vectors = units(contributions)
    torch = Torch(vectors)
    by_maxsim: Mapping[str, Sequence[str]] = {query.id: torch.search(query) for query in chosen}
    if "torch" in names:
        held = vectors.nbytes
        yield (
            "torch",
            measure(lambda: torch, chosen, by_maxsim, clients=clients, memory=held.__int__),
        )
    for name in peers.PEERS:
        if name in names:
            yield from _peer(name, vectors, chosen, by_maxsim, clients, recall)


def _peer(
    name: str,
    vectors: peers.Units,
    chosen: Sequence[Query],
    exact: Mapping[str, Sequence[str]],
    clients: int,
    recall: float,
) -> Iterator[tuple[str, Outcome]]:
    """NAME_documented, then NAME for each higher search effort; at least once."""
    outcomes = alone.measured(name, vectors, chosen, exact, clients=clients, recall=recall)
    first, again = None, False
    try:
        for one in outcomes:
            yield name if first else f"{name}_documented", one
            first, again = first or one, first is None
        if first and again:
            yield name, first
    except alone.PeerError as error:
        say(str(error), err=True)


@contextmanager
def _partlens(
    name: str, model: Path, gallery: Gallery
) -> Iterator[tuple[Callable[[], Contender], Callable[[], int]]]:
    if name == "partlens_grpc":
        with served(model, gallery.path) as (address, process):
            yield lambda: ThroughGrpc(address), lambda: anonymous_bytes(process)
        return
    before = anonymous_bytes()
    with Gallery.open(gallery.path) as opened:
        opened.view.prepare()
        yield lambda: InProcess(opened), lambda: anonymous_bytes() - before


def _parts(
    model: Path, gallery: Gallery, chosen: Sequence[Query]
) -> search_parts.SearchParts | None:
    """The parts of a search, with a server and this process side by side."""
    with served(model, gallery.path) as (address, _), Gallery.open(gallery.path) as opened:
        opened.view.prepare()
        there = ThroughGrpc(address)
        ways = search_parts.Ways(InProcess(opened).search, there.search, there.check_health)
        return search_parts.measure(ways, chosen)


def _line(name: str, one: Outcome) -> str:
    return (
        f"{name:23} p50 {one.p50_ms:8.2f} ms, p99 {one.p99_ms:8.2f} ms,"
        f" {one.queries_per_second:7.1f} queries/s, recall@10 {one.recall_at_10:.3f},"
        f" {one.memory_bytes / 2**20:.0f} MiB{one.setting and ', '}{one.setting}"
        + (f", {one.speedup:.2f} times one client" if one.speedup else "")
    )
