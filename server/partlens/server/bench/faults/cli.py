"""`partlens bench faults`."""

import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click

from partlens.client import Box, Client
from partlens.client.cli.arguments import FiniteRange
from partlens.common.results import json_option, say_json
from partlens.common.tables import Column, Table, say_table
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.bench.given import given_images
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import Listing
from partlens.server.bench.faults.load import Load, Question, load
from partlens.server.bench.faults.local_cluster import LocalCluster, local_cluster, require_ray
from partlens.server.bench.faults.recovery import Recovery, recovery
from partlens.server.bench.served import served

_NODES, _SHARDS, _REPLICAS = 3, 2, 2
_LOADING = 300.0
_PART = Box(20, 60, 56, 60)
_QUESTIONS = 20


@click.command("faults")
@click.option("--images", default=400, show_default=True, type=click.IntRange(40))
@click.option("--clients", default=2, show_default=True, type=click.IntRange(1, 64))
@click.option(
    "--seconds",
    default=10.0,
    show_default=True,
    type=FiniteRange(0.5, 3600),
    help="Time under load before each fault, and after all replicas answer again.",
)
@json_option
def faults(images: int, clients: int, seconds: float, as_json: bool) -> None:
    """Kill a replica and a node of a Ray cluster on this machine, and print what searches saw.

    The cluster has three nodes, with two shards of a generated gallery and two replicas of each.
    Exit 1 if a search failed, or found other images than before.
    """
    require_ray()
    with _serving(images) as (address, cluster):
        asked = [Question(id, _PART) for id in _ids(address)]
        with load(address, asked, clients) as under:
            found = [
                _measured("replica", cluster.kill_replica, under, cluster, seconds),
                _measured("node", cluster.kill_node, under, cluster, seconds),
            ]
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        say_table(_table(found))
    if any(one.failed for one in found):
        raise SystemExit(1)


@contextmanager
def _serving(images: int) -> Iterator[tuple[str, LocalCluster]]:
    """The address of a server of a generated gallery, and its cluster."""
    model = model_folder()
    with tempfile.TemporaryDirectory(prefix="partlens-bench-") as place:
        gallery = Path(place) / "gallery"
        loaded = MetricModel.load(model)
        with given_images(None, images) as source, Gallery.create(gallery, loaded.spec) as made:
            index_images(made, loaded, Listing(tuple(source)))
        with local_cluster(_NODES, cpus=2) as cluster:
            settings = {
                "kind": "ray",
                "address": cluster.address,
                "name": cluster.name,
                "count": _SHARDS,
                "replicas": _REPLICAS,
                "cpus": 0.1,
                "folder": Path(place) / "shards",
                "block_rows": 16,
            }
            texts = [f"shards.{name}={value}" for name, value in settings.items()]
            with served(model, gallery, texts) as (address, _):
                with Client(address) as client:
                    client.wait_until_ready(_LOADING)
                if not cluster.wait_for_replicas(_SHARDS, _REPLICAS, _LOADING):
                    raise click.ClickException(f"the shards were not loaded in {_LOADING:g} s")
                yield address, cluster


def _ids(address: str) -> list[str]:
    with Client(address) as client:
        return [one.id for one, _ in zip(client.list_images(), range(_QUESTIONS), strict=False)]


def _measured(
    fault: str, cause: Callable[[], None], under: Load, cluster: LocalCluster, seconds: float
) -> Recovery:
    begun = time.monotonic()
    time.sleep(seconds)
    before = under.since(begun)
    if not before:
        raise click.ClickException("no search ended before the fault; give more --seconds")
    at = time.monotonic()
    cause()
    complete = cluster.wait_for_replicas(_SHARDS, _REPLICAS, _LOADING)
    spent = time.monotonic() - at
    time.sleep(seconds)
    return recovery(fault, at, before, under.since(at), spent if complete else None)


def _table(found: list[Recovery]) -> Table:
    headers = ("searches", "failed", "usual", "longest", "usual again", "replicas again")
    table = Table("killed", *(Column(name, justify="right") for name in headers))
    for one in found:
        table.add_row(
            one.fault,
            f"{one.searches}",
            ", ".join(f"{count} {name}" for name, count in one.failed.items()) or "0",
            f"{one.usual_ms:.0f} ms",
            f"{one.longest_ms:.0f} ms",
            _after(one.usual_again_seconds),
            _after(one.replicas_again_seconds),
        )
    return table


def _after(seconds: float | None) -> str:
    return "never" if seconds is None else f"after {seconds:.0f} s"
