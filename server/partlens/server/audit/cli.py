"""`partlens audit`."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from partlens.common.results import json_option, say_result
from partlens.runtime.config.cli import clear_errors
from partlens.server.audit.verification import Verified
from partlens.server.audit.verification import verify as verified

_SHOWN = 10


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
@json_option
def verify(log: Path, contains: tuple[int, str] | None, as_json: bool) -> None:
    """Verify the hash chain of LOG and print its head. If a line breaks it, name it and exit 1.

    The files that LOG continues after a rotation (LOG.000001, LOG.1, LOG-20260101) are read too, if
    they are in the same folder. Keep the head on another machine. Passed to --contains, it also
    detects a truncated or rewritten log.
    """
    with clear_errors():
        found = verified(log, contains)
    lines = [f"{found.entries} entries in {len(found.files)} files, the chain holds"]
    lines += [f"note: {note}" for note in _notes(found)]
    if found.entries:
        lines.append(f"head {found.entries}:{found.head}")
    facts = {**asdict(found), "files": [str(file) for file in found.files]}
    say_result(facts, "\n".join(lines), as_json=as_json)


def _notes(found: Verified) -> list[str]:
    notes = list[str]()
    if found.missing:
        notes.append(
            f"entries 1 to {found.missing} are in files that are not in this folder; they were not"
            " verified"
        )
    notes += found.incidents[:_SHOWN]
    notes += [
        f"no outcome was recorded, so the change may have happened or not: {one}"
        for one in found.unfinished[:_SHOWN]
    ]
    for name, all_of_them in (("incidents", found.incidents), ("changes", found.unfinished)):
        if more := len(all_of_them[_SHOWN:]):
            notes.append(f"and {more} more {name} like these")
    if found.torn_bytes:
        notes.append(
            f"the last line is incomplete ({found.torn_bytes} bytes); the server removes it when"
            " it starts"
        )
    return notes
