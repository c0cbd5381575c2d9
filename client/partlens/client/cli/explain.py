"""`partlens explain`: why two pictures are similar."""

import json
from dataclasses import asdict
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from partlens.client.answers import PairAnswer
from partlens.client.cli.arguments import (
    BoxType,
    PointType,
    clear_errors,
    output_options,
    read_picture,
    server_option,
    write_page,
)
from partlens.client.questions import Box, Point, Region
from partlens.client.report.pages import pair_page
from partlens.client.sync_client import Client


@click.command()
@click.argument("query", type=click.Path(path_type=Path))
@click.argument("retrieved", type=click.Path(path_type=Path))
@click.option("--point", "points", multiple=True, type=PointType(), help="A place on QUERY.")
@click.option("--region", "boxes", multiple=True, type=BoxType(), help="A part of QUERY.")
@server_option
@output_options
def explain(
    query: Path,
    retrieved: Path,
    points: tuple[Point, ...],
    boxes: tuple[Box, ...],
    server: str,
    report: Path | None,
    as_json: bool,
) -> None:
    """Take the similarity of the pictures QUERY and RETRIEVED apart by position."""
    pictures = read_picture(query), read_picture(retrieved)
    regions: tuple[Region, ...] = (*points, *boxes)
    with clear_errors(), Client(server) as client:
        answer = client.explain_pair(*pictures, query_regions=regions)
    if as_json:
        click.echo(json.dumps(_plain(answer)))
    else:
        Console().print(_table(answer))
    if report is not None:
        write_page(report, pair_page(answer, *pictures, regions))


def _plain(answer: PairAnswer) -> dict[str, object]:
    return {
        "similarity": answer.similarity,
        "terms": asdict(answer.terms),
        "query_map": answer.query_map.values.tolist(),
        "query_map_with_bias": answer.query_map_with_bias.values.tolist(),
        "retrieved_map": answer.retrieved_map.values.tolist(),
        "retrieved_map_with_bias": answer.retrieved_map_with_bias.values.tolist(),
        "partial_maps": [
            {"side": one.side, "map": one.map.values.tolist(), "constant": one.constant}
            for one in answer.partial_maps
        ],
    }


def _table(answer: PairAnswer) -> Table:
    table = Table("term", "share of the similarity")
    for name, value in asdict(answer.terms).items():
        table.add_row(name.replace("_", " x "), f"{value:+.4f}")
    table.add_row("cosine similarity", f"{answer.similarity:+.4f}", style="bold")
    for number, one in enumerate(answer.partial_maps, start=1):
        share = float(one.map.values.sum()) + one.constant
        table.add_row(f"region {number} explains", f"{share:+.4f}")
    return table
