"""`partlens search`: finds the gallery images that contain a part."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click

from partlens.client.answers import ActivationMap, Hit, SearchAnswer
from partlens.client.cli.arguments import (
    clear_errors,
    output_options,
    write_page,
)
from partlens.client.cli.connection import connection_options
from partlens.client.cli.filters import exclude_identical_option, filter_options
from partlens.client.cli.images import QueryImages, image_options
from partlens.client.cli.marks import mark_options
from partlens.client.cli.regions import (
    Marked,
    exclude_option,
    query_regions,
    region_options,
    whole_option,
)
from partlens.client.questions import GalleryImageId, MapKind, Mark, Score
from partlens.client.report.pages import search_page
from partlens.client.sync_client import Client
from partlens.common.filters import Filter
from partlens.common.tables import Column, Table, say_table
from partlens.common.terminal import say

score_option = click.option(
    "--score",
    default="default",
    show_default=True,
    type=click.Choice(["default", "context", "whole", "part"]),
    help="Score to rank by.",
)


@click.command()
@image_options
@region_options
@whole_option
@exclude_option
@mark_options
@click.option(
    "--top", default=20, show_default=True, type=click.IntRange(1), help="Number of images to show."
)
@score_option
@click.option(
    "--map",
    "maps",
    multiple=True,
    default=["score"],
    show_default=True,
    type=click.Choice(["none", "score", "overall", "regions"]),
    help="Maps to return with each hit, for --json.",
)
@filter_options
@exclude_identical_option
@click.option(
    "--other-cameras",
    is_flag=True,
    help="Exclude the cameras that took the --gallery-id images.",
)
@click.option(
    "--group-by",
    default="",
    metavar="PROPERTY",
    help="track, camera or attribute:NAME. Show only the best image for each value.",
)
@connection_options
@output_options
def search(
    images: QueryImages,
    marked: list[Marked],
    whole: bool,
    excluded: tuple[Marked, ...],
    marks: list[Mark],
    top: int,
    score: Score,
    maps: tuple[MapKind, ...],
    where: Filter,
    exclude_identical: bool,
    other_cameras: bool,
    group_by: str,
    report: Path | None,
    as_json: bool,
    client: Client,
) -> None:
    """Find the images that contain the marked parts of the query images.

    Query images are PICTURES, then --gallery-id, then --query-id. A region is
    [IMAGE:]SHAPE[@WEIGHT]. IMAGE is the number of its query image, 1 by default. SHAPE is in pixels
    of the upright image. WEIGHT is 1 by default. For example, `2:10,20,40,40@0.5` is a box on the
    second image with half the weight.

    For a second round, mark hits with --like and --unlike. The region is laid on the image where it
    fits best, or give a box there: `--like photos/7.jpg#xywh=10,20,40,40`. WEIGHT is how strongly
    the mark counts, compared with 1 for the query; write it too if ID ends in @ and a number.
    """
    regions = query_regions(marked, excluded, len(images), whole=whole)
    with clear_errors(), client:
        if other_cameras:
            theirs = _cameras(images, client)
            where = replace(where, exclude_cameras=[*where.exclude_cameras, *theirs])
        pages = client.search_pages(
            images.to_ask(),
            regions,
            top=top,
            where=where,
            score=score,
            maps=maps if report is None else _with_score(maps),
            thumbnails=report is not None,
            group_by=group_by,
            marks=marks,
            exclude_identical=exclude_identical,
        )
        answer = _joined(list(pages))
        shown = [] if report is None else images.to_show(client)
        bias_share = 0.0 if report is None else client.get_gallery().model.bias_share
        if not answer.hits:
            say(_why_none(where, client, exclude_identical=exclude_identical), err=True)
    if as_json:
        say(json.dumps(_plain(answer)))
    else:
        say_table(_table(answer))
        for number, query in enumerate(answer.queries, start=1):
            say(f"query image {number} is kept as --query-id {query.id}")
    if report is not None:
        page = search_page(answer, shown, regions, score, images.names, marks, bias_share)
        write_page(report, page)


def _why_none(where: Filter, client: Client, *, exclude_identical: bool) -> str:
    """Why a search found nothing, in a sentence; a search leaves out nothing for its score."""
    if not client.get_gallery().images:
        return "nothing found: the gallery is empty, or the token may see none of its images"
    if where != Filter() or exclude_identical:
        return (
            "nothing found: no image passes the filters (--camera, --attribute,"
            " --exclude-identical, ...)"
        )
    return "nothing found: the token may see none of the gallery's images"


def _cameras(images: QueryImages, client: Client) -> set[str]:
    """The cameras that took the query images."""
    asked = images.to_ask()
    ids = [one.id for one in asked if isinstance(one, GalleryImageId)]
    found = {id: client.get_image(id)[0].metadata.camera for id in ids}
    unknown = [id for id, camera in found.items() if not camera]
    if unknown or len(ids) < len(asked):
        what = f"the camera of {unknown[0]!r}" if unknown else "the camera of a picture"
        raise click.UsageError(
            f"--other-cameras: {what} is not known; name it with --exclude-camera"
        )
    return set(found.values())


def _with_score(maps: Sequence[MapKind]) -> list[MapKind]:
    """Add the score map, which the report needs."""
    return [*(kind for kind in maps if kind not in ("none", "score")), "score"]


def _joined(pages: Sequence[SearchAnswer]) -> SearchAnswer:
    return replace(pages[-1], hits=[hit for page in pages for hit in page.hits])


def _plain(answer: SearchAnswer) -> dict[str, object]:
    return {
        "gallery_version": answer.gallery_version,
        "query_ids": [query.id for query in answer.queries],
        "hits": [plain_hit(hit) for hit in answer.hits],
    }


def plain_hit(hit: Hit) -> dict[str, object]:
    """A hit as JSON."""
    known = hit.image.metadata
    return {
        "id": hit.id,
        "score": hit.score,
        "constant": hit.constant,
        "map": None if hit.map is None else _rows(hit.map),
        "overall_maps": [_rows(one) for one in hit.overall_maps],
        "region_maps": [_rows(one) for one in hit.region_maps],
        "box": [hit.box.x, hit.box.y, hit.box.width, hit.box.height],
        "uri": hit.image.uri,
        "camera": known.camera,
        "track": known.track,
        "captured_at": known.captured_at.isoformat() if known.captured_at else None,
        "attributes": dict(known.attributes),
        "group": hit.group,
        "others_in_group": hit.others_in_group,
    }


def _rows(map: ActivationMap) -> list[list[float]]:
    rows: list[list[float]] = map.values.tolist()
    return rows


def _table(answer: SearchAnswer) -> Table:
    # In a narrow terminal, wrap names but never numbers.
    place, score, where = (Column(name, no_wrap=True) for name in ("", "score", "box x,y,w,h"))
    table = Table(place, "image", score, where)
    # A column that no hit has a value for would only make names wrap.
    known = [hit.image.metadata for hit in answer.hits]
    more = [name for name in ("camera", "track") if any(getattr(one, name) for one in known)]
    for name in more:
        table.add_column(name)
    grouped = any(hit.group for hit in answer.hits)
    if grouped:
        table.add_column("others", justify="right", no_wrap=True)
    for number, hit in enumerate(answer.hits, start=1):
        box = hit.box
        table.add_row(
            str(number),
            hit.id,
            f"{hit.score:.4f}",
            f"{box.x:.0f},{box.y:.0f},{box.width:.0f},{box.height:.0f}",
            *(getattr(hit.image.metadata, name) for name in more),
            *([str(hit.others_in_group)] if grouped else []),
        )
    return table
