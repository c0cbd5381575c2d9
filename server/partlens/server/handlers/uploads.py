"""Uploaded images, on their way into the gallery."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ImageError, ShapeError
from partlens.explainer.images import decode
from partlens.indexer.errors import InvalidImageError
from partlens.indexer.extraction import media_digest, thumbnail
from partlens.indexer.gallery import NewImage
from partlens.server.access.confined_gallery import ConfinedWriter
from partlens.server.calls import call as calls
from partlens.server.engine.answers import Committed, Receipt, Refused
from partlens.server.engine.engine import Engine
from partlens.server.engine.questions import Upload
from partlens.server.errors import ForbiddenError, RequestError
from partlens.server.features.batcher import Decomposed
from partlens.server.host import Host
from partlens.server.messages import decoding, page_tokens
from partlens.v1.gallery_service_pb2 import UpsertImagesRequest


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A picture that can be used, before its pass through the model."""

    upload: Upload
    pixels: NDArray[np.float32]
    size: tuple[int, int]
    thumbnail: bytes


async def prepare(requests: Sequence[UpsertImagesRequest], host: Host) -> list[NewImage | Refused]:
    """Each uploaded image taken through the model, or why it cannot be, in the order given."""
    read = await host.run(lambda engine: [_read(request, engine) for request in requests])
    return await asyncio.gather(*(_seen(one, host) for one in read))


def commit(prepared: Sequence[NewImage | Refused], engine: Engine) -> list[Receipt]:
    """Write the images in one commit; when this returns they are on disk."""
    with engine.gallery.writing() as writer:
        allowed = [
            one if isinstance(one, Refused) else _addable(one, engine, writer) for one in prepared
        ]
        # Of one id sent twice the later stays, as if each had had a commit of its own.
        images = {one.id: one for one in allowed if isinstance(one, NewImage)}
        there = {one.id for one in writer.add(list(images.values()))}
        version = engine.gallery.view.number
    calls.current().note(
        query=page_tokens.digest(sorted(images)),
        gallery_version=version,
        committed=len(images),
        refused=sum(isinstance(one, Refused) for one in allowed),
    )
    receipts = list[Receipt]()
    for one in allowed:
        if isinstance(one, Refused):
            receipts.append(one)
        else:
            receipts.append(Committed(version, one.width, one.height, one.id in there))
            there.add(one.id)
    return receipts


def _addable(image: NewImage, engine: Engine, writer: ConfinedWriter) -> NewImage | Refused:
    try:
        image.require_storable(engine.spec.positions, engine.spec.dimensions)
        writer.require_addable(image)
    except InvalidImageError as error:
        return Refused("NOT_STORABLE", str(error))
    except ForbiddenError as error:
        return Refused("FORBIDDEN", str(error))
    return image


def _read(request: UpsertImagesRequest, engine: Engine) -> _Decoded | Refused:
    try:
        upload = decoding.upload(request)
        image = decode(upload.data, engine.limits.image_limits)
        pixels = engine.spec.preprocessing.pixels(image)
    except RequestError as error:
        return Refused(error.violation.reason, str(error))
    except ImageError as error:
        return Refused("IMAGE_INVALID", str(error))
    return _Decoded(upload, pixels, (image.shape[1], image.shape[0]), thumbnail(image))


async def _seen(one: _Decoded | Refused, host: Host) -> NewImage | Refused:
    if isinstance(one, Refused):
        return one
    try:
        seen = await host.batcher.decompose(one.pixels, patient=True)
    except ShapeError as error:
        return Refused("NOT_EXPLAINABLE", str(error))
    return _new_image(one, seen)


def _new_image(one: _Decoded, seen: Decomposed) -> NewImage:
    width, height = one.size
    return NewImage(
        id=one.upload.id,
        uri=one.upload.uri,
        media_digest=media_digest(one.upload.data),
        width=width,
        height=height,
        thumbnail=one.thumbnail,
        metadata=one.upload.metadata,
        contributions=seen.contributions,
        bias=seen.bias,
    )
