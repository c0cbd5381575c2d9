"""`partlens health`."""

import click

from partlens.client.cli.arguments import SECONDS, clear_errors
from partlens.client.cli.connection import server_options
from partlens.client.sync_client import Client
from partlens.common.results import json_option, say_result
from partlens.common.terminal import say


@click.command()
@click.option(
    "--wait",
    default=5.0,
    show_default=True,
    type=SECONDS,
    help="Seconds to wait until the server is ready.",
)
@json_option
@server_options
def health(client: Client, wait: float, as_json: bool) -> None:
    """Exit 0 once the server is ready, 3 if it is not ready in time. Needs no token.

    A server may serve although something is wrong, such as damaged files; a warning then goes to
    standard error.
    """
    with clear_errors(), client:
        client.wait_until_ready(wait)
        problems = client.problems()
    say_result({"serving": True, "problems": list(problems)}, "serving", as_json=as_json)
    for problem in problems:
        say(
            f"warning: {problem}; see the server's log, or run `partlens doctor` on its machine",
            err=True,
        )
