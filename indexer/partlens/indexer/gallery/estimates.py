"""What a gallery of some size will cost: memory, disk and time."""

import math
from dataclasses import dataclass

from partlens.common.storage import Storage
from partlens.explainer.stored import kept_bytes
from partlens.indexer.gallery.plan import (
    CODES,
    GROWS_FROM,
    ID_BYTES,
    INDEXED_ROWS,
    PROBES,
    Codes,
    IndexChoice,
    growth,
    images_factory,
    lists,
    positions_factory,
    share_of_wholes,
)
from partlens.indexer.gallery.search import EXACT_BYTES, RERANKED

_RECALL_LOST = 0.01
"""Lost each time that images are ten times GROWS_FROM: measured 0.994 and 0.982."""
# Milliseconds of a search with the compiled kernel on one thread, measured with 32 positions x 128:
# 4.3 with 100,000 images, and 2.5 times as long with a million.
_FIXED_MS = 0.6
_POSITION_MS, _IMAGE_MS = 1.0e-5, 2.1e-6
"""Each position of the lists that a search looks into, and each whole image."""
_JUDGED_MS, _SCORED_MS = 5.0e-3, 6.5e-3
"""Each candidate, and each image that is scored."""
_NUMBERS = 32 * 128
_PRODUCTS = 5.2e10
"""Products a second when an index compares vectors with the centres of its lists."""
_TRAINING_PASSES = 64 * 10
"""Vectors for each list, and iterations."""
_VECTOR_SECONDS = 2.2e-6
"""Reading and encoding one vector of a position, and its share of the indexes of whole images."""


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
        search_ms: of one search by one region in process, about, on one thread.
        build_seconds: of the indexes, about, on one thread.
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


def _image_bytes(factory: str, dimensions: int) -> int:
    """Of one image: two codes with ids, its numbers in float16, and two lengths."""
    code = dimensions if factory == "SQ8" else dimensions // 4
    return 2 * (ID_BYTES + code) + 2 * dimensions + 8


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
        search_ms=_search_ms(images, positions, dimensions, storage),
        build_seconds=_build_seconds(images, vectors, dimensions),
        fits=choice.memory_bytes is None or memory <= choice.memory_bytes,
    )


def _search_ms(images: int, positions: int, dimensions: int, storage: Storage) -> float:
    scored_ms = _SCORED_MS * positions * dimensions / _NUMBERS
    if images * kept_bytes(positions, dimensions, storage) <= EXACT_BYTES:
        return _FIXED_MS + images * scored_ms
    vectors = images * positions
    share = min(1.0, PROBES / lists(vectors)) if images >= INDEXED_ROWS else 1.0
    candidates = min(images, RERANKED["context"] * growth(images))
    return (
        _FIXED_MS
        + _POSITION_MS * share * vectors
        + _IMAGE_MS * images * share_of_wholes(images)
        + candidates * (_JUDGED_MS + scored_ms)
    )


def _build_seconds(images: int, vectors: int, dimensions: int) -> float:
    if images < INDEXED_ROWS:
        return 0.0
    compared = vectors + _TRAINING_PASSES * lists(vectors)
    return compared * lists(vectors) * dimensions / _PRODUCTS + vectors * _VECTOR_SECONDS


def _recall(codes: Codes, images: int) -> float:
    """What is measured at 100,000 images, less what more of them lose."""
    tenfold = max(0.0, math.log10(max(images, 1) / GROWS_FROM))
    return round(codes.recall - _RECALL_LOST * tenfold, 3)
