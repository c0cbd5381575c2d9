"""Lists and counts the images of a gallery that pass a filter."""

from collections.abc import Iterator, Sequence

from partlens.common.filters import to_plain
from partlens.indexer.gallery import StoredImage
from partlens.server.access.confined_view import ConfinedView
from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.messages import (
    decoding,
    decoding_filters,
    decoding_images,
    encoding,
    encoding_facets,
)
from partlens.server.observe.metrics import QueryMetrics
from partlens.server.pages import page_tokens
from partlens.server.requests.digest import digest
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.image_pb2 import GalleryImage

_FRAMING = 16
"""Most bytes that a field of a response takes besides its value."""
_TOKEN_BYTES = 4096
"""Room for the page token."""


def page(
    request: pb.ListImagesRequest, engine: Engine, metrics: QueryMetrics, gallery: str
) -> pb.ListImagesResponse:
    """A page of images, ordered by id: as many as fit in a response, at least one if there is one.

    Args:
        gallery: own name of the gallery.

    Raises:
        RequestError: a field is invalid, or the page token belongs to another listing.
        ForbiddenError: the filter names a camera that the caller may not see.
    """
    limits = engine.limits
    size = decoding.page_size(request.page_size, decoding.DEFAULT_LIST_PAGE, limits.list_page_size)
    where = decoding_filters.where(request.filter)
    prefix = decoding_images.id_prefix(request.prefix, "prefix")
    asked = digest(to_plain(where), prefix)
    after = page_tokens.list_after(request.page_token, asked)

    def look(view: ConfinedView) -> pb.ListImagesResponse:
        found = view.list(after, size + 1, where, prefix)
        thumbnails: Sequence[bytes | None] = ()
        if request.include_thumbnails:
            thumbnails = view.readable_thumbnails([one.id for one in found[:size]])
            metrics.unreadable_thumbnails.inc(sum(one is None for one in thumbnails))
        images = list(_fitting(found[:size], thumbnails, limits.response_bytes - _TOKEN_BYTES))
        count = len(images)
        calls.current().note(query=digest(after, asked), gallery_version=view.number, hits=count)
        more = found[count:]
        return pb.ListImagesResponse(
            images=images,
            thumbnails=[one or b"" for one in thumbnails[:count]],
            next_page_token=_next(gallery, images[-1].id, asked) if more else "",
        )

    return engine.gallery.read(look)


def _next(gallery: str, after: str, asked: str) -> str:
    return page_tokens.of_gallery(gallery, page_tokens.list_token(after, asked))


def facets(request: pb.GetFacetsRequest, engine: Engine) -> pb.GetFacetsResponse:
    """The values of the images that pass a filter; raises as page does."""
    values, where = decoding.facet_values(request.values), decoding_filters.where(request.filter)
    view = engine.gallery.view
    found = view.facets(where, values)
    calls.current().note(
        query=digest(to_plain(where)), gallery_version=view.number, hits=found.images
    )
    return encoding_facets.facets(found, view.number, engine.limits.response_bytes)


def _fitting(
    found: Sequence[StoredImage], thumbnails: Sequence[bytes | None], room: int
) -> Iterator[GalleryImage]:
    """The first images that fit with their thumbnails; always the first one."""
    taken = 0
    for number, stored in enumerate(found):
        image = encoding.image(stored)
        thumbnail = thumbnails[number] if thumbnails else None
        taken += image.ByteSize() + len(thumbnail or b"") + 2 * _FRAMING
        if number and taken > room:
            return
        yield image
