"""Prepares and commits uploaded images."""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

from partlens.common.media_digest import media_digest
from partlens.explainer.errors import ImageError, ShapeError
from partlens.explainer.images import memory_of
from partlens.indexer.errors import InvalidImageError
from partlens.indexer.gallery import NewImage
from partlens.indexer.picture import DecodedPicture, decoded
from partlens.server.access.confined_gallery import Added
from partlens.server.calls import call as calls
from partlens.server.calls.status import reason_of
from partlens.server.engine.engine import Engine
from partlens.server.errors import ForbiddenError, RequestError
from partlens.server.galleries.served import ServedGallery
from partlens.server.messages import decoding
from partlens.server.requests.answers import Committed, Receipt, Refused
from partlens.server.requests.digest import digest
from partlens.server.requests.questions import Upload
from partlens.v1.gallery_service_pb2 import UpsertImageRequest, UpsertImagesRequest

UploadRequest = UpsertImagesRequest | UpsertImageRequest


@dataclass(frozen=True, eq=False)
class _Decoded:
    """An upload that can be used, before its pass through the model."""

    upload: Upload
    picture: DecodedPicture


async def prepare(
    requests: Sequence[UploadRequest], gallery: ServedGallery, named: str
) -> list[NewImage | Refused]:
    """Run each uploaded image through the model; return images or refusals, in order.

    Args:
        named: the gallery that the first request names; one that names another is refused.
    """
    return await asyncio.gather(*(_prepared(request, gallery, named) for request in requests))


async def commit(prepared: Sequence[NewImage | Refused], gallery: ServedGallery) -> list[Receipt]:
    """Write the images in one commit, which other calls may share; they are on disk afterwards.

    Raises:
        the errors of ServedGallery.add.
    """
    receipts = list[Receipt]()

    def note(added: Added, version: int) -> None:
        receipts.extend(_receipts(prepared, added, version))
        ids = [one.id for one in prepared if isinstance(one, NewImage)]
        committed = {id for number, id in enumerate(ids) if number not in added.refused}
        calls.current().note(
            query=digest(sorted(committed)),
            gallery_version=version,
            committed=len(committed),
            refused=sum(isinstance(one, Refused) for one in receipts),
        )

    await gallery.add([one for one in prepared if isinstance(one, NewImage)], note)
    return receipts


def _receipts(
    prepared: Sequence[NewImage | Refused], added: Added, version: int
) -> Iterator[Receipt]:
    there, number = set(added.replaced), 0
    for one in prepared:
        if isinstance(one, Refused):
            yield one
            continue
        if (error := added.refused.get(number)) is not None:
            yield _refused(error)
        else:
            yield Committed(version, one.width, one.height, one.id in there)
            there.add(one.id)
        number += 1


async def _prepared(
    request: UploadRequest, gallery: ServedGallery, named: str
) -> NewImage | Refused:
    if request.gallery not in ("", named):
        first = repr(named) if named else "the default gallery"
        problem = f"{request.gallery[:80]!r}; the stream began with {first}: use another stream"
        return _refused(RequestError("gallery", problem))
    # Each picture waits for its own turn, so that other callers' come between those of a batch.
    upload = cache(lambda: decoding.upload(request))  # checked on the first thread that needs it
    try:
        read = await gallery.decode(
            lambda engine: _memory(upload(), engine), lambda engine: _read(upload(), engine)
        )
    except (RequestError, ImageError) as error:
        return _refused(error)
    return await _seen(read, gallery)


def _refused(
    error: RequestError | ForbiddenError | ImageError | ShapeError | InvalidImageError,
) -> Refused:
    reason = reason_of(error)
    blamed = error.with_traceback(None)  # which would keep the picture
    if not isinstance(error, RequestError | ForbiddenError):
        blamed = RequestError("data", str(error), reason)
    return Refused(reason, str(error), blamed)


def _memory(upload: Upload, engine: Engine) -> int:
    limits, least = engine.limits.image_limits, engine.spec.preprocessing.least
    return memory_of(upload.data, limits, engine.require_waiting, least)


def _read(upload: Upload, engine: Engine) -> _Decoded:
    digest = media_digest(upload.data)
    limits, preprocessing = engine.limits.image_limits, engine.spec.preprocessing
    picture = decoded(upload.data, digest, preprocessing, limits, engine.require_waiting)
    return _Decoded(upload, picture)


async def _seen(one: _Decoded, gallery: ServedGallery) -> NewImage | Refused:
    try:
        seen = await gallery.batcher.decompose(
            one.picture.pixels, patient=True, holder=calls.current().caller.token
        )
    except ShapeError as error:
        return _refused(error)
    of = one.upload
    return one.picture.image(of.id, of.uri, of.metadata, seen.contributions, seen.bias)
