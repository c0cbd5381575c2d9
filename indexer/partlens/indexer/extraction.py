"""Images to gallery rows: decoded on threads ahead of the model, which never waits for a disk."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice

import numpy as np

from partlens.common.budget import Budget
from partlens.common.compute import cores
from partlens.common.ids import IdError, require_id
from partlens.common.media_digest import media_digest
from partlens.common.metadata import Metadata, MetadataError, require_metadata
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.explainer.errors import ImageError
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import Correction, NewImage, StoredImage
from partlens.indexer.gallery.holdings import EMPTY, Holdings
from partlens.indexer.picture import DecodedPicture, decoded
from partlens.indexer.sources import MissingImage, SourceImage
from partlens.indexer.workers import Workers

_AHEAD = 3
"""Batches decoded ahead of the model; bounds memory."""
_AT_ONCE = 2
"""Batches in the model: the backbone runs one while one core decomposes the other."""
DECODING_BYTES = 1536 * 2**20
"""Memory that pictures being decoded may take together, however many threads decode."""
_LONGEST_SEARCH = 8
"""Yield a partial batch after this many batches of images that need no pass, to report progress."""


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
        corrections: of images that are in the gallery with the same bytes, and of which the source
            says something new.
        bad: skipped because they cannot be used.
        unchanged: how many are in the gallery already, with the same bytes and metadata.
    """

    images: Sequence[NewImage]
    corrections: Sequence[Correction]
    bad: Sequence[BadImage]
    unchanged: int


@dataclass(frozen=True, eq=False)
class DecodedImage:
    """An image of a source before its pass through the model.

    Attributes:
        id, uri, metadata: as they will be stored.
        picture: decoded.
    """

    id: str
    uri: str
    metadata: Metadata
    picture: DecodedPicture


Loaded = DecodedImage | Correction | BadImage | None
"""An image file that was looked at; None if the gallery has it already, as the source has it."""


def extract(
    model: MetricModel,
    source: Iterable[SourceImage],
    held: Holdings = EMPTY,
    batch_size: int = 32,
    limits: ImageLimits = DEFAULT_LIMITS,
    threads: int | None = None,
) -> Generator[Batch, None, None]:
    """The source's images, in order, as many at a time as make a full pass through the model.

    Images that are bad, unchanged or corrected take no place in a pass: the next ones move up.
    Of two images with one id the second is bad.

    Args:
        held: by the gallery; what it holds with the same bytes needs no pass. An image whose id is
            derived from its place keeps the id under which the gallery holds that place.
        limits: what may be decoded.
        threads: that decode; as many as there are cores if None. Pictures that would take more
            memory together than DECODING_BYTES wait for each other.
    """
    memory, preprocessing = Budget(DECODING_BYTES), model.spec.preprocessing
    images = each_once(source, held)
    # One thread a core: the model's own threads take turns with them, and more would only wait.
    decoding = Workers(threads or cores(), "partlens-decode")
    with decoding as pool, Workers(_AT_ONCE, "partlens-model") as passes:
        waiting, batches = deque[Future[Loaded]](), deque[Future[Batch]]()
        taken, usable = list[Loaded](), 0
        while True:
            for one, id in islice(images, _AHEAD * batch_size - len(waiting)):
                waiting.append(pool.submit(load, one, id, held, preprocessing, limits, memory))
            if not waiting:
                break
            taken.append(waiting.popleft().result())
            usable += isinstance(taken[-1], DecodedImage)
            if usable == batch_size or len(taken) == _LONGEST_SEARCH * batch_size:
                batches.append(passes.submit(_through_model, model, taken))
                taken, usable = [], 0
            if len(batches) == _AT_ONCE:
                yield batches.popleft().result()
        if taken:
            batches.append(passes.submit(_through_model, model, taken))
        while batches:
            yield batches.popleft().result()


def load(
    source: SourceImage,
    id: str | None,
    held: Holdings,
    preprocessing: Preprocessing,
    limits: ImageLimits,
    memory: Budget,
) -> Loaded:
    """An image file ready for the model, or why it needs or gets no pass; see extract.

    Args:
        id: that the gallery is to know it by; None if another image of the source has that one.
        memory: shared by all images that are being decoded, in bytes.
    """
    if id is None:
        return without_id(source)
    try:
        require_id(id)
        data = source.read(limits)
        digest, before = media_digest(data), held.get(id)
        uri, metadata = source.uri, _metadata(source, digest, before)
        require_metadata(metadata, uri)
        if before is not None and before.media_digest == digest:
            if before.metadata == metadata and before.uri == uri:
                return None
            return Correction(id, digest, uri, metadata)
        with ExitStack() as reserved:

            def reserve(needed: int) -> None:
                reserved.enter_context(memory.holding(min(needed, memory.whole)))

            picture = decoded(data, digest, preprocessing, limits, reserve=reserve)
    except OSError as error:
        return BadImage(id, error.strerror or str(error))
    except (ImageError, IdError, MetadataError) as error:
        return BadImage(id, str(error))
    return DecodedImage(id, uri, metadata, picture)


def without_id(source: SourceImage) -> BadImage:
    """What becomes of an image whose id an earlier image of the source has taken."""
    return BadImage(
        source.id, f"its id is also that of another image here; {source.uri} needs its own"
    )


def each_once(
    source: Iterable[SourceImage], held: Holdings
) -> Iterator[tuple[SourceImage, str | None]]:
    """Each image with its id in the gallery; without one if an earlier image has taken it."""
    taken = set[str]()
    for image in source:
        id = image.id
        if isinstance(image, MissingImage):  # only to be reported: it takes no id from another
            yield image, id
            continue
        if len(held) and not image.stated.id:
            there = held.ids_at(image.uri)
            if there and id not in there:
                id = there[0]
        yield image, None if id in taken else id
        taken.add(id)


def _metadata(source: SourceImage, digest: str, before: StoredImage | None) -> Metadata:
    """What will be known of an image, of which `before` is held under the same id."""
    same = before is not None and (before.media_digest == digest or before.uri == source.uri)
    return (
        source.stated.over(source.metadata, before.metadata) if before and same else source.metadata
    )


def _through_model(model: MetricModel, loaded: Sequence[Loaded]) -> Batch:
    usable = [one for one in loaded if isinstance(one, DecodedImage)]
    corrections = [one for one in loaded if isinstance(one, Correction)]
    bad = [one for one in loaded if isinstance(one, BadImage)]
    images: list[NewImage] = []
    if usable:
        seen = model.decompose_pixels(np.stack([one.picture.pixels for one in usable]))
        images = [
            one.picture.image(one.id, one.uri, one.metadata, seen.contributions[i], seen.bias[i])
            for i, one in enumerate(usable)
        ]
    return Batch(images, corrections, bad, sum(one is None for one in loaded))
