"""Options of every command that searches, gathered into one question."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any

import click

from partlens.client.cli.connection import connection_options
from partlens.client.cli.filters import exclude_identical_option, filter_options
from partlens.client.cli.images import QueryImages, image_options
from partlens.client.cli.marks import mark_options
from partlens.client.cli.regions import (
    Marked,
    exclude_option,
    query_regions,
    region_options,
    require_images,
    whole_option,
)
from partlens.client.questions import GalleryImageId, MapKind, Mark, QueryRegion, Score
from partlens.client.search_answers import PairAnswer, SearchAnswer
from partlens.client.sync_client import Client
from partlens.common.filters import Filter
from partlens.common.regions import Region, Whole

Command = Callable[..., Any]

score_option = click.option(
    "--score",
    default="default",
    show_default=True,
    type=click.Choice(["default", "context", "whole", "part"]),
    help="Score to rank by.",
)
_USUAL_TOP = 20
_QUERY = (
    image_options,
    region_options,
    whole_option,
    exclude_option,
    mark_options,
)
_CHOICE = (
    score_option,
    filter_options,
    exclude_identical_option,
    click.option(
        "--other-cameras",
        is_flag=True,
        help="Exclude the cameras that took the --gallery-id images.",
    ),
    click.option(
        "--group-by",
        default="",
        metavar="PROPERTY",
        help="track, camera or attribute:NAME. Show only the best image for each value.",
    ),
    connection_options,
)


@dataclass(frozen=True, eq=False)
class Search:
    """A search from the command line; see Client.search_regions."""

    images: QueryImages
    regions: Sequence[QueryRegion]
    marks: Sequence[Mark]
    top: int
    score: Score
    where: Filter
    exclude_identical: bool
    group_by: str

    @property
    def is_whole(self) -> bool:
        """Whether a region is a whole picture."""
        return any(isinstance(one.region, Whole) for one in self.regions)

    def answer(
        self,
        client: Client,
        maps: Sequence[MapKind],
        *,
        thumbnails: bool = False,
        allow_partial: bool = False,
    ) -> SearchAnswer:
        """The best `top` hits, as one answer."""
        pages = list(
            client.search_pages(
                self.images.to_ask(),
                self.regions,
                top=self.top,
                where=self.where,
                score=self.score,
                maps=maps,
                thumbnails=thumbnails,
                group_by=self.group_by,
                marks=self.marks,
                exclude_identical=self.exclude_identical,
                allow_partial=allow_partial,
            )
        )
        hits = [hit for page in pages for hit in page.hits]
        return replace(pages[0], hits=hits, next_page_token=pages[-1].next_page_token)


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images to compare; see Client.explain_pair."""

    images: QueryImages
    query_regions: Sequence[Region]
    retrieved_regions: Sequence[Region]

    def answer(self, client: Client) -> PairAnswer:
        """The explanation."""
        query, retrieved = self.images.to_ask()
        return client.explain_pair(
            query,
            retrieved,
            query_regions=self.query_regions,
            retrieved_regions=self.retrieved_regions,
        )


def search_options(top: int = _USUAL_TOP) -> Callable[[Command], Command]:
    """All options of a search; the command gets a function `asked` from a Client to a Search, and
    `client`.

    Args:
        top: default of --top.
    """
    top_option = click.option(
        "--top",
        default=top,
        show_default=True,
        type=click.IntRange(1),
        help="Most images to show.",
    )
    return lambda command: _with(_searching(command), (*_QUERY, top_option, *_CHOICE))


def _searching(command: Command) -> Command:
    """The command with its options as a Search."""

    @wraps(command)
    def gathered(
        images: QueryImages,
        marked: list[Marked],
        whole: bool,
        excluded: tuple[Marked, ...],
        marks: list[Mark],
        top: int,
        score: Score,
        where: Filter,
        exclude_identical: bool,
        other_cameras: bool,
        group_by: str,
        **given: Any,
    ) -> Any:
        regions = query_regions(marked, excluded, len(images), whole=whole)
        search = Search(images, regions, marks, top, score, where, exclude_identical, group_by)

        def asked(client: Client) -> Search:
            if not other_cameras:
                return search
            theirs = _cameras(images, client)
            narrowed = replace(where, exclude_cameras=[*where.exclude_cameras, *theirs])
            return replace(search, where=narrowed)

        return command(asked=asked, **given)

    return gathered


def pair_options(command: Command) -> Command:
    """The images and regions of a comparison; the command gets a Pair, `asked`."""

    @wraps(command)
    def gathered(images: QueryImages, marked: list[Marked], **given: Any) -> Any:
        if len(images) != 2:
            raise click.UsageError(f"{len(images)} images given; give exactly two")
        require_images(marked, 2)
        if any(one.weight is not None for one in marked):
            raise click.UsageError("a comparison takes no @WEIGHT; leave it out")
        first, second = ([one.region for one in marked if one.image == side] for side in (1, 2))
        return command(asked=Pair(images, first, second), **given)

    return _with(gathered, (image_options, region_options))


def _with(command: Command, options: Sequence[Callable[[Command], Command]]) -> Command:
    for option in reversed(options):
        command = option(command)
    return command


def _cameras(images: QueryImages, client: Client) -> set[str]:
    """The cameras that took the query images."""
    asked = images.to_ask()
    ids = [one.id for one in asked if isinstance(one, GalleryImageId)]
    found = {id: client.get_image(id)[0].metadata.camera for id in ids}
    unknown = [id for id, camera in found.items() if not camera]
    if unknown or len(ids) < len(asked):
        what = f"the camera of {unknown[0]!r}" if unknown else "the camera of a picture"
        raise click.UsageError(
            f"--other-cameras: {what} is not known; name it with --exclude-camera"
        )
    return set(found.values())
