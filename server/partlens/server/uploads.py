"""Uploaded images, on their way into the gallery."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import ImageError, ShapeError
from partlens.explainer.images import decode
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import InvalidImageError
from partlens.indexer.extraction import media_digest, thumbnail
from partlens.indexer.gallery import NewImage
from partlens.server import decoding, paging
from partlens.server.answers import Committed, Receipt, Refused
from partlens.server.calls import call as calls
from partlens.server.engine import Engine
from partlens.server.errors import ForbiddenError, RequestError
from partlens.server.questions import Upload
from partlens.v1.gallery_service_pb2 import UpsertImagesRequest


@dataclass(frozen=True, eq=False)
class _Decoded:
    """A picture that can be used, before its pass through the model."""

    upload: Upload
    pixels: NDArray[np.float32]
    size: tuple[int, int]
    thumbnail: bytes


def prepare(requests: Sequence[UpsertImagesRequest], engine: Engine) -> list[NewImage | Refused]:
    """Each uploaded image taken through the model, or why it cannot be, in the order given."""
    read = [_read(request, engine) for request in requests]
    usable = [one for one in read if isinstance(one, _Decoded)]
    if not usable:
        return [one for one in read if isinstance(one, Refused)]
    made = iter(_decomposed(usable, engine))
    return [one if isinstance(one, Refused) else next(made) for one in read]


def commit(prepared: Sequence[NewImage | Refused], engine: Engine) -> list[Receipt]:
    """Writes the images in one commit; when this returns they are on disk."""
    allowed = [one if isinstance(one, Refused) else _addable(one, engine) for one in prepared]
    # Of one id sent twice the later stays, as if each had had a commit of its own.
    images = {one.id: one for one in allowed if isinstance(one, NewImage)}
    if images:
        engine.gallery.add(list(images.values()))
    version = engine.gallery.version
    calls.current().note(
        query=paging.digest(sorted(images)),
        gallery_version=version,
        committed=len(images),
        refused=sum(isinstance(one, Refused) for one in allowed),
    )
    return [
        one if isinstance(one, Refused) else Committed(version, one.width, one.height)
        for one in allowed
    ]


def _addable(image: NewImage, engine: Engine) -> NewImage | Refused:
    try:
        engine.gallery.require_addable(image)
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


def _decomposed(images: Sequence[_Decoded], engine: Engine) -> list[NewImage | Refused]:
    try:
        seen = engine.model.decompose_pixels(np.stack([one.pixels for one in images]))
    except ShapeError as error:
        if len(images) == 1:
            return [Refused("NOT_EXPLAINABLE", str(error))]
        # One image of the batch is to blame; the others must not suffer for it.
        return [result for one in images for result in _decomposed([one], engine)]
    made = [_new_image(one, seen.contributions[i], seen.bias[i]) for i, one in enumerate(images)]
    return [_storable(image, engine.spec) for image in made]


def _storable(image: NewImage, spec: ModelSpec) -> NewImage | Refused:
    try:
        image.require_storable(spec.positions, spec.dimensions)
    except InvalidImageError as error:
        return Refused("NOT_STORABLE", str(error))
    return image


def _new_image(
    one: _Decoded, contributions: NDArray[np.float32], bias: NDArray[np.float32]
) -> NewImage:
    width, height = one.size
    return NewImage(
        id=one.upload.id,
        uri=one.upload.uri,
        media_digest=media_digest(one.upload.data),
        width=width,
        height=height,
        thumbnail=one.thumbnail,
        metadata=one.upload.metadata,
        contributions=contributions,
        bias=bias,
    )
