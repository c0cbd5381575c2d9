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
    help="Seconds to wait for it.",
)
@connection_options
def health(client: Client, wait: float) -> None:
    """Exit 0 once the server serves, 1 if it does not in time. No token is needed.

    A server that knows of damaged files serves what is whole; a warning then goes to standard
    error.
    """
    sound = True
    with clear_errors(), client:
        client.wait_until_ready(wait)
        with suppress(NotFoundError):  # of a server that is older than the question
            sound = client.files_are_sound()
    click.echo("serving")
    if not sound:
        click.echo(
            "warning: files of its gallery are damaged; its log and `partlens doctor` on its"
            " machine name them",
            err=True,
        )
