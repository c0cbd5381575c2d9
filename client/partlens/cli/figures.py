"""What the commands that draw figures share."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from partlens.cli.commands import needing
from partlens.client.cli.arguments import FiniteRange
from partlens.common.drawing.figure import FORMATS, Figure
from partlens.common.terminal import say

Command = Callable[..., Any]


class FigurePath(click.Path):
    """The file of a figure, with an extension that says its format."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Parse the path."""
        path = Path(os.fsdecode(super().convert(value, param, ctx)))
        if path.suffix.lower() not in FORMATS:
            self.fail(f"{str(path)!r} must end in one of {', '.join(FORMATS)}", param, ctx)
        return path


def figure_option(command: Command) -> Command:
    """--out, the file of a figure."""
    return click.option(
        "--out",
        type=FigurePath(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="Write a figure to this file: the overall maps, or the map of each region; .png, .jpg"
        " or .webp.",
    )(command)


def scale_option(command: Command) -> Command:
    """--scale."""
    return click.option(
        "--scale",
        type=FiniteRange(0, min_open=True),
        help="Value at which the colours of a figure are strongest; a round number by default.",
    )(command)


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure and print its path."""
    try:
        figure.save(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
    say(f"figure: {path}", err=True)


@contextmanager
def model_errors() -> Iterator[None]:
    """Show an error of the explainer as one line."""
    with needing("partlens.explainer"):
        from partlens.explainer.errors import ExplainerError
    try:
        yield
    except ExplainerError as error:
        raise click.ClickException(str(error)) from error
