"""The one way for commands to print: no text can command the terminal.

Tests check that commands print by nothing else than this module and `tables`.
"""

import click

from partlens.common.redaction import redacted
from partlens.common.text import visible


def safe(text: str) -> str:
    r"""A text of several lines for a terminal: whatever would command it is escaped.

    >>> safe("a\x1b[2J\nb")
    'a\\x1b[2J\nb'
    """
    return "\n".join(visible(line) for line in text.split("\n"))


def say(text: object, *, err: bool = False) -> None:
    """Print a text to standard output, or standard error."""
    click.echo(safe(str(text)), err=err)


def complain(text: object) -> None:
    """Print a problem to standard error, without secrets."""
    say(redacted(str(text)), err=True)


def make_safe(error: click.ClickException) -> None:
    """Leave nothing in an error's message that commands a terminal, and no secret."""
    vars(error)["message"] = safe(redacted(error.message))
