"""Decodes the ids of gallery images, and where query images come from."""

import hashlib

from partlens.common.ids import IdError, require_id
from partlens.server.errors import RequestError
from partlens.server.query_images.sources import EarlierPicture, Picture, Source, StoredPicture
from partlens.v1 import image_pb2 as pb


def source(image: pb.QueryImage, field: str) -> Source:
    """Where a query image comes from.

    Args:
        field: the message's path in the request.

    Raises:
        RequestError: it names no source.
    """
    match image.WhichOneof("source"):
        case "data":
            digest = hashlib.sha256(image.data).digest()
            return Picture(image.data, digest, f"{field}.data")
        case "gallery_id":
            field = f"{field}.gallery_id"
            return StoredPicture(image_id(image.gallery_id, field), field)
        case "query_id":
            return EarlierPicture(image.query_id, f"{field}.query_id")
        case _:
            raise RequestError(field, "an image needs data, a gallery_id or a query_id")


def image_id(id: str, field: str) -> str:
    """An image's id in the gallery.

    Raises:
        RequestError: it is empty, too long, or not one line of text.
    """
    try:
        require_id(id)
    except IdError as error:
        raise RequestError(field, str(error), "ID_INVALID") from error
    return id


def id_prefix(prefix: str, field: str) -> str:
    """What ids begin with, or "" for any.

    Raises:
        RequestError: no id can begin with it.
    """
    return image_id(prefix, field) if prefix else ""
