"""`partlens search`: finds the gallery images that contain a part."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click

from partlens.client.cli.arguments import clear_errors, output_options
from partlens.client.cli.asked import Search, search_options
from partlens.client.cli.hits import hidden_attributes, hit_table
from partlens.client.cli.nothing_found import why_nothing
from partlens.client.cli.reporting import search_report, write_report
from partlens.client.errors import ClientError
from partlens.client.questions import MapKind
from partlens.client.search_answers import Hit, SearchAnswer
from partlens.client.sync_client import Client
from partlens.common.activation_map import ActivationMap
from partlens.common.results import say_json
from partlens.common.tables import say_table
from partlens.common.terminal import say
from partlens.common.text import visible

_OF_TWO = (
    "A score is the sum of two similarities, of the part and of its surroundings, so it can exceed"
    " 1; each position's share is in its map (--json, --report)."
)


@click.command()
@search_options()
@click.option(
    "--map",
    "maps",
    multiple=True,
    default=["score"],
    show_default=True,
    type=click.Choice(["none", "score", "overall", "regions"]),
    help="Maps to return with each hit, for --json.",
)
@click.option(
    "--allow-partial",
    is_flag=True,
    help="Accept an answer of the shards that can be reached, instead of failing; not in a report.",
)
@output_options
def search(
    asked: Callable[[Client], Search],
    maps: tuple[MapKind, ...],
    allow_partial: bool,
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
    if allow_partial and report is not None:
        raise click.UsageError("a report is never of a partial answer; leave --allow-partial out")
    with clear_errors(), client:
        question = asked(client)
        kinds = maps if report is None else _with_score(maps)
        answer = question.answer(
            client, kinds, thumbnails=report is not None, allow_partial=allow_partial
        )
        made = None if report is None else search_report(client, question, answer)
        if not answer.hits:
            say(_why_none(question, client), err=True)
    if answer.is_partial:
        say(
            f"partial: {answer.shards_ok} of {answer.shards_total} shards were searched; images of"
            " the others are missing",
            err=True,
        )
    if as_json:
        say_json(_plain(answer))
    else:
        _say_hits(question, answer)
        for number, query in enumerate(answer.queries, start=1):
            say(f"query image {number} is kept as --query-id {query.id}")
    if report is not None and made is not None:
        write_report(report, made)


def _why_none(question: Search, client: Client) -> str:
    try:
        return why_nothing(client, question.where, exclude_identical=question.exclude_identical)
    except ClientError:  # such as a server too old to count; the search itself succeeded
        return "nothing found"


def _say_hits(question: Search, answer: SearchAnswer) -> None:
    say_table(hit_table(answer.hits))
    if hidden := hidden_attributes(answer.hits):
        some = ", ".join(map(visible, hidden[:3]))
        say(f"{len(hidden)} more attributes differ, such as {some}; see --json", err=True)
    is_sum = question.score == "context" or (question.score == "default" and not question.is_whole)
    if is_sum and any(hit.score > 1 for hit in answer.hits):
        say(_OF_TWO, err=True)


def _with_score(maps: Sequence[MapKind]) -> list[MapKind]:
    """Add the score map, which the report needs."""
    return [*(kind for kind in maps if kind not in ("none", "score")), "score"]


def _plain(answer: SearchAnswer) -> dict[str, object]:
    return {
        "gallery_version": answer.gallery_version,
        "shards_ok": answer.shards_ok,
        "shards_total": answer.shards_total,
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
