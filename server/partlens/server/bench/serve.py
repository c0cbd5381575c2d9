"""`partlens bench serve`: throughput and latency with many concurrent callers."""

import asyncio
from dataclasses import asdict
from pathlib import Path

import click

from partlens.client.cli.arguments import FiniteRange
from partlens.common.results import json_lines_option, say_result
from partlens.server.bench.counts import Counts
from partlens.server.bench.load import LoadResult, measure
from partlens.server.bench.served import served


@click.command()
@click.option("--model", required=True, type=click.Path(path_type=Path), help="Model folder.")
@click.option("--gallery", required=True, type=click.Path(path_type=Path), help="Gallery folder.")
@click.option("--clients", type=Counts(), default="1,8,32,128", show_default=True)
@click.option("--seconds", type=FiniteRange(0.1, 86_400), default=10.0, show_default=True)
@click.option(
    "--searches-per-picture",
    type=click.IntRange(1),
    default=5,
    show_default=True,
    help="Only the first needs a pass through the model.",
)
@click.option(
    "--set",
    "texts",
    multiple=True,
    metavar="SECTION.KEY=VALUE",
    help="Change a setting of the server; repeatable.",
)
@json_lines_option
def serve(
    model: Path,
    gallery: Path,
    clients: tuple[int, ...],
    seconds: float,
    searches_per_picture: int,
    texts: tuple[str, ...],
    as_json: bool,
) -> None:
    """Start a server on loopback and search it from many clients concurrently.

    Exit 1 if a call failed for any reason except a refusal.
    """
    failed = False
    with served(model, gallery, texts) as (address, _):
        # The first calls of a process warm it up.
        asyncio.run(measure(address, clients=4, seconds=1.0, searches_per_picture=2))
        for count in clients:
            result = asyncio.run(
                measure(
                    address,
                    clients=count,
                    seconds=seconds,
                    searches_per_picture=searches_per_picture,
                )
            )
            failed = failed or bool(result.errors)
            say_result(asdict(result), _line(result), as_json=as_json)
    if failed:
        raise SystemExit(1)


def _line(result: LoadResult) -> str:
    errors = ", ".join(f"{count} {name}" for name, count in result.errors.items()) or "none"
    return (
        f"{result.clients:4} clients: {result.calls_per_second:7.1f} searches/s, p50"
        f" {result.p50_ms:6.1f} ms, p99 {result.p99_ms:7.1f} ms, refused {result.refused}, errors"
        f" {errors}"
    )
