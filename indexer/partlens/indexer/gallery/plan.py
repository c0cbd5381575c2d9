"""Which FAISS index a segment gets, and what a gallery of some size will cost."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from partlens.common.storage import Storage
from partlens.explainer.stored import kept_bytes

INDEXED_ROWS = 4096
"""Segments of fewer images are compared vector by vector, which takes a few milliseconds."""
AUTO = "auto"
_MOST_LISTS = 8192
_ID_BYTES = 8
_SQ8_ROWS, _IMAGE_LISTS = 20_000, 256
PROBES = 16
"""Inverted lists of positions that a search looks into at least; more where they hold few, or a
filter leaves few of each."""
_GROWS_FROM, _GROWTH = 100_000, 0.25
"""Images from which on candidates grow, and with what power of the images: a search of a million
keeps within 15 ms, and loses some recall."""
# Measured on two cores with 100,000 images of 32 positions x 128: what candidates take, each
# position of the lists that are looked into, and one vector of each image.
_SEARCH_MS, _VECTOR_MS, _IMAGE_MS = 3.6, 3.2e-5, 2e-6
_RECALL_LOST = 0.03
"""Lost each time that images are ten times _GROWS_FROM: measured 0.990 and 0.958."""
_BUILD_PRODUCTS = 2.5e10
"""Products a second of which building is made: each vector meets the middle of every list."""


class Codes(NamedTuple):
    """How an index keeps a vector.

    Attributes:
        factory: the end of FAISS's factory string.
        bits: of each dimension.
        extra: bytes of each vector beside these and its id.
        recall: recall@10 of exact search with 100,000 images, as measured with `partlens bench
            search`.
    """

    factory: str
    bits: int
    extra: int
    recall: float

    def vector_bytes(self, dimensions: int) -> int:
        """Of one vector with its id."""
        return _ID_BYTES + self.extra + math.ceil(self.bits * dimensions / 8)


# From the most exact to the smallest; auto takes the first that fits.
CODES = (
    Codes("SQfp16", 16, 0, 0.99),
    Codes("SQ8", 8, 0, 0.99),
    Codes("RaBitQ", 1, 8, 0.99),
)


@dataclass(frozen=True)
class IndexChoice:
    """What an operator asks for.

    Attributes:
        factory: "auto", or a FAISS factory string for the positions, such as "IVF4096,SQ8".
        memory_bytes: what the indexes of the gallery may take; None for no limit.
    """

    factory: str = AUTO
    memory_bytes: int | None = None


@dataclass(frozen=True)
class Plan:
    """What a gallery of so many images takes.

    Attributes:
        images, positions, dimensions: of the gallery; positions that contribute nothing, as the
            losers of max pooling do, take less.
        positions_factory, images_factory: FAISS factory strings.
        index_bytes: of memory for each image.
        memory_bytes: memory of all indexes in each process that searches; building one takes its
            size once more. Contributions take what the system can spare for its cache.
        disk_bytes: of the truth, the segments and the indexes.
        recall_at_10: with such an index, about; None where none like it was measured.
        search_ms: of one search by one region in process, about; see _SEARCH_MS.
        build_seconds: of the indexes, about; see _BUILD_PRODUCTS.
        fits: whether the indexes keep to the memory that was asked for.
    """

    images: int
    positions: int
    dimensions: int
    positions_factory: str
    images_factory: str
    index_bytes: int
    memory_bytes: int
    disk_bytes: int
    recall_at_10: float | None
    search_ms: float
    build_seconds: float
    fits: bool


def growth(images: int) -> float:
    """How many times as many candidates are looked at as of _GROWS_FROM images or fewer.

    >>> growth(50_000), growth(1_600_000)
    (1.0, 2.0)
    """
    return math.pow(max(1.0, images / _GROWS_FROM), _GROWTH)


def lists(vectors: int) -> int:
    """Inverted lists for so many vectors: about 2 sqrt(vectors), each with enough to train it.

    >>> lists(3_200_000), lists(100_000), lists(1000)
    (2048, 512, 16)
    """
    wanted = max(1.0, min(2 * math.sqrt(vectors), vectors / 40, _MOST_LISTS))
    return 1 << math.floor(math.log2(wanted))


def positions_factory(
    choice: IndexChoice, vectors: int, dimensions: int, share: float = 1.0
) -> str:
    """FAISS's factory string for an index of a segment's positions.

    Args:
        vectors: of the segment.
        share: of the gallery that the segment is, and so of the memory.
    """
    if choice.factory != AUTO:
        return choice.factory
    limit = math.inf if choice.memory_bytes is None else choice.memory_bytes * share
    fitting = [one for one in CODES if vectors * one.vector_bytes(dimensions) <= limit]
    return f"IVF{lists(vectors)},{(fitting or CODES[-1:])[0].factory}"


def images_factory(rows: int, dimensions: int) -> str:
    """The same for an index of a segment's whole images; a search looks at all of them.

    Up to _SQ8_ROWS one byte a dimension, above two bits: measured 1.0 ms and 0.2 ms for 100,000
    images of 128 dimensions; the latter finds 0.99 of the 100 best among its first 1000.
    """
    if rows <= _SQ8_ROWS or dimensions % 2:
        return "SQ8"
    return f"IVF{_IMAGE_LISTS},PQ{dimensions // 2}x4fs"


def _image_bytes(factory: str, dimensions: int) -> int:
    """Of one image: two codes with ids, its numbers in float16, and two lengths."""
    code = dimensions if factory == "SQ8" else dimensions // 4
    return 2 * (_ID_BYTES + code) + 2 * dimensions + 8


def plan(
    images: int,
    positions: int,
    dimensions: int,
    choice: IndexChoice,
    storage: Storage = "float16",
) -> Plan:
    """What a gallery of so many images takes, compacted into one segment.

    Args:
        storage: of the contributions.
    """
    vectors = images * positions
    of_images = images_factory(images, dimensions)
    for_images = images * _image_bytes(of_images, dimensions)
    left = None if choice.memory_bytes is None else max(0, choice.memory_bytes - for_images)
    factory = positions_factory(IndexChoice(choice.factory, left), vectors, dimensions)
    codes = next((one for one in CODES if factory.endswith(one.factory)), None)
    vector_bytes = (codes or CODES[0]).vector_bytes(dimensions)
    centroids = 4 * dimensions * lists(vectors)
    memory = vectors * vector_bytes + for_images + centroids
    row_bytes = kept_bytes(positions, dimensions, storage) + 8 * dimensions
    return Plan(
        images=images,
        positions=positions,
        dimensions=dimensions,
        positions_factory=factory,
        images_factory=of_images,
        index_bytes=memory // max(images, 1),
        memory_bytes=memory,
        disk_bytes=2 * images * row_bytes + memory,
        recall_at_10=_recall(codes, images) if codes else None,
        search_ms=_SEARCH_MS * growth(images)
        + _VECTOR_MS * PROBES * vectors / lists(vectors)
        + _IMAGE_MS * images,
        build_seconds=vectors * lists(vectors) * dimensions / _BUILD_PRODUCTS,
        fits=choice.memory_bytes is None or memory <= choice.memory_bytes,
    )


def _recall(codes: Codes, images: int) -> float:
    """What is measured at 100,000 images, less what more of them lose."""
    tenfold = max(0.0, math.log10(max(images, 1) / _GROWS_FROM))
    return round(codes.recall - _RECALL_LOST * tenfold, 3)
