"""Images to gallery rows: decoded on threads ahead of the model, which never waits for a disk."""

import hashlib
import io
import os
from collections import deque
from collections.abc import Generator, Iterable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.explainer.errors import ImageError
from partlens.explainer.images import DEFAULT_LIMITS, ImageLimits, decode
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import NewImage
from partlens.indexer.sources import SourceImage
from partlens.indexer.workers import Workers

THUMBNAIL_SIDE = 160
_AHEAD = 3
"""Batches decoded ahead of the model; bounds memory."""
_LONGEST_SEARCH = 8
"""Batches' worth of images that need no pass after which a batch is given short, to be reported."""


@dataclass(frozen=True)
class BadImage:
    """An image that was skipped.

    Attributes:
        id: of the image.
        reason: why.
    """

    id: str
    reason: str


@dataclass(frozen=True, eq=False)
class Batch:
    """What became of some images of a source.

    Attributes:
        images: to add to the gallery.
        bad: skipped because they cannot be used.
        unchanged: how many are in the gallery already, with the same bytes.
    """

    images: Sequence[NewImage]
    bad: Sequence[BadImage]
    unchanged: int


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image file before its pass through the model."""

    source: SourceImage
    digest: str
    pixels: NDArray[np.float32]
    width: int
    height: int
    thumbnail: bytes


Loaded = DecodedImage | BadImage | None
"""An image file that was looked at; None if the gallery has it already."""


def extract(
    model: MetricModel,
    source: Iterable[SourceImage],
    known: Mapping[str, str],
    batch_size: int = 32,
    limits: ImageLimits = DEFAULT_LIMITS,
    threads: int | None = None,
) -> Generator[Batch, None, None]:
    """The source's images, in order, as many at a time as make a full pass through the model.

    Images that are bad or unchanged take no place in a pass: the next ones move up.

    Args:
        known: id -> media digest of images that need not be done again.
        limits: what may be decoded.
        threads: that decode; as many as there are cores if None.
    """
    images = iter(source)
    # One thread a core: the model's own threads take turns with them, and more would only wait.
    with Workers(threads or os.cpu_count() or 1, "partlens-decode") as pool:
        waiting: deque[Future[Loaded]] = deque()
        taken: list[Loaded] = []
        usable = 0
        while True:
            for one in islice(images, _AHEAD * batch_size - len(waiting)):
                waiting.append(pool.submit(load, one, known, model.spec.preprocessing, limits))
            if not waiting:
                break
            taken.append(waiting.popleft().result())
            usable += isinstance(taken[-1], DecodedImage)
            if usable == batch_size or len(taken) == _LONGEST_SEARCH * batch_size:
                yield _through_model(model, taken)
                taken, usable = [], 0
        if taken:
            yield _through_model(model, taken)


def media_digest(data: bytes) -> str:
    """Digest of an encoded image."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def thumbnail(image: NDArray[np.uint8]) -> bytes:
    """A JPEG whose longest side has at most THUMBNAIL_SIDE pixels."""
    small, out = Image.fromarray(image), io.BytesIO()
    small.thumbnail((THUMBNAIL_SIDE, THUMBNAIL_SIDE))
    small.save(out, "JPEG", quality=85)
    return out.getvalue()


def load(
    source: SourceImage,
    known: Mapping[str, str],
    preprocessing: Preprocessing,
    limits: ImageLimits = DEFAULT_LIMITS,
) -> Loaded:
    """An image file ready for the model, or why it is not; see extract."""
    try:
        data = source.read(limits)
        digest = media_digest(data)
        if known.get(source.id) == digest:
            return None
        image = decode(data, limits)
    except (OSError, ImageError) as error:
        return BadImage(source.id, str(error))
    height, width = image.shape[:2]
    pixels = preprocessing.pixels(image)
    return DecodedImage(source, digest, pixels, width, height, thumbnail(image))


def _through_model(model: MetricModel, loaded: Sequence[Loaded]) -> Batch:
    usable = [one for one in loaded if isinstance(one, DecodedImage)]
    bad = [one for one in loaded if isinstance(one, BadImage)]
    images: list[NewImage] = []
    if usable:
        seen = model.decompose_pixels(np.stack([one.pixels for one in usable]))
        images = [
            NewImage(
                id=one.source.id,
                uri=one.source.uri,
                media_digest=one.digest,
                width=one.width,
                height=one.height,
                thumbnail=one.thumbnail,
                metadata=one.source.metadata,
                contributions=seen.contributions[i],
                bias=seen.bias[i],
            )
            for i, one in enumerate(usable)
        ]
    return Batch(images, bad, len(loaded) - len(usable) - len(bad))
