"""Filter options on the command line."""

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import wraps
from typing import Any

import click

from partlens.client.cli.arguments import TimeType
from partlens.common.filters import Filter
from partlens.common.where import WhereError, parse_where, together


class WhereType(click.ParamType[Filter]):
    """A filter as an expression; see partlens.common.where."""

    name = "expression"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Filter:
        """Parse the expression."""
        try:
            return parse_where(str(value))
        except WhereError as error:
            self.fail(str(error), param, ctx)


_OPTIONS = (
    click.option(
        "--where",
        "expressions",
        multiple=True,
        type=WhereType(),
        help='Only images that meet this condition, such as "camera in (a, b) and speed >= 10 and'
        ' not hat"; repeatable, and all must match.',
    ),
    click.option("--id", "ids", multiple=True, help="Only this image; repeatable."),
    click.option(
        "--camera", "cameras", multiple=True, help="Only images from this camera; repeatable."
    ),
    click.option("--track", "tracks", multiple=True, help="Only images of this track; repeatable."),
    click.option(
        "--captured-after", type=TimeType(), help="Only images captured at this time or later."
    ),
    click.option(
        "--captured-before", type=TimeType(), help="Only images captured before this time."
    ),
    click.option(
        "--attribute",
        "attributes",
        multiple=True,
        metavar="NAME=VALUE",
        help="Only images with this attribute; repeatable, and all must match.",
    ),
    click.option(
        "--exclude-id", "exclude_ids", multiple=True, help="Exclude this image; repeatable."
    ),
    click.option(
        "--exclude-camera",
        "exclude_cameras",
        multiple=True,
        help="Exclude this camera; repeatable.",
    ),
)

exclude_identical_option = click.option(
    "--exclude-identical",
    is_flag=True,
    help="Exclude images whose file is byte for byte that of a query image.",
)


def filter_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """One option per condition; the command gets them as one Filter, `where`."""

    @wraps(command)
    def gathered(
        expressions: tuple[Filter, ...],
        ids: tuple[str, ...],
        cameras: tuple[str, ...],
        tracks: tuple[str, ...],
        captured_after: datetime | None,
        captured_before: datetime | None,
        attributes: tuple[str, ...],
        exclude_ids: tuple[str, ...],
        exclude_cameras: tuple[str, ...],
        **given: Any,
    ) -> Any:
        where = Filter(
            cameras,
            tracks,
            captured_after,
            captured_before,
            named_values(attributes),
            exclude_ids,
            exclude_cameras,
            ids=ids,
        )
        return command(where=together([where, *expressions]), **given)

    for option in reversed(_OPTIONS):
        option(gathered)
    return gathered


def named_values(attributes: Sequence[str]) -> dict[str, str]:
    """The attributes of --attribute NAME=VALUE, by name; UsageError if one has two values."""
    pairs: dict[str, str] = {}
    for text in attributes:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.UsageError(f"--attribute {text!r} is not NAME=VALUE")
        if pairs.setdefault(name, value) != value:
            raise click.UsageError(
                f"--attribute {name} is given as {pairs[name]!r} and {value!r}, but an image has"
                f' only one value; give one, or filter by --where "{name} in (...)"'
            )
    return pairs
