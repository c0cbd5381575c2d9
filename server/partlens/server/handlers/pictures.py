"""Finds the picture of a gallery image or a query image, and encodes it for showing."""

import logging

from partlens.common.pictures import THUMBNAIL_SIDE, Least
from partlens.common.pictures.media_type import media_type
from partlens.explainer.errors import ImageError
from partlens.explainer.images import decode_at_least, memory_of
from partlens.indexer.errors import OriginalError
from partlens.indexer.gallery import StoredImage
from partlens.indexer.originals import Originals
from partlens.indexer.picture import reduced
from partlens.server.access.confined_view import ConfinedView
from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.engine.stored_images import stored_image
from partlens.server.errors import PictureUnavailableError, RequestError
from partlens.server.galleries.served import ServedGallery
from partlens.server.messages.decoding_images import source
from partlens.server.query_images.sources import (
    EarlierPicture,
    Picture,
    Source,
    StoredPicture,
)
from partlens.server.requests.digest import digest
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1.image_pb2 import QueryImage

_log = logging.getLogger(__name__)
_QUALITY = 88
_BYTES_A_PIXEL = 20
"""Most memory that decoding takes for a pixel, whatever the format; see Encoded.memory."""
_ENVELOPE_BYTES = 64
"""Most bytes of a response besides the picture."""
_NO_FOLDERS = (
    "this server reads no originals; its operator can name their folders in server.originals"
)
# One text for every cause, so that nobody learns from it which files exist.
_UNREADABLE = (
    "the server cannot read the original of this image: it is not in a folder of server.originals,"
    " is missing, or has changed since it was indexed; the server's log says which"
)


async def picture(request: pb.GetPictureRequest, gallery: ServedGallery) -> pb.GetPictureResponse:
    """The picture that is asked for, reduced unless max_side is 0.

    Raises:
        RequestError: the request names no picture that the server could have, or too large a one.
        NotFoundError, UnknownQueryError: there is no such image, or the caller may not see it.
        PictureUnavailableError: the server cannot read the original that is asked for, or no longer
            keeps the picture of the query image.
    """
    found = await gallery.look(lambda engine: _found(request.image, engine))
    if isinstance(found, StoredImage):
        try:
            return await _original(found, request.max_side, gallery)
        except PictureUnavailableError:
            if not request.max_side:
                raise
            return await _thumbnail(found, request.max_side, gallery)
    return await reduced_picture(
        await gallery.features.picture(found.query_id), request.max_side, gallery
    )


async def reduced_picture(
    data: bytes, max_side: int, gallery: ServedGallery
) -> pb.GetPictureResponse:
    """A picture, reduced unless max_side is 0; raises RequestError if it is too large to send."""
    return await gallery.decode(
        lambda engine: _memory(data, max_side, engine),
        lambda engine: _encoded(data, max_side, engine),
    )


def _found(image: QueryImage, engine: Engine) -> StoredImage | EarlierPicture:
    """The gallery image that is meant, or a query image, whose picture must be found elsewhere."""
    named = source(image, "image")

    def look(view: ConfinedView) -> StoredImage | Picture | EarlierPicture:
        calls.current().note(query=digest(_name(named)), gallery_version=view.number)
        return stored_image(named, view)

    found = engine.gallery.read(look)
    if isinstance(found, Picture):
        raise RequestError(
            "image.data", "the caller has this picture; give a gallery_id or a query_id"
        )
    return found


def _name(named: Source) -> str:
    match named:
        case Picture(digest=digest):
            return digest.hex()
        case StoredPicture(id):
            return id
        case EarlierPicture(id):
            return id


async def _original(
    image: StoredImage, max_side: int, gallery: ServedGallery
) -> pb.GetPictureResponse:
    limits, folders = gallery.settings.limits, gallery.settings.server.originals
    if not folders:
        raise PictureUnavailableError(_NO_FOLDERS)

    def answer(engine: Engine) -> pb.GetPictureResponse:
        try:
            data = Originals(folders).read(image, limits.request_bytes)
        except OriginalError as error:
            _log.info("the original of image %r: %s", image.id, error)
            raise PictureUnavailableError(_UNREADABLE) from error
        return _encoded(data, max_side, engine)

    # Read on the thread that decodes, so that few originals are in memory.
    memory = image.width * image.height * _BYTES_A_PIXEL if max_side else limits.request_bytes
    return await gallery.decode(lambda engine: min(memory, limits.decoding_bytes), answer)


async def _thumbnail(
    image: StoredImage, max_side: int, gallery: ServedGallery
) -> pb.GetPictureResponse:
    def look(view: ConfinedView) -> bytes:
        return view.thumbnails([image.id])[0]

    thumbnail = await gallery.look(lambda engine: engine.gallery.read(look))
    if max_side >= THUMBNAIL_SIDE:
        shown = pb.GetPictureResponse(data=thumbnail, media_type=media_type(thumbnail))
    else:
        shown = await reduced_picture(thumbnail, max_side, gallery)
    shown.from_thumbnail = True
    return shown


def _memory(data: bytes, max_side: int, engine: Engine) -> int:
    """Bytes that decoding takes; 0 if there is nothing to decode."""
    if not max_side:
        return 0
    limits, least = engine.limits, Least(longest=max_side)
    needed = memory_of(data, limits.image_limits, engine.require_waiting, least)
    return min(needed, limits.decoding_bytes)


def _encoded(data: bytes, max_side: int, engine: Engine) -> pb.GetPictureResponse:
    limits, kind = engine.limits, media_type(data)
    if max_side:
        try:
            least = Least(longest=max_side)
            memory = memory_of(data, limits.image_limits, engine.require_waiting, least)
            if memory > limits.decoding_bytes:
                raise ImageError(f"decoding it takes {memory} bytes (limits.decoding_bytes)")
            shown = decode_at_least(data, least, limits.image_limits, engine.require_waiting)
        except ImageError as error:
            raise PictureUnavailableError(f"the picture cannot be reduced: {error}") from error
        engine.require_waiting()
        data, kind = reduced(shown, max_side, _QUALITY), "image/jpeg"
    if len(data) + _ENVELOPE_BYTES > limits.response_bytes:
        raise RequestError(
            "max_side",
            f"{max_side}: the picture has {len(data)} bytes, and a response at most"
            f" {limits.response_bytes} (limits.response_bytes); give a smaller side, such as 1600",
        )
    return pb.GetPictureResponse(data=data, media_type=kind)
