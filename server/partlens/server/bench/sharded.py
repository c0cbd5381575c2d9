"""`partlens bench sharded`: what shards on this machine add to the time of a search."""

import asyncio
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import click

from partlens.client.cli.arguments import FiniteRange
from partlens.common.results import json_lines_option, say_result
from partlens.server.bench.counts import Counts
from partlens.server.bench.load import LoadResult, measure
from partlens.server.bench.served import served

_PER_PICTURE = 20
"""Searches of each picture, of which the first needs a pass through the model."""


@dataclass(frozen=True)
class Comparison:
    """Searches one after the other by a server with shards and one without, in turn.

    Attributes:
        shards: how many.
        p50_ms, p99_ms: median over the rounds of each round's latency.
        alone_p50_ms, alone_p99_ms: the same without shards.
        errors: number of calls that failed, of both.
    """

    shards: int
    p50_ms: float
    p99_ms: float
    alone_p50_ms: float
    alone_p99_ms: float
    errors: int


@click.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option("--gallery", required=True, type=click.Path(path_type=Path), help="Gallery folder.")
@click.option("--shards", "counts", type=Counts(), default="1,2,4", show_default=True)
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option(
    "--seconds",
    type=FiniteRange(0.1, 86_400),
    default=5.0,
    show_default=True,
    help="Of each round, for each of the two servers.",
)
@json_lines_option
def sharded(
    model: Path,
    gallery: Path,
    counts: tuple[int, ...],
    rounds: int,
    seconds: float,
    as_json: bool,
) -> None:
    """Compare searches by shards on a Ray cluster of this machine with searches without shards.

    For each number of shards, both servers run at the same time, and one client searches them in
    turn. Needs the extra ray. Exit 1 if a call failed.
    """
    failed = False
    for count in counts:
        result = _compared(model, gallery, count, rounds, seconds)
        failed = failed or bool(result.errors)
        say_result(asdict(result), _line(result), as_json=as_json)
    if failed:
        raise SystemExit(1)


def _compared(model: Path, gallery: Path, count: int, rounds: int, seconds: float) -> Comparison:
    with tempfile.TemporaryDirectory() as folder:
        own = [f"standing.folder={Path(folder) / 'standing'}"]
        ray = [
            "shards.kind=ray", f"shards.count={count}", "shards.cpus=0.1",
            f"shards.folder={Path(folder) / 'shards'}", f"standing.folder={Path(folder) / 'ray'}",
        ]  # fmt: skip
        with served(model, gallery, own) as (alone, _), served(model, gallery, ray) as (shared, _):
            servers = (shared, alone)
            _measured(servers, 1.0)  # the first calls of a process warm it up
            rows = [_measured(servers, seconds) for _ in range(rounds)]
    with_shards, without = zip(*rows, strict=True)
    return Comparison(
        count,
        median(one.p50_ms for one in with_shards),
        median(one.p99_ms for one in with_shards),
        median(one.p50_ms for one in without),
        median(one.p99_ms for one in without),
        sum(one.refused + sum(one.errors.values()) for row in rows for one in row),
    )


def _measured(servers: Sequence[str], seconds: float) -> Sequence[LoadResult]:
    return [
        asyncio.run(measure(one, clients=1, seconds=seconds, searches_per_picture=_PER_PICTURE))
        for one in servers
    ]


def _line(one: Comparison) -> str:
    return (
        f"{one.shards:4} shards: p50 {one.p50_ms:6.1f} ms, p99 {one.p99_ms:6.1f} ms; without:"
        f" p50 {one.alone_p50_ms:6.1f} ms, p99 {one.alone_p99_ms:6.1f} ms; ratio of p50"
        f" {one.p50_ms / one.alone_p50_ms:.2f}; errors {one.errors}"
    )
