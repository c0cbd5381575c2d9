"""Query images of a report: what to show, the original where it is known, and its digest."""

from collections.abc import Sequence

from partlens.client.report.sources import QueryPicture
from partlens.indexer.gallery import StoredImage
from partlens.server.access.confined_view import ConfinedView
from partlens.server.engine.stored_images import stored_image
from partlens.server.errors import PictureUnavailableError, UnknownQueryError
from partlens.server.galleries.served import ServedGallery
from partlens.server.handlers.pictures import reduced_picture
from partlens.server.messages.decoding_images import source
from partlens.server.query_images.sources import EarlierPicture, Picture
from partlens.v1.image_pb2 import QueryImage

_SIDE = 840
"""Longest side of a shown picture, in pixels."""


async def pictures(gallery: ServedGallery, images: Sequence[QueryImage]) -> list[QueryPicture]:
    """Each query image of a request that was answered; without pictures that are no longer kept.

    Raises:
        NotFoundError: an image has left the gallery meanwhile.
    """
    found = await gallery.look(
        lambda engine: engine.gallery.read(lambda view: [_found(one, view) for one in images])
    )
    return [await _completed(one, gallery) for one in found]


def _found(image: QueryImage, view: ConfinedView) -> QueryPicture | Picture | EarlierPicture:
    named = stored_image(source(image, "image"), view)
    if not isinstance(named, StoredImage):
        return named
    thumbnail = view.thumbnails([named.id])[0]
    return QueryPicture(named.id, thumbnail, digest=named.media_digest)


async def _completed(
    found: QueryPicture | Picture | EarlierPicture, gallery: ServedGallery
) -> QueryPicture:
    match found:
        case QueryPicture():
            return found
        case Picture(data=data):
            return await _shown(QueryPicture.given(data), gallery)
        case EarlierPicture(query_id=id):
            try:
                kept = await gallery.features.picture(id)
            except (PictureUnavailableError, UnknownQueryError):
                return QueryPicture(id)
            return await _shown(QueryPicture.given(kept, id), gallery)


async def _shown(given: QueryPicture, gallery: ServedGallery) -> QueryPicture:
    small = await reduced_picture(given.original, _SIDE, gallery)
    return QueryPicture(given.name, small.data, given.original, given.digest)
