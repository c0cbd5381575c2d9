"""Arguments and error reporting shared by the gallery commands."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Any, get_args

import click

from partlens.common.bucket_address import BucketAddress, Place, read_place
from partlens.common.compute import Compute, Device, Precision
from partlens.common.local_path import LocalPath
from partlens.common.moments import read_moment
from partlens.common.storage import Storage
from partlens.explainer.errors import ExplainerError
from partlens.indexer.errors import IndexerError

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}


class GalleryPlace(click.ParamType[Place]):
    """Where a gallery is: a folder, or s3://BUCKET/NAME."""

    name = "path"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Place:
        """Parse where a gallery is."""
        if isinstance(value, Path | BucketAddress):
            return value
        try:
            return read_place(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)


GALLERY = click.argument("gallery", type=GalleryPlace())
MODEL = click.option("--model", required=True, type=LocalPath(), help="Model folder.")
STORAGE = click.option(
    "--storage",
    default="float16",
    show_default=True,
    type=click.Choice(get_args(Storage)),
    help="Storage type of contributions; int8 takes half the space.",
)


def compute_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add --device and --precision; the command receives both as `compute`."""

    @wraps(command)
    def gathered(device: Device, precision: Precision, **given: Any) -> Any:
        return command(compute=Compute(device, precision), **given)

    for option in (
        click.option(
            "--precision",
            default="float32",
            show_default=True,
            type=click.Choice(get_args(Precision)),
            help="Precision of the backbone; float16 is for GPUs.",
        ),
        click.option(
            "--device",
            default="cpu",
            show_default=True,
            type=click.Choice(get_args(Device)),
            help="Device of the backbone; cuda is the first NVIDIA GPU.",
        ),
    ):
        option(gathered)
    return gathered


@contextmanager
def clear_errors() -> Iterator[None]:
    """Report expected errors in one line."""
    try:
        yield
    except (IndexerError, ExplainerError) as error:
        raise click.ClickException(str(error)) from error


class Seconds(click.ParamType[float]):
    """A time span such as 1s, 500ms or 2m, in seconds."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Parse a time span into seconds."""
        found = re.fullmatch(r"(\d+(?:\.\d+)?)(ms|s|m|h)", str(value).strip())
        seconds = float(found[1]) * _SECONDS[found[2]] if found else 0.0
        if seconds <= 0:
            self.fail(f"{value!r} is not a time span above 0, such as 1s, 500ms or 2m", param, ctx)
        return seconds


class Moment(click.ParamType[datetime]):
    """A point in time with a time zone."""

    name = "moment"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Parse a point in time."""
        try:
            moment = read_moment(str(value))
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if moment.tzinfo is None:
            self.fail(f"{value!r} has no time zone; append one, such as +02:00 or Z", param, ctx)
        return moment
