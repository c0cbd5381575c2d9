"""What several commands of `partlens evaluate` share: options, and progress on a terminal."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar, get_args

import click
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

from partlens.common.tables import progress_bar
from partlens.explainer.evaluation.progress import Report, ignore
from partlens.explainer.evaluation.sampling import Half, half_of


class Labelled(Protocol):
    """Anything with a label."""

    @property
    def label(self) -> str:
        """What it shows."""
        ...


Item = TypeVar("Item", bound=Labelled)
_Command = TypeVar("_Command", bound=Callable[..., Any])


def part_options(command: _Command) -> _Command:
    """Add a model, annotated images, and the parts to search for to a command."""
    path = click.Path(path_type=Path)
    options = (
        click.option("--model", required=True, type=path, help="Model folder."),
        click.option("--images", required=True, type=path, help="Folder of the images."),
        click.option(
            "--annotations", required=True, type=path, help="CSV: labels, sizes and boxes."
        ),
        click.option("--parts", "parts_file", required=True, type=path, help="CSV: visible parts."),
        click.option("--part", "names", multiple=True, help="Part to search for; repeatable."),
        click.option(
            "--queries",
            default=60,
            show_default=True,
            type=click.IntRange(1),
            help="Queries per part.",
        ),
    )
    for option in reversed(options):
        command = option(command)
    return command


def half_options(command: _Command) -> _Command:
    """Add --half and --half-seed to a command."""
    seed = click.option(
        "--half-seed",
        default=0,
        show_default=True,
        type=click.IntRange(0),
        help="Seed of the split into halves.",
    )
    half = click.option(
        "--half",
        type=click.Choice(get_args(Half)),
        help="Use the images of one half of the labels only: choose on a, report on b.",
    )
    return half(seed(command))


def against_option(command: _Command) -> _Command:
    """Add --against to a command."""
    return click.option(
        "--against",
        type=click.Path(path_type=Path),
        help="What an earlier run printed with --json: shows how the means changed, with intervals"
        " of the change.",
    )(command)


def of_half(images: Sequence[Item], half: Half | None, seed: int) -> list[Item]:
    """The images with a label of this half, in their order; all for None.

    Raises:
        AnnotationError: fewer than two labels.
    """
    if half is None:
        return list(images)
    labels = half_of((image.label for image in images), half, seed)
    return [image for image in images if image.label in labels]


@contextmanager
def progress(what: str, total: int) -> Iterator[Report]:
    """A bar on standard error if that is a terminal; nothing elsewhere."""
    if not sys.stderr.isatty():
        yield ignore
        return
    columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with progress_bar(*columns, TimeRemainingColumn()) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
