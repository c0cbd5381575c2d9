"""Images of the gallery as query images."""

from partlens.server.access.confined_view import ConfinedView
from partlens.server.errors import UnknownQueryError
from partlens.server.query_images.query import Query
from partlens.server.query_images.query_id import image_of, stored_query_id
from partlens.server.query_images.sources import EarlierPicture, Picture, Source, StoredPicture


def resolved(source: Source, view: ConfinedView) -> Query | Picture | EarlierPicture:
    """The query image if the gallery has it; else the source, which must be found elsewhere.

    Raises:
        NotFoundError: the caller sees no image with this id.
        UnknownQueryError: the text is not a query id, or its image was replaced since.
    """
    match source:
        case Picture():
            return source
        case StoredPicture(image_id):
            query_id = ""
        case EarlierPicture(query_id):
            found = image_of(query_id)
            if found is None:
                return source
            image_id = found
    stored = view.get(image_id)
    id = stored_query_id(view.whole.spec.digest, stored.id, stored.media_digest)
    if query_id not in ("", id):
        raise UnknownQueryError(query_id)
    contributions, bias = view.decompositions([image_id])
    size = stored.width, stored.height
    return Query(id, size, contributions[0], bias[0], stored.media_digest)
