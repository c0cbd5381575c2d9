"""What is kept of a standing query's request, to make it again for another model."""

from collections.abc import Sequence

from partlens.server.errors import PictureUnavailableError, UnknownQueryError
from partlens.server.galleries.served import ServedGallery
from partlens.server.query_images.query import Query
from partlens.server.query_images.query_id import image_of
from partlens.v1.image_pb2 import QueryImage
from partlens.v1.standing_query_service_pb2 import CreateStandingQueryRequest


async def kept_request(
    request: CreateStandingQueryRequest, queries: Sequence[Query], gallery: ServedGallery
) -> bytes:
    """The request with gallery images by id, and other pictures only if the settings keep them.

    Args:
        queries: the images of the request, then those of its marks.
    """
    kept = CreateStandingQueryRequest()
    kept.CopyFrom(request)
    images = [*kept.images, *(mark.image for mark in kept.marks)]
    for image, query in zip(images, queries, strict=True):
        image.CopyFrom(await _kept(image, query, gallery))
    return kept.SerializeToString()


async def _kept(image: QueryImage, query: Query, gallery: ServedGallery) -> QueryImage:
    id = image_of(query.id)
    if id is not None:
        return QueryImage(gallery_id=id)
    if gallery.settings.standing.keep_pictures:
        if image.data:
            return QueryImage(data=image.data)
        try:
            return QueryImage(data=await gallery.features.picture(query.id))
        except (PictureUnavailableError, UnknownQueryError):
            pass
    return QueryImage(query_id=query.id)
