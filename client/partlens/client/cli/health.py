"""`partlens health`."""

import click

from partlens.client.cli.arguments import SECONDS, clear_errors
from partlens.client.cli.connection import connection_options
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
    """Exit 0 once the server serves, 1 if it does not in time. No token is needed."""
    with clear_errors(), client:
        client.wait_until_ready(wait)
    click.echo("serving")
