"""Query images on the command line: picture files, ids of the gallery, ids of earlier calls."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Any

import click

from partlens.client import pictures
from partlens.client.errors import NotFoundError, ServerError
from partlens.client.questions import GalleryImageId, QueryId, QueryImage
from partlens.client.report.sources import QueryPicture
from partlens.client.sync_client import Client
from partlens.common.files import read_file
from partlens.common.media_digest import media_digest

_OF_A_PICTURE = re.compile(r"q-[0-9a-f]+")
"""Query ids of gallery images have one more part."""


@dataclass(frozen=True)
class QueryImages:
    """Query images, in this order: pictures, gallery images, images of earlier calls.

    Attributes:
        pictures: encoded, from files.
        files: the names of the files.
        gallery_ids, query_ids: ids.
    """

    pictures: Sequence[bytes]
    files: Sequence[str]
    gallery_ids: Sequence[str]
    query_ids: Sequence[str]

    def __len__(self) -> int:
        return len(self.pictures) + len(self.gallery_ids) + len(self.query_ids)

    def to_ask(self) -> list[QueryImage]:
        """The images as the client takes them."""
        gallery = (GalleryImageId(id) for id in self.gallery_ids)
        earlier = (QueryId(id) for id in self.query_ids)
        return [*self.pictures, *gallery, *earlier]

    def to_show(self, client: Client) -> list[QueryPicture]:
        """The images as a report shows them."""
        given = map(QueryPicture.given, self.pictures, self.files)
        stored = (picture_of(GalleryImageId(id), client) for id in self.gallery_ids)
        earlier = (picture_of(QueryId(id), client) for id in self.query_ids)
        return [*given, *stored, *earlier]


def picture_of(image: QueryImage, client: Client) -> QueryPicture:
    """An image as a report shows it."""
    match image:
        case GalleryImageId(id):
            known, thumbnail = client.get_image(id)
            return QueryPicture(id, thumbnail, digest=known.media_digest)
        case QueryId(id):
            return _kept(id, client)
        case data:
            return QueryPicture.given(pictures.encoded("image", data))


def _kept(query_id: str, client: Client) -> QueryPicture:
    """The picture of an earlier call, if the server still keeps it."""
    try:
        data = client.get_picture(QueryId(query_id)).data
    except (NotFoundError, ServerError):  # no longer kept, or the server is too old to return it
        return QueryPicture(query_id)
    if _OF_A_PICTURE.fullmatch(query_id):
        return QueryPicture.given(data, query_id)
    # Not embedded: the gallery stores features with less precision than the picture would give.
    return QueryPicture(query_id, data, digest=media_digest(data))


def image_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """PICTURES, --gallery-id and --query-id, each repeatable; the command gets them as `images`.

    An unreadable file is a one-line error.
    """

    @wraps(command)
    def gathered(
        pictures: tuple[Path, ...],
        gallery_ids: tuple[str, ...],
        query_ids: tuple[str, ...],
        **given: Any,
    ) -> Any:
        read = [named_picture(path) for path in pictures]
        names, data = [name for name, _ in read], [data for _, data in read]
        return command(images=QueryImages(data, names, gallery_ids, query_ids), **given)

    for decorator in (
        click.option(
            "--query-id",
            "query_ids",
            multiple=True,
            help="Query id of an image from an earlier call; repeatable.",
        ),
        click.option(
            "--gallery-id",
            "gallery_ids",
            multiple=True,
            help="Id of an image in the gallery; repeatable.",
        ),
        click.argument("pictures", nargs=-1, type=click.Path(path_type=Path)),
    ):
        decorator(gathered)
    return gathered


def named_picture(path: Path) -> tuple[str, bytes]:
    """The name of a picture's file, and its content; an unreadable file is a one-line error."""
    try:
        # A name need not be UTF-8, as a report is.
        return os.fsencode(path.name).decode(errors="replace"), read_file(path)
    except OSError as error:
        raise click.ClickException(f"{path}: {error.strerror}") from error
