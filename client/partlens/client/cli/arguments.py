"""What several commands share: the server, the output, times."""

import errno
import re
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click
from rich.text import Text

from partlens.client.errors import ClientError

Command = Callable[..., Any]
_UNSHOWN = ("Cc", "Cs", "Zl", "Zp")
"""Unicode categories: control characters, lone surrogates, separators of lines and paragraphs."""
_TURNS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""Characters that change the order in which others are shown."""
_DASHED = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class TimeType(click.ParamType[Any]):
    """An ISO 8601 time; UTC where it names no zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """The time that a text gives, with its zone."""
        try:
            # Python reads bare digits too: the milliseconds 1777000000000 as a day in 1777.
            time = datetime.fromisoformat(value) if _DASHED.match(value) else None
        except ValueError:
            time = None
        if time is None:
            self.fail(f"{value!r} is no time; write it like 2026-05-01T12:00:00+02:00", param, ctx)
        return time.replace(tzinfo=time.tzinfo or UTC)


def output_options(command: Command) -> Command:
    """--json and --report."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write an HTML page that shows the maps.",
    )(command)


def write_page(path: Path, page: str) -> None:
    """Write a report and say where."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    click.echo(f"report: {path.absolute().as_uri()}", err=True)


def cell(text: str) -> Text:
    """A text from the server in a table, where it neither commands the terminal nor is styled.

    Spaces and joiners stay, so that an id can be copied.

    >>> cell("[red]\x1b[2J").plain
    '[red]?[2J'
    """
    return Text("".join("?" if _is_unsafe(one) else one for one in text), overflow="fold")


def read_file(path: Path) -> bytes:
    """The bytes of a regular file: another kind, such as a FIFO, may never end.

    Raises:
        OSError: it is missing, not readable, or not a regular file.
    """
    if path.exists() and not path.is_file():
        raise OSError(errno.EINVAL, "is not a regular file", str(path))
    return path.read_bytes()


def _is_unsafe(one: str) -> bool:
    return unicodedata.category(one) in _UNSHOWN or one in _TURNS


@contextmanager
def clear_errors() -> Iterator[None]:
    """What the server refuses becomes one line."""
    try:
        yield
    except ClientError as error:
        raise click.ClickException(str(error)) from error
