"""`partlens health`."""

from contextlib import suppress

import click

from partlens.client.cli.arguments import SECONDS, clear_errors
from partlens.client.cli.connection import connection_options
from partlens.client.errors import NotFoundError
from partlens.client.sync_client import Client


@click.command()
@click.option(
    "--wait",
    default=5.0,
    show_default=True,
    type=SECONDS,
    help="Seconds to wait until the server is ready.",
)
@connection_options
def health(client: Client, wait: float) -> None:
    """Exit 0 once the server is ready, 1 if it is not ready in time. Needs no token.

    A server with damaged files keeps serving what is intact; a warning then goes to standard error.
    """
    sound = True
    with clear_errors(), client:
        client.wait_until_ready(wait)
        with suppress(NotFoundError):  # the server's version is too old
            sound = client.files_are_sound()
    click.echo("serving")
    if not sound:
        click.echo(
            "warning: files of the gallery are damaged; see the server's log, or run `partlens"
            " doctor` on its machine",
            err=True,
        )
