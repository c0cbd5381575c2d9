"""Reports of answers from a server, and the files that they are written to."""

from collections.abc import Sequence
from pathlib import Path

import click

from partlens.client import encoding
from partlens.client.cli.arguments import write_file
from partlens.client.cli.asked import Pair, Search
from partlens.client.cli.images import picture_of
from partlens.client.errors import NotFoundError
from partlens.client.questions import QueryId, ReportFormat
from partlens.client.report.errors import ReportError
from partlens.client.report.file import Report, to_file
from partlens.client.report.pair_report import PairReport
from partlens.client.report.pictures import shown_or_blank
from partlens.client.report.search_report import SearchReport
from partlens.client.report.sources import origin_of
from partlens.client.search_answers import PairAnswer, Query, SearchAnswer
from partlens.client.sync_client import Client
from partlens.common.activation_map import ActivationMap
from partlens.common.comparison import Comparison
from partlens.common.drawing.pair_figure import MarkedRegion
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.explained_pair import Side
from partlens.common.regions import Point, Region


def search_report(
    client: Client, asked: Search, answer: SearchAnswer, title: str = ""
) -> SearchReport:
    """The report of a search; asks the server for what the answer lacks.

    Args:
        answer: with maps and thumbnails.
    """
    request = encoding.search(
        asked.images.to_ask(), asked.regions, asked.where, asked.score,
        min(asked.top, 2**32 - 1), "", ["score"], True, asked.group_by, asked.marks,
        asked.exclude_identical,
    )  # fmt: skip
    pictures = asked.images.to_show(client)
    marked = [picture_of(mark.image, client) for mark in asked.marks]
    places = [(answer.queries[one.image], one.region) for one in asked.regions]
    origin = origin_of(
        client.get_gallery(), client.target, answer.request_id, answer.gallery_version
    )
    return SearchReport(
        request, answer, [*pictures, *marked], origin, title, _coverage(client, places)
    )


def pair_report(client: Client, asked: Pair, answer: PairAnswer, title: str = "") -> PairReport:
    """The report of a pair; asks the server for what the answer lacks."""
    query, retrieved = asked.images.to_ask()
    request = encoding.pair(query, retrieved, asked.query_regions, asked.retrieved_regions)
    places = _places(asked, answer)
    origin = origin_of(client.get_gallery(), client.target, answer.request_id)
    return PairReport(
        request, answer, asked.images.to_show(client), origin, title, _coverage(client, places)
    )


def comparison(client: Client, asked: Pair, answer: PairAnswer, *, pictures: bool) -> Comparison:
    """An answer with what figures need.

    Args:
        pictures: whether to ask the server for pictures and covered cells, which only figures need.
    """
    ids: dict[str, object] = {"query_ids": [answer.query.id, answer.retrieved.id]}
    bias_share = client.get_gallery().model.bias_share
    if not pictures:
        return Comparison(answer, {}, [], bias_share, ids)
    images: dict[Side, ShownImage] = {}
    described: dict[Side, Query] = {"query": answer.query, "retrieved": answer.retrieved}
    for (side, one), known in zip(described.items(), asked.images.to_show(client), strict=True):
        size = one.width, one.height
        images[side] = ShownImage(shown_or_blank(known.shown, size)[0], size, known.name)
    places = _places(asked, answer)
    cells = _coverage(client, places)
    regions = [MarkedRegion(place, cell) for (_, place), cell in zip(places, cells, strict=True)]
    return Comparison(answer, images, regions, bias_share, ids)


def format_of(path: Path) -> ReportFormat:
    """The format that a file name asks for."""
    return "pdf" if path.suffix.lower() == ".pdf" else "html"


def write_report(path: Path, report: Report) -> None:
    """Write a report to a file and print its address."""
    try:
        file = to_file(report, format_of(path))
    except ReportError as error:
        raise click.ClickException(str(error)) from error
    write_file(path, file.data)


def _places(asked: Pair, answer: PairAnswer) -> list[tuple[Query, Region]]:
    """The regions of a pair, each with its image."""
    return [
        *((answer.query, one) for one in asked.query_regions),
        *((answer.retrieved, one) for one in asked.retrieved_regions),
    ]


def _coverage(client: Client, places: Sequence[tuple[Query, Region]]) -> list[ActivationMap | None]:
    """The cells that each point covers; None for other regions, which are drawn as they are."""
    return [
        _covered(client, query, region) if isinstance(region, Point) else None
        for query, region in places
    ]


def _covered(client: Client, query: Query, region: Region) -> ActivationMap | None:
    try:
        return client.describe_query(QueryId(query.id), [region]).coverage[0]
    except NotFoundError:  # the server keeps few queries, and has dropped this one
        return None
