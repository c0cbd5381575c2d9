"""`partlens standing`: searches that the server scores every new image against."""

import hashlib
from collections.abc import Iterator
from contextlib import suppress
from itertools import islice
from pathlib import Path

import click

from partlens.client.cli.arguments import Finite, clear_errors, write_file
from partlens.client.cli.asked import score_option
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
from partlens.client.cli.search import plain_hit
from partlens.client.errors import ClientError, NotFoundError
from partlens.client.questions import Mark, Score
from partlens.client.report.match_page import match_page
from partlens.client.standing import StandingMatch, StandingQuery
from partlens.client.sync_client import Client
from partlens.common.filters import Filter
from partlens.common.results import json_lines_option, json_option, say_json, say_result
from partlens.common.tables import Column, Table, say_table
from partlens.common.text import visible


@click.group()
def standing() -> None:
    """Save searches, score every new image against them, and watch for matches."""


@standing.command()
@image_options
@region_options
@whole_option
@exclude_option
@mark_options
@click.option("--name", required=True, help="Name of the standing query.")
@click.option(
    "--threshold",
    required=True,
    type=Finite(),
    help="Lowest score that matches.",
)
@score_option
@filter_options
@exclude_identical_option
@json_option
@connection_options
def create(
    images: QueryImages,
    marked: list[Marked],
    whole: bool,
    excluded: tuple[Marked, ...],
    marks: list[Mark],
    name: str,
    threshold: float,
    score: Score,
    where: Filter,
    exclude_identical: bool,
    as_json: bool,
    client: Client,
) -> None:
    """Save a search and print its id.

    Give images, regions and marks as for `partlens search`; run that first to find a threshold.
    """
    regions = query_regions(marked, excluded, len(images), whole=whole)
    with clear_errors(), client:
        made = client.create_standing_query(
            name,
            images.to_ask(),
            regions,
            threshold,
            where=where,
            score=score,
            marks=marks,
            exclude_identical=exclude_identical,
        )
    say_result(_plain(made), made.id, as_json=as_json)


@standing.command(name="list")
@json_option
@connection_options
def list_(as_json: bool, client: Client) -> None:
    """List your standing queries."""
    with clear_errors(), client:
        found = client.list_standing_queries()
    if as_json:
        say_json([_plain(one) for one in found])
        return
    id, threshold = (Column(title, no_wrap=True) for title in ("id", "threshold"))
    table = Table(id, "name", threshold, "saved", "state")
    for one in found:
        at = one.created_at.isoformat(timespec="seconds")
        state = "paused" if one.paused else "active"
        table.add_row(one.id, one.name, f"{one.threshold:g}", at, state)
    say_table(table)


@standing.command()
@click.argument("id")
@click.option("--name", help="New name.")
@click.option("--threshold", type=Finite(), help="New lowest score that matches.")
@connection_options
def update(id: str, name: str | None, threshold: float | None, client: Client) -> None:
    """Change the name or the threshold of a standing query."""
    if name is None and threshold is None:
        raise click.UsageError("nothing to change; give --name or --threshold")
    with clear_errors(), client:
        client.update_standing_query(id, name=name, threshold=threshold)


@standing.command()
@click.argument("ids", nargs=-1, required=True)
@connection_options
def pause(ids: tuple[str, ...], client: Client) -> None:
    """Pause standing queries. Images added until you resume them are never scored against them."""
    with clear_errors(), client:
        for id in ids:
            client.update_standing_query(id, paused=True)


@standing.command()
@click.argument("ids", nargs=-1, required=True)
@connection_options
def resume(ids: tuple[str, ...], client: Client) -> None:
    """Resume paused standing queries: score images added from now on."""
    with clear_errors(), client:
        for id in ids:
            client.update_standing_query(id, paused=False)


@standing.command()
@click.argument("ids", nargs=-1, required=True)
@connection_options
def delete(ids: tuple[str, ...], client: Client) -> None:
    """Delete standing queries and the image features saved with them."""
    with clear_errors(), client:
        for id in ids:
            client.delete_standing_query(id)


@standing.command()
@click.argument("ids", nargs=-1)
@click.option(
    "--after-revision",
    type=click.IntRange(0, 2**64 - 1),
    help="Start after this revision; by default only images added from now on.",
)
@click.option(
    "--revision-gallery",
    default="",
    metavar="NAME",
    help="Gallery that --after-revision belongs to, if the alias may have moved since.",
)
@click.option("--count", type=click.IntRange(1), help="Stop after this number of matches.")
@click.option(
    "--reports",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder in which to write an HTML report with the map of each match.",
)
@json_lines_option
@connection_options
def watch(
    ids: tuple[str, ...],
    after_revision: int | None,
    revision_gallery: str,
    count: int | None,
    reports: Path | None,
    as_json: bool,
    client: Client,
) -> None:
    """Print matches as they are found, for IDS or for all your standing queries, until Ctrl-C."""
    with clear_errors(), client, suppress(KeyboardInterrupt):
        matches = _going_on(
            client.watch_matches(
                ids, after_revision=after_revision, revision_gallery=revision_gallery
            )
        )
        for match in islice(matches, count):
            say_result(_plain_match(match), _line(match), as_json=as_json)
            if reports is not None:
                _report(reports, match, client)


def _going_on(matches: Iterator[StandingMatch]) -> Iterator[StandingMatch]:
    """The matches; an error after the first match says how to resume."""
    last = None
    try:
        for match in matches:
            last = match
            yield match
    except ClientError as error:
        if last is None:
            raise
        raise click.ClickException(
            f"{error}; resume with --after-revision {max(0, last.revision - 1)}"
            f"{f' --revision-gallery {last.gallery}' if last.gallery else ''}, and skip repeated"
            " matches"
        ) from error


def _report(folder: Path, match: StandingMatch, client: Client) -> None:
    try:
        _, thumbnail = client.get_image(match.hit.id, gallery=match.gallery or None)
    except NotFoundError:  # deleted since
        thumbnail = b""
    # Ids come from the server and are not safe file names.
    name = hashlib.sha256(f"{match.query_id}\n{match.hit.id}".encode()).hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise click.ClickException(f"{folder}: {error.strerror}") from error
    page = match_page(
        match, thumbnail, client.get_gallery(gallery=match.gallery or None).model.bias_share
    )
    write_file(folder / f"{match.revision:09}-{name}.html", page.encode())


def _line(match: StandingMatch) -> str:
    hit, known = match.hit, match.hit.image.metadata
    box = f"{hit.box.x:.0f},{hit.box.y:.0f},{hit.box.width:.0f},{hit.box.height:.0f}"
    at = known.captured_at.isoformat(timespec="seconds") if known.captured_at else ""
    words = [match.query_name or match.query_id, hit.id, f"{hit.score:.4f}", f"box {box}"]
    return visible("  ".join([*words, *filter(None, (known.camera, known.track, at))]))


def _plain_match(match: StandingMatch) -> dict[str, object]:
    return {
        "revision": match.revision,
        "gallery": match.gallery,
        "standing_query_id": match.query_id,
        "standing_query_name": match.query_name,
        "hit": plain_hit(match.hit),
    }


def _plain(query: StandingQuery) -> dict[str, object]:
    return {
        "id": query.id,
        "name": query.name,
        "threshold": query.threshold,
        "created_at": query.created_at.isoformat(),
        "created_revision": query.created_revision,
        "paused": query.paused,
        "gallery": query.gallery,
    }
