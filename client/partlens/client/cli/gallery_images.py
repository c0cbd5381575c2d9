"""`partlens images`: the images that a server's gallery holds."""

from dataclasses import asdict
from pathlib import Path

import click

from partlens.client.answers import Facet, Facets, GalleryImage
from partlens.client.cli.arguments import clear_errors
from partlens.client.cli.connection import connection_options
from partlens.client.cli.filters import filter_options
from partlens.client.cli.nothing_found import why_nothing
from partlens.client.cli.updating import update_command
from partlens.client.questions import GalleryImageId
from partlens.client.sync_client import Client
from partlens.common.durable import write_atomically
from partlens.common.filters import Filter
from partlens.common.results import json_lines_option, json_option, say_json, say_result
from partlens.common.tables import Column, Table, say_table
from partlens.common.terminal import say


@click.group()
def images() -> None:
    """Add, list, count and update a server's images, and save their pictures."""


images.add_command(update_command)


@images.command("list")
@click.option("--prefix", default="", help="Only images whose ids begin with this.")
@json_lines_option
@filter_options
@connection_options
def list_command(prefix: str, as_json: bool, where: Filter, client: Client) -> None:
    """List the ids of the images that the token may see, in order, one a line."""
    with clear_errors(), client:
        one = None
        for one in client.list_images(where=where, prefix=prefix):
            say_result(_plain(one), one.id, as_json=as_json)
        if one is None:
            say(why_nothing(client, where, prefix=prefix), err=True)


@images.command("count")
@click.option(
    "--values",
    default=10,
    show_default=True,
    type=click.IntRange(1, 1000),
    help="Most values to show for each property.",
)
@json_option
@filter_options
@connection_options
def count_command(values: int, as_json: bool, where: Filter, client: Client) -> None:
    """Count the images that the token may see, by camera, track and attribute."""
    with clear_errors(), client:
        found = client.get_facets(where, values)
    if as_json:
        say_json(_plain_facets(found))
        return
    say(f"{found.images} images{_span(found)}")
    for facet in (found.cameras, found.tracks, *found.attributes):
        if facet.values:
            say("")
            say_table(_table(facet, found.images))


@images.command("picture")
@click.argument("id")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option(
    "--max-side",
    default=0,
    type=click.IntRange(0, 65535),
    help="Save a JPEG whose longest side has at most this many pixels; 0 for the original file.",
)
@json_option
@connection_options
def picture_command(id: str, file: Path, max_side: int, as_json: bool, client: Client) -> None:
    """Save the picture of image ID to FILE.

    With --max-side, it shows the thumbnail if the server cannot read the original.
    """
    with clear_errors(), client:
        picture = client.get_picture(GalleryImageId(id), max_side)
    try:
        write_atomically(file, picture.data)
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error
    what = ", from the thumbnail" if picture.from_thumbnail else ""
    facts = {
        "file": str(file),
        "bytes": len(picture.data),
        "media_type": picture.media_type,
        "from_thumbnail": picture.from_thumbnail,
    }
    text = f"{file}: {len(picture.data)} bytes, {picture.media_type}{what}"
    say_result(facts, text, as_json=as_json)


def _span(found: Facets) -> str:
    if not (found.captured_first and found.captured_last):
        return ""
    return f", {found.captured_first.isoformat()} to {found.captured_last.isoformat()}"


def _table(facet: Facet, images: int) -> Table:
    table = Table(facet.name, Column("images", justify="right", no_wrap=True))
    for value, count in facet.values.items():
        table.add_row(value, str(count))
    if others := facet.distinct - len(facet.values):
        left = images - facet.unknown - sum(facet.values.values())
        table.add_row(f"({others} more values)", str(left))
    if facet.unknown:
        table.add_row("(unknown)", str(facet.unknown))
    return table


def _plain_facets(found: Facets) -> dict[str, object]:
    times = {"captured_first": found.captured_first, "captured_last": found.captured_last}
    return {
        "images": found.images,
        "cameras": asdict(found.cameras),
        "tracks": asdict(found.tracks),
        "attributes": [asdict(one) for one in found.attributes],
        **{name: at.isoformat() if at else None for name, at in times.items()},
        "gallery_version": found.gallery_version,
    }


def _plain(image: GalleryImage) -> dict[str, object]:
    known = image.metadata
    return {
        "id": image.id,
        "revision": image.revision,
        "uri": image.uri,
        "width": image.width,
        "height": image.height,
        "camera": known.camera,
        "track": known.track,
        "captured_at": known.captured_at.isoformat() if known.captured_at else None,
        "attributes": dict(known.attributes),
    }
