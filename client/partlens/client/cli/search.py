"""`partlens search`: which images of the gallery hold this part."""

import json
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from partlens.client.answers import SearchAnswer
from partlens.client.cli.arguments import (
    BoxType,
    PointType,
    PolygonType,
    clear_errors,
    output_options,
    read_picture,
    server_option,
    write_page,
)
from partlens.client.questions import Box, Filter, Point, Polygon, QueryRegion, Score
from partlens.client.report.pages import search_page
from partlens.client.sync_client import Client


@click.command()
@click.argument("query", type=click.Path(path_type=Path))
@click.option("--region", "boxes", multiple=True, type=BoxType(), help="A part to look for.")
@click.option(
    "--polygon", "polygons", multiple=True, type=PolygonType(), help="The same, by corners."
)
@click.option("--point", "points", multiple=True, type=PointType(), help="The cell at a point.")
@click.option("--exclude", "excluded", multiple=True, type=BoxType(), help="A part to avoid.")
@click.option(
    "--weight",
    "weights",
    multiple=True,
    type=click.FloatRange(0, min_open=True),
    help="Weight of each region, in the order: regions, polygons, points, excluded.",
)
@click.option(
    "--top", default=20, show_default=True, type=click.IntRange(1), help="Images to show."
)
@click.option(
    "--score", default="default", show_default=True, type=click.Choice(["default", "whole", "part"])
)
@click.option("--camera", "cameras", multiple=True, help="Only images of these cameras.")
@click.option(
    "--attribute", "attributes", multiple=True, metavar="NAME=VALUE", help="Only images with it."
)
@server_option
@output_options
def search(
    query: Path,
    boxes: tuple[Box, ...],
    polygons: tuple[Polygon, ...],
    points: tuple[Point, ...],
    excluded: tuple[Box, ...],
    weights: tuple[float, ...],
    top: int,
    score: Score,
    cameras: tuple[str, ...],
    attributes: tuple[str, ...],
    server: str,
    report: Path | None,
    as_json: bool,
) -> None:
    """Find the images that hold the marked parts of the picture QUERY."""
    regions = _regions((*boxes, *polygons, *points), excluded, weights)
    where = Filter(cameras=cameras, attributes=_pairs(attributes))
    picture = read_picture(query)
    with clear_errors(), Client(server) as client:
        answer = client.search_regions(
            [picture],
            regions,
            where=where,
            score=score,
            page_size=top,
            thumbnails=report is not None,
        )
    if as_json:
        click.echo(json.dumps(_plain(answer)))
    else:
        Console().print(_table(answer))
    if report is not None:
        write_page(report, search_page(answer, [picture], regions))


def _regions(
    included: tuple[Box | Polygon | Point, ...],
    excluded: tuple[Box, ...],
    weights: tuple[float, ...],
) -> list[QueryRegion]:
    if not included:
        raise click.UsageError("give at least one --region x,y,w,h, --polygon or --point")
    count = len(included) + len(excluded)
    if weights and len(weights) != count:
        raise click.UsageError(f"{count} regions need {count} --weight, got {len(weights)}")
    chosen = weights or (1.0,) * count
    return [
        QueryRegion(region, weight=weight, exclude=number >= len(included))
        for number, (region, weight) in enumerate(zip((*included, *excluded), chosen, strict=True))
    ]


def _pairs(attributes: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for text in attributes:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--attribute {text!r} is not NAME=VALUE")
        pairs[name] = value
    return pairs


def _plain(answer: SearchAnswer) -> dict[str, object]:
    return {
        "gallery_version": answer.gallery_version,
        "query_id": answer.queries[0].id,
        "hits": [
            {
                "id": hit.id,
                "score": hit.score,
                "constant": hit.constant,
                "map": None if hit.map is None else hit.map.values.tolist(),
                "box": [hit.box.x, hit.box.y, hit.box.width, hit.box.height],
                "uri": hit.image.uri,
                "camera": hit.image.metadata.camera,
                "track": hit.image.metadata.track,
                "attributes": dict(hit.image.metadata.attributes),
            }
            for hit in answer.hits
        ],
    }


def _table(answer: SearchAnswer) -> Table:
    table = Table("", "image", "score", "box x,y,w,h", "camera", "track")
    for number, hit in enumerate(answer.hits, start=1):
        box = hit.box
        table.add_row(
            str(number),
            hit.id,
            f"{hit.score:.4f}",
            f"{box.x:.0f},{box.y:.0f},{box.width:.0f},{box.height:.0f}",
            hit.image.metadata.camera,
            hit.image.metadata.track,
        )
    return table
