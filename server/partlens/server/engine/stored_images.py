"""Images of the gallery as query images."""

from partlens.indexer.gallery import StoredImage
from partlens.server.access.confined_view import ConfinedView
from partlens.server.calls import call as calls
from partlens.server.errors import UnknownQueryError
from partlens.server.query_images.query import Query
from partlens.server.query_images.query_id import image_of, stored_query_id
from partlens.server.query_images.sources import EarlierPicture, Picture, Source, StoredPicture


def stored_image(source: Source, view: ConfinedView) -> StoredImage | Picture | EarlierPicture:
    """The gallery image that a source means; else the source, which must be found elsewhere.

    Raises:
        NotFoundError: the caller sees no image with this id.
        UnknownQueryError: the text is not a query id, or its image was replaced since.
    """
    match source:
        case Picture():
            return source
        case StoredPicture(image_id):
            return view.get(image_id)
        case EarlierPicture(query_id):
            found = image_of(query_id, calls.where())
            if found is None:
                return source
            stored = view.get(found)
            if query_id != _query_id(stored, view):
                raise UnknownQueryError(query_id, calls.where())
            return stored


def resolved(source: Source, view: ConfinedView) -> Query | Picture | EarlierPicture:
    """The query image if the gallery has it; else the source. Raises as stored_image does."""
    stored = stored_image(source, view)
    if not isinstance(stored, StoredImage):
        return stored
    contributions, bias = view.decomposition(stored.id)
    size = stored.width, stored.height
    return Query(_query_id(stored, view), size, contributions, bias, stored.media_digest)


def _query_id(stored: StoredImage, view: ConfinedView) -> str:
    return stored_query_id(view.whole.spec.digest, stored.id, stored.media_digest)
