"""Results of commands, as text for people or as JSON for programs."""

import json
from collections.abc import Callable
from typing import Any

import click

from partlens.common.terminal import say

Command = Callable[..., Any]


def json_option(command: Command) -> Command:
    """--json, for a command whose result is one JSON document."""
    return _json("Print JSON.")(command)


def json_lines_option(command: Command) -> Command:
    """--json, for a command that prints one JSON document a line."""
    return _json("Print JSON, one document a line.")(command)


def say_result(facts: object, text: object, *, as_json: bool) -> None:
    """Print a result to standard output.

    Args:
        facts: what --json prints, of plain values.
        text: what people read.
    """
    if as_json:
        say_json(facts)
    else:
        say(text)


def say_json(facts: object, *, err: bool = False) -> None:
    """Print plain values as one JSON document on one line, to standard output or error."""
    say(json.dumps(facts), err=err)


def _json(help: str) -> Callable[[Command], Command]:
    return click.option("--json", "as_json", is_flag=True, help=help)
