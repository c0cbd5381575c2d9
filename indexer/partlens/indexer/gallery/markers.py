"""Byte patterns that show an image's presence in a file, and a search for many of them at once."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from partlens.indexer.gallery.home.home import File

_WIDTHS, _PLACES, _TRIES = (64, 128, 256), 8, 16
# Stretches with fewer different bytes occur in many images.
_DISTINCT = 12
_SHORTEST_TEXT = 8
# Small enough for what is computed of a chunk to stay in the processor's cache.
_CHUNK_BYTES = 2**18
_SPARE_BITS, _LEAST_BITS, _MOST_BITS = 4, 16, 26
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_WORDS = {64: (8, 24), 39: (8, 16), 15: (8, 8), 7: (4, 4)}
"""Length of a pattern -> bytes of its words, and bytes from one word of a file that is looked at to
the next. Of long patterns, each place has several words to choose from."""


@dataclass(frozen=True)
class Marker:
    """Bytes of one image.

    Attributes:
        kind: what they are part of: "id", "uri", "media_digest", "thumbnail", "contributions"
            or "embedding".
        pattern: the bytes; at least 8.
    """

    kind: str
    pattern: bytes


def text_markers(kind: str, text: str) -> list[Marker]:
    """A text as itself and as JSON writes it; none if it is too short to tell it from chance."""
    forms = {text.encode(), json.dumps(text)[1:-1].encode()}
    return [Marker(kind, form) for form in sorted(forms) if len(form) >= _SHORTEST_TEXT]


def data_markers(kind: str, data: bytes) -> list[Marker]:
    """Stretches of data, spread over it, that are unlikely anywhere else.

    Each part of the data gives the stretch with the most different bytes. Where even that has few,
    as after a ReLU, a longer one is taken; a part of zeros gives none.
    """
    edges = np.linspace(0, len(data), _PLACES + 1).astype(int)
    patterns = {_telling(data, *part) for part in pairwise(edges)}
    return [Marker(kind, each) for each in sorted(patterns - {b""})]


def _telling(data: bytes, first: int, end: int) -> bytes:
    """The shortest stretch that begins in a part of the data and is unlikely; b"" if none is."""
    for width in _WIDTHS:
        last = max(min(end, len(data) - width), 0)
        starts = np.unique(np.linspace(min(first, last), last, _TRIES).astype(int))
        stretches = [data[start : start + width] for start in starts]
        best = max(stretches, key=_distinct)
        if _distinct(best) >= _DISTINCT:
            return best
    return b""


def _distinct(data: bytes) -> int:
    return len(set(data))


@dataclass(frozen=True)
class Hit:
    """A place where bytes hold a pattern."""

    begin: int
    pattern: bytes


class MarkerSearch:
    """Looks for many markers in one pass over a file.

    Of a file, only one word of eight bytes in each 24 is looked at. A pattern of 64 bytes holds
    such a word wherever it begins. So a pattern is listed under 24 of its words, one for each place
    modulo 24, each chosen to be unlikely elsewhere. For shorter patterns, the words are closer or
    shorter.

    Args:
        markers: what to look for.
    """

    def __init__(self, markers: Iterable[Marker]) -> None:
        self._by_pattern = defaultdict[bytes, list[Marker]](list)
        for marker in markers:
            self._by_pattern[marker.pattern].append(marker)
        groups = defaultdict[tuple[int, int], list[bytes]](list)
        for pattern in self._by_pattern:
            groups[next(of for least, of in _WORDS.items() if len(pattern) >= least)].append(
                pattern
            )
        self._lists = [_Words(size, step, some) for (size, step), some in groups.items()]
        self._longest = max(map(len, self._by_pattern), default=1)

    def found_in(self, file: File) -> set[Marker]:
        """The markers that a file holds."""
        found, kept = set[Marker](), b""
        with file.open("rb", buffering=0) as content:
            while self._lists and (read := content.read(_CHUNK_BYTES)):
                data = kept + read
                found |= self.found_among(data)
                kept = data[max(len(data) - self._longest + 1, 0) :]
        return found

    def found_among(self, data: bytes) -> set[Marker]:
        """The markers that bytes hold."""
        return {marker for hit in self.hits(data) for marker in self._by_pattern[hit.pattern]}

    def hits(self, data: bytes) -> Iterator[Hit]:
        """Every place where bytes hold a marker."""
        for words in self._lists:
            yield from words.hits(data)


class _Words:
    """Patterns by words of theirs.

    Args:
        size: bytes of a word.
        step: bytes from one word of a file that is looked at to the next; a multiple of size.
        patterns: each of size + step - 1 bytes or more.
    """

    def __init__(self, size: int, step: int, patterns: Iterable[bytes]) -> None:
        self._size, self._step, self._patterns = size, step, frozenset(patterns)
        # Word -> where it lies in patterns, and how long these are.
        self._shapes = defaultdict[int, set[tuple[int, int]]](set)
        for pattern in self._patterns:
            for start in self._starts(pattern):
                word = int.from_bytes(pattern[start : start + size], "little")
                self._shapes[word].add((start, len(pattern)))
        self._sorted = np.array(sorted(self._shapes), f"<u{size}")
        self._common = _CommonBits(self._sorted)
        bits = len(self._sorted).bit_length() + _SPARE_BITS
        self._shift = np.uint64(64 - min(max(bits, _LEAST_BITS), _MOST_BITS))
        self._table = np.zeros(1 << (64 - int(self._shift)), bool)
        self._table[self._places(self._sorted)] = True

    def hits(self, data: bytes) -> Iterator[Hit]:
        """Every place where bytes hold a pattern."""
        words = np.frombuffer(data, f"<u{self._size}", len(data) // self._size)
        words = words[:: self._step // self._size]
        likely = self._common.where(words)
        if likely is None:
            likely = np.flatnonzero(self._table.take(self._places(words)))
        else:
            likely = likely[self._table.take(self._places(words[likely]))]
        some = words[likely]
        at = np.searchsorted(self._sorted, some).clip(max=len(self._sorted) - 1)
        for index in likely[self._sorted[at] == some].tolist():
            for start, length in self._shapes[int(words[index])]:
                begin = index * self._step - start
                if begin >= 0 and (seen := data[begin : begin + length]) in self._patterns:
                    yield Hit(begin, seen)

    def _places(self, words: NDArray[np.unsignedinteger]) -> NDArray[np.int64]:
        """Where words lie in the table: the high bits of products, which differ for most words."""
        mixed: NDArray[np.uint64] = np.multiply(words, _FACTOR, dtype=np.uint64)
        mixed >>= self._shift
        return mixed.view(np.int64)

    def _starts(self, pattern: bytes) -> Iterator[int]:
        """Where in a pattern its words begin, one for each place modulo `step`."""
        for first in range(self._step):
            # Of names the end differs most; of sparse numbers the densest part.
            yield max(
                range(first, len(pattern) - self._size + 1, self._step),
                key=lambda at: (min(_distinct(pattern[at : at + self._size]), self._size // 2), at),
            )


class _CommonBits:
    """Bits that words have in common, as those of a text do: a quick look at many others.

    Args:
        words: at least one.
    """

    def __init__(self, words: NDArray[np.unsignedinteger]) -> None:
        joined = _joined(words)
        self._mask = ~(np.bitwise_or.reduce(joined) ^ np.bitwise_and.reduce(joined))
        self._value = joined[0] & self._mask
        # With few common bits, too many other words have them.
        self._few = int(self._mask).bit_count() < words.itemsize

    def where(self, words: NDArray[np.unsignedinteger]) -> NDArray[np.int64] | None:
        """Indices of the words that have them; None if this would help little."""
        if self._few:
            return None
        joined = _joined(words)
        joined &= self._mask
        return np.flatnonzero(joined == self._value)


def _joined(words: NDArray[np.unsignedinteger]) -> NDArray[np.unsignedinteger]:
    """Each bit or the one below: of the two that set letters and digits apart from zeros, every
    printed character has one."""
    joined = words << words.dtype.type(1)
    joined |= words
    return joined
