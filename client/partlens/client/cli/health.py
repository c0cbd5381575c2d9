"""`partlens health`."""

import click

from partlens.client.cli.connection import connection_options
from partlens.client.errors import ClientError
from partlens.client.sync_client import Client


@click.command()
@click.option(
    "--wait",
    default=5.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Seconds to wait for it.",
)
@connection_options
def health(client: Client, wait: float) -> None:
    """Exit 0 once the server serves, 1 if it does not in time. No token is needed."""
    try:
        with client:
            client.wait_until_ready(wait)
    except ClientError as error:
        raise click.ClickException(str(error)) from error
    click.echo("serving")
