"""Arguments that several commands share: regions, the server, files."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from partlens.client.errors import ClientError
from partlens.client.questions import Box, Point, Polygon

Command = Callable[..., Any]
DEFAULT_SERVER = "127.0.0.1:50051"


class BoxType(click.ParamType[Any]):
    """x,y,width,height in pixels."""

    name = "x,y,w,h"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Box:
        if isinstance(value, Box):
            return value
        numbers = _numbers(value)
        if len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
            self.fail(f"{value!r} is not x,y,w,h in pixels, with w and h above 0", param, ctx)
        return Box(*numbers)


class PointType(click.ParamType[Any]):
    """x,y in pixels."""

    name = "x,y"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Point:
        if isinstance(value, Point):
            return value
        numbers = _numbers(value)
        if len(numbers) != 2:
            self.fail(f"{value!r} is not x,y in pixels", param, ctx)
        return Point(*numbers)


class PolygonType(click.ParamType[Any]):
    """x,y,x,y,x,y,... in pixels."""

    name = "x,y,x,y,..."

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Polygon:
        if isinstance(value, Polygon):
            return value
        numbers = _numbers(value)
        if len(numbers) < 6 or len(numbers) % 2:
            self.fail(f"{value!r} is not x,y,x,y,x,y,... of at least 3 corners", param, ctx)
        return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def server_option(command: Command) -> Command:
    """--server."""
    return click.option(
        "--server",
        default=DEFAULT_SERVER,
        show_default=True,
        envvar="PARTLENS_SERVER",
        help="host:port of the server (or set PARTLENS_SERVER).",
    )(command)


def output_options(command: Command) -> Command:
    """--json and --report."""
    command = click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)
    return click.option(
        "--report",
        type=click.Path(dir_okay=False, path_type=Path),
        help="Write an HTML page that shows the maps.",
    )(command)


def read_picture(path: Path) -> bytes:
    """The bytes of a picture; a one-line error if it cannot be read."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error


def write_page(path: Path, page: str) -> None:
    """Write a report and say where."""
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    click.echo(f"report: {path.absolute().as_uri()}", err=True)


@contextmanager
def clear_errors() -> Iterator[None]:
    """What the server refuses becomes one line."""
    try:
        yield
    except ClientError as error:
        raise click.ClickException(str(error)) from error


def _numbers(value: object) -> list[float]:
    try:
        return [float(number) for number in str(value).split(",")]
    except ValueError:
        return []
