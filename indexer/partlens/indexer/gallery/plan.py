"""Which FAISS index a segment gets."""

import math
from dataclasses import dataclass
from typing import NamedTuple

INDEXED_ROWS = 4096
"""Segments of fewer images are compared vector by vector, which takes a few milliseconds."""
AUTO = "auto"
_MOST_LISTS, _A_LIST = 8192, 1024
"""Inverted lists at most, and vectors of each at least: small segments are soon merged, and shorter
lists would take longer to train than to fill."""
ID_BYTES = 8
_SQ8_ROWS, _IMAGE_LISTS = 20_000, 256
PROBES = 16
"""Inverted lists of positions that a search looks into at least; more where they hold few, or a
filter leaves few of each."""
_EVERY = 250_000
"""Images of which all lists of whole ones are looked into, as these lie too far from each other to
fall into groups; of more, as many lists as the square root of the excess leaves."""
GROWS_FROM, _GROWTH = 100_000, 0.4
"""Images from which on candidates grow, and with what power of the images: 644 of a million, of
which 511 find 0.97."""


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
        return ID_BYTES + self.extra + math.ceil(self.bits * dimensions / 8)


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


def growth(images: int) -> float:
    """How many times as many candidates are looked at as of GROWS_FROM images or fewer.

    >>> growth(50_000), round(growth(1_000_000), 2)
    (1.0, 2.51)
    """
    return math.pow(max(1.0, images / GROWS_FROM), _GROWTH)


def lists(vectors: int) -> int:
    """Inverted lists for so many vectors: about sqrt(vectors), but none shorter than _A_LIST.

    The time of building grows with them. Twice as many, of which a search looks into twice as many,
    found 0.004 more in the same time with 100,000 images.

    >>> lists(3_200_000), lists(100_000), lists(1000)
    (1024, 64, 1)
    """
    wanted = max(1.0, min(math.sqrt(vectors), vectors / _A_LIST, _MOST_LISTS))
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


def share_of_wholes(images: float) -> float:
    """Share of the lists of whole images that a search looks into; see _EVERY.

    >>> share_of_wholes(100_000), share_of_wholes(1_000_000)
    (1.0, 0.5)
    """
    return min(1.0, math.sqrt(_EVERY / max(images, 1.0)))
