"""`partlens report verify`: computes the numbers of a report again."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from partlens.client.cli.arguments import clear_errors
from partlens.client.cli.connection import connection_options
from partlens.client.report.comparison import TOLERANCE
from partlens.client.report.embedding import read_record
from partlens.client.report.errors import ReportError
from partlens.client.report.record import gallery_of
from partlens.client.report.rendering import utc
from partlens.client.report.verification import Finding, verified
from partlens.client.sync_client import Client
from partlens.common.files import read_file
from partlens.common.results import json_option, say_json
from partlens.common.tables import Column, Table, say_table
from partlens.common.terminal import say
from partlens.common.text import visible
from partlens.v1.report_pb2 import ReportRecord

_LIMITS = (
    "Verified is the data embedded in the file, not the text and pictures of the page: compare"
    " those with this table. Verification does not show who wrote the report or when, that no other"
    " image matches better, or that two pictures are of the same person or object."
)


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--picture",
    "pictures",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="A query image that the report does not hold; repeatable. Its digest must match.",
)
@json_option
@connection_options
@click.pass_context
def verify(
    context: click.Context,
    file: Path,
    pictures: tuple[Path, ...],
    as_json: bool,
    client: Client,
) -> None:
    """Compute the numbers of a report again, and list those that agree.

    Every hit is scored again with the query of the report, and its score, constant, box, map, file
    and metadata are compared; a pair likewise. Exits 0 if everything agrees, 1 otherwise.

    FILE is an HTML or PDF report. Verified is the data that it embeds, with a tolerance of 0.0001;
    compare the page with the table that is printed.
    """
    record = _record(file)
    supplied = [_read(path) for path in pictures]
    client.gallery = client.gallery or gallery_of(record)
    with clear_errors(), client:
        try:
            found = verified(record, client, supplied)
        except ReportError as error:
            raise click.ClickException(str(error)) from error
    if as_json:
        say_json([asdict(one) for one in found])
    else:
        _say(record, found)
    if any(one.verdict != "agrees" for one in found):
        context.exit(1)


def _record(file: Path) -> ReportRecord:
    try:
        return read_record(file)
    except ReportError as error:
        raise click.ClickException(f"{file}: {error}") from error
    except OSError as error:
        raise click.ClickException(f"{file}: {error.strerror}") from error


def _read(path: Path) -> bytes:
    try:
        return read_file(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error


def _say(record: ReportRecord, found: Sequence[Finding]) -> None:
    origin = record.origin
    heading = record.title or "report without a title"
    say(
        visible(
            f"{heading}, written {utc(origin.made_at)}, request {origin.request_id or 'unknown'}"
        )
    )
    columns = [Column(name, no_wrap=True) for name in ("part", "verdict", "reported", "now")]
    table = Table(columns[0], "name", *columns[1:], "difference")
    for one in found:
        table.add_row(
            one.part,
            visible(one.name),
            one.verdict,
            _number(one.reported),
            _number(one.recomputed),
            visible(one.detail),
        )
    say_table(table)
    wrong = sum(one.verdict != "agrees" for one in found)
    say(
        f"All {len(found)} agree within {TOLERANCE:g}."
        if not wrong
        else f"{wrong} of {len(found)} do not agree within {TOLERANCE:g}."
    )
    if all(one.part == "model" or one.part.startswith("query image") for one in found):
        say("No number was computed again, since a query image is not the same.", err=True)
    say(_LIMITS)


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.6f}"
