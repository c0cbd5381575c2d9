"""`partlens audit`."""

from pathlib import Path
from typing import Any

import click

from partlens.runtime.config.cli import clear_errors
from partlens.server.audit import chain


class _Head(click.ParamType[Any]):
    name = "entries:hash"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        count, _, head = str(value).partition(":")
        if not (count.isdecimal() and int(count) and len(head) == 64):
            self.fail(f"{value!r} is not ENTRIES:HASH as verify prints it", param, ctx)
        return int(count), head


@click.group()
def audit() -> None:
    """Check the log of what was asked by whom."""


@audit.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option(
    "--contains", type=_Head(), help="Head printed by an earlier run, kept elsewhere since."
)
def verify(log: Path, contains: tuple[int, str] | None) -> None:
    """Check the hash chain of LOG, and print its head; exit 1 naming the line that breaks it.

    Keep the head on another machine: given back by --contains, it also shows lines that were cut
    off at the end and a log that was made anew.
    """
    with clear_errors():
        found = chain.verify(log, contains)
    click.echo(f"{found.entries} entries, the chain holds")
    if found.torn_bytes:
        click.echo(
            f"note: {found.torn_bytes} bytes of a last line that was never finished; the server"
            " cuts them when it starts"
        )
    if found.entries:
        click.echo(f"head {found.entries}:{found.head}")
