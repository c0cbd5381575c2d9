"""`partlens search`: finds the gallery images that contain a part."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from partlens.client.answers import Hit, SearchAnswer
from partlens.client.cli.arguments import clear_errors, output_options
from partlens.client.cli.asked import Search, search_options
from partlens.client.cli.reporting import search_report, write_report
from partlens.client.questions import MapKind
from partlens.client.sync_client import Client
from partlens.common.activation_map import ActivationMap
from partlens.common.filters import Filter
from partlens.common.tables import Column, Table, say_table
from partlens.common.terminal import say


@click.command()
@search_options
@click.option(
    "--map",
    "maps",
    multiple=True,
    default=["score"],
    show_default=True,
    type=click.Choice(["none", "score", "overall", "regions"]),
    help="Maps to return with each hit, for --json.",
)
@output_options
def search(
    asked: Callable[[Client], Search],
    maps: tuple[MapKind, ...],
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
    with clear_errors(), client:
        question = asked(client)
        kinds = maps if report is None else _with_score(maps)
        answer = question.answer(client, kinds, thumbnails=report is not None)
        made = None if report is None else search_report(client, question, answer)
        if not answer.hits:
            say(_why_none(question, client), err=True)
    if as_json:
        say(json.dumps(_plain(answer)))
    else:
        say_table(_table(answer))
        for number, query in enumerate(answer.queries, start=1):
            say(f"query image {number} is kept as --query-id {query.id}")
    if report is not None and made is not None:
        write_report(report, made)


def _why_none(question: Search, client: Client) -> str:
    """Why a search found nothing, in a sentence; a search leaves out nothing for its score."""
    if not client.get_gallery().images:
        return "nothing found: the gallery is empty, or the token may see none of its images"
    if question.where != Filter() or question.exclude_identical:
        return (
            "nothing found: no image passes the filters (--camera, --attribute,"
            " --exclude-identical, ...)"
        )
    return "nothing found: the token may see none of the gallery's images"


def _with_score(maps: Sequence[MapKind]) -> list[MapKind]:
    """Add the score map, which the report needs."""
    return [*(kind for kind in maps if kind not in ("none", "score")), "score"]


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
