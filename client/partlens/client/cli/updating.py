"""`partlens images update`: metadata of gallery images."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import get_args

import click

from partlens.client.answers import UpdateAnswer
from partlens.client.cli.arguments import TimeType, clear_errors
from partlens.client.cli.connection import connection_options
from partlens.client.cli.filters import named_values
from partlens.client.questions import ImagePart, ImageUpdate
from partlens.client.sync_client import Client
from partlens.common.results import json_option, say_json
from partlens.common.terminal import say
from partlens.common.text import visible

_AT_ONCE = 256
"""Images in one call: the server's default for limits.update_images."""


@click.command("update")
@click.argument("ids", nargs=-1, required=True)
@click.option("--camera", help="New camera.")
@click.option("--track", help="New track.")
@click.option("--captured-at", type=TimeType(), help="New capture time.")
@click.option("--uri", help="New location of the original.")
@click.option(
    "--attribute",
    "attributes",
    multiple=True,
    metavar="NAME=VALUE",
    help="Add or change this attribute; repeatable.",
)
@click.option(
    "--remove-attribute", "removed", multiple=True, help="Remove this attribute; repeatable."
)
@click.option(
    "--clear",
    multiple=True,
    type=click.Choice(get_args(ImagePart)),
    help="Clear this first, so that only what other options give remains; repeatable.",
)
@json_option
@connection_options
def update_command(
    ids: tuple[str, ...],
    camera: str | None,
    track: str | None,
    captured_at: datetime | None,
    uri: str | None,
    attributes: tuple[str, ...],
    removed: tuple[str, ...],
    clear: tuple[ImagePart, ...],
    as_json: bool,
    client: Client,
) -> None:
    """Change metadata of the images IDS; whatever is not given stays.

    The pictures are not needed. The exit status is 1 if an id has no image.
    """
    values = {"camera": camera, "track": track, "uri": uri}
    for name, text in values.items():
        if text == "":
            raise click.UsageError(f"--{name} is empty; to clear it, give --clear {name}")
    wanted = named_values(attributes)
    updates = [
        ImageUpdate(id, camera, track, captured_at, wanted, removed, uri=uri, clear=clear)
        for id in dict.fromkeys(ids)
    ]
    with clear_errors(), client:
        answers = [
            client.update_images(updates[start : start + _AT_ONCE])
            for start in range(0, len(updates), _AT_ONCE)
        ]
    _show(answers, as_json=as_json)


def _show(answers: Sequence[UpdateAnswer], *, as_json: bool) -> None:
    unknown = [id for one in answers for id in one.unknown_ids]
    counts: Mapping[str, object] = {
        "updated": sum(one.updated for one in answers),
        "unchanged": sum(one.unchanged for one in answers),
        "unknown_ids": unknown,
        "gallery_version": answers[-1].gallery_version,
    }
    if as_json:
        say_json(counts)
    else:
        for id in unknown:
            say(f"no image has the id {visible(id)}; see `partlens images list`", err=True)
        say(f"{counts['updated']} updated, {counts['unchanged']} unchanged")
    if unknown:
        raise SystemExit(1)
