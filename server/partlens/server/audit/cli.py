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
    """Verify the audit log."""


@audit.command()
@click.argument("log", type=click.Path(path_type=Path))
@click.option("--contains", type=_Head(), help="Head printed by an earlier run and kept elsewhere.")
def verify(log: Path, contains: tuple[int, str] | None) -> None:
    """Verify the hash chain of LOG and print its head. If a line breaks it, name it and exit 1.

    Keep the head on another machine. Passed to --contains, it also detects a truncated or rewritten
    log.
    """
    with clear_errors():
        found = chain.verify(log, contains)
    click.echo(f"{found.entries} entries, the chain holds")
    if found.torn_bytes:
        click.echo(
            f"note: the last line is incomplete ({found.torn_bytes} bytes); the server removes it"
            " when it starts"
        )
    if found.entries:
        click.echo(f"head {found.entries}:{found.head}")
