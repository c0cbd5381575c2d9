"""`partlens images`: the images that a server's gallery holds."""

import json

import click

from partlens.client.answers import GalleryImage
from partlens.client.cli.arguments import clear_errors
from partlens.client.cli.connection import connection_options
from partlens.client.sync_client import Client
from partlens.common.terminal import say


@click.group()
def images() -> None:
    """List the images of a server's gallery."""


@images.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print one line of JSON for each image.")
@connection_options
def list_command(as_json: bool, client: Client) -> None:
    """List the ids of all images that the token may see, in order, one a line."""
    with clear_errors(), client:
        for one in client.list_images():
            say(json.dumps(_plain(one)) if as_json else one.id)


def _plain(image: GalleryImage) -> dict[str, object]:
    known = image.metadata
    return {
        "id": image.id,
        "uri": image.uri,
        "width": image.width,
        "height": image.height,
        "camera": known.camera,
        "track": known.track,
        "captured_at": known.captured_at.isoformat() if known.captured_at else None,
        "attributes": dict(known.attributes),
    }
