"""Argument types and options that several commands share."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from partlens.client import checks
from partlens.client.errors import ClientError
from partlens.common.bias import bias_warning
from partlens.common.moments import in_utc, read_moment
from partlens.common.results import json_option
from partlens.common.terminal import say

Command = Callable[..., Any]


class Finite(click.types.FloatParamType):
    """A finite number."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse the number."""
        return _finite(self, super().convert(value, param, ctx), param, ctx)


class FiniteRange(click.FloatRange):
    """A finite number in a range. Bounds alone do not exclude nan, which compares false."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse the number."""
        return _finite(self, super().convert(value, param, ctx), param, ctx)


def _finite(
    type: click.ParamType[Any],
    number: float,
    param: click.Parameter | None,
    ctx: click.Context | None,
) -> float:
    if not math.isfinite(number):
        type.fail(f"{number} is not a finite number", param, ctx)
    return number


SECONDS = FiniteRange(0, checks.LONGEST, min_open=True)
"""A duration in seconds."""


class TimeType(click.ParamType[Any]):
    """An ISO 8601 time, converted to UTC; UTC is assumed if there is no time zone."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse the time."""
        try:
            return in_utc(read_moment(str(value))).astimezone(UTC)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        except OverflowError:
            self.fail(f"{value!r} lies outside the years 1 to 9999 in UTC", param, ctx)


def output_options(command: Command) -> Command:
    """--json and --report."""
    command = json_option(command)
    return click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write a report with the maps to this file: PDF if its name ends in .pdf, else HTML.",
    )(command)


def write_file(path: Path, data: bytes) -> None:
    """Write a report and print its address."""
    try:
        path.write_bytes(data)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    say(f"report: {path.absolute().as_uri()}", err=True)


def warn_of_bias(share: float) -> None:
    """Print a warning if maps of a model with this bias share explain little."""
    if (warning := bias_warning(share)) is not None:
        say(f"warning: {warning}", err=True)


@contextmanager
def clear_errors() -> Iterator[None]:
    """Show a client error as one line."""
    try:
        yield
    except ClientError as error:
        raise click.ClickException(str(error)) from error
