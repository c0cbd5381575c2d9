"""`partlens report`: reports of searches and comparisons, and their verification."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from partlens.client.cli.arguments import clear_errors
from partlens.client.cli.asked import Pair, Search, pair_options, search_options
from partlens.client.cli.connection import connection_options
from partlens.client.cli.reporting import pair_report, search_report, write_report
from partlens.client.cli.verify import verify
from partlens.client.sync_client import Client
from partlens.common.results import json_option, say_json

_USUAL_TOP = 100
_FORMATS = (".html", ".htm", ".pdf")


class ReportPath(click.Path):
    """Path of a report, whose name gives the format."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the name."""
        path = super().convert(value, param, ctx)
        if Path(str(value)).suffix.lower() not in _FORMATS:
            self.fail(f"{value!r} must end in .html or .pdf", param, ctx)
        return path


def _file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--out and --title."""
    command = click.option(
        "--title", default="", help="Heading of the report, such as the number of a case."
    )(command)
    return click.option(
        "--out",
        required=True,
        type=ReportPath(dir_okay=False, path_type=Path),
        metavar="FILE",
        help="File to write: FILE.html or FILE.pdf.",
    )(command)


@click.group()
def report() -> None:
    """Write reports of searches and comparisons for a case file, and verify them."""


@report.command()
@search_options(top=_USUAL_TOP)
@_file_options
@json_option
def search(
    asked: Callable[[Client], Search], out: Path, title: str, as_json: bool, client: Client
) -> None:
    """Search, and write the hits as a report.

    Images, regions and marks are those of `partlens search`.
    """
    with clear_errors(), client:
        question = asked(client)
        answer = question.answer(client, ["score"], thumbnails=True)
        made = search_report(client, question, answer, title)
    write_report(out, made)
    _say_path(out, as_json=as_json)


@report.command()
@pair_options
@connection_options
@_file_options
@json_option
def pair(asked: Pair, out: Path, title: str, as_json: bool, client: Client) -> None:
    """Compare two images, and write the explanation as a report.

    Images and regions are those of `partlens explain`.
    """
    with clear_errors(), client:
        made = pair_report(client, asked, asked.answer(client), title)
    write_report(out, made)
    _say_path(out, as_json=as_json)


def _say_path(out: Path, *, as_json: bool) -> None:
    """The address is on standard error already; programs want the path."""
    if as_json:
        say_json({"report": str(out)})


report.add_command(verify)
