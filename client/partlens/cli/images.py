"""`partlens images`: the client's commands, and one that also reads folders and manifests."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import click
from rich.progress import BarColumn, MofNCompleteColumn, TimeRemainingColumn

from partlens.cli.commands import needing
from partlens.cli.uploading import Uploading, listed
from partlens.client.cli.arguments import TimeType, clear_errors
from partlens.client.cli.connection import connection_options
from partlens.client.cli.filters import named_values
from partlens.client.cli.gallery_images import images
from partlens.client.errors import ClientError
from partlens.client.sync_client import Client
from partlens.common.metadata import Metadata
from partlens.common.results import json_option, say_result
from partlens.common.tables import progress_bar
from partlens.common.terminal import say
from partlens.common.text import visible

__all__ = ["images"]


@images.command("add")
@click.argument(
    "sources",
    nargs=-1,
    required=True,
    metavar="PICTURE|FOLDER|MANIFEST...",
    type=click.Path(path_type=Path),
)
@click.option("--id", help="Id of the picture, if only one is given.")
@click.option("--camera", default="", help="Camera of the images.")
@click.option("--track", default="", help="Track of the images.")
@click.option("--captured-at", type=TimeType(), help="Capture time of the images.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Attribute of the images; repeatable.",
)
@json_option
@connection_options
def add(
    sources: tuple[Path, ...],
    id: str | None,
    camera: str,
    track: str,
    captured_at: datetime | None,
    attributes: tuple[str, ...],
    as_json: bool,
    client: Client,
) -> None:
    """Upload pictures to a server: files, folders with all folders in them, or manifests (CSV,
    Parquet).

    Ids and metadata are those of `partlens index add`. The metadata options are for images that a
    manifest does not say otherwise of; metadata that the server has and nothing here states is
    kept. If a run is stopped, run it again to resume: images that the server has unchanged are not
    sent (that needs a token that may search too). Pictures that cannot be used are reported and
    skipped.
    """
    with needing("partlens.indexer"):
        found = listed(sources, id)
    given = Metadata(camera, track, captured_at, named_values(attributes))
    uploading = Uploading(client, found.images, given)
    if found.ignored:
        say(f"ignored: {found.ignored}", err=True)
    with clear_errors(), client, _resumable(uploading):
        for _ in _watched(uploading, len(found.images)):
            pass
    done = uploading.done
    facts: dict[str, object] = {
        "added": done.added,
        "replaced": done.replaced,
        "unchanged": done.unchanged,
        "skipped": [{"id": one.id, "reason": one.reason} for one in done.skipped],
    }
    say_result(facts, str(done), as_json=as_json)
    if len(done.skipped) == len(found.images):
        raise click.ClickException("no picture could be added")


def _watched(uploading: Uploading, total: int) -> Iterator[None]:
    """The upload, with a progress bar on a terminal; skipped images are reported as they come."""
    reported = 0
    with progress_bar(BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) as bar:
        task = bar.add_task("", total=total, visible=bar.console.is_terminal)
        for _ in uploading.run():
            reported = _report(uploading, reported)
            bar.update(task, completed=uploading.done.count)
            yield
    _report(uploading, reported)
    for note in uploading.notes:
        say(note, err=True)


def _report(uploading: Uploading, reported: int) -> int:
    skipped = uploading.done.skipped
    for one in skipped[reported:]:
        say(f"skipped {visible(one.id)}: {visible(one.reason)}", err=True)
    return len(skipped)


@contextmanager
def _resumable(uploading: Uploading) -> Iterator[None]:
    """Say how to resume an upload that ends early."""
    try:
        yield
    except KeyboardInterrupt:
        say(f"{uploading.done}; run the command again to resume", err=True)
        raise
    except ClientError as error:
        raise click.ClickException(
            f"{error}; {uploading.done} so far; run the command again to resume"
        ) from error
