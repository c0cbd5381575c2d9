"""Byte patterns that show an image's presence in a file, and a search for many of them at once."""

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_WIDTHS, _PLACES, _TRIES = (32, 64, 128, 256), 8, 16
# Stretches with fewer different bytes occur in many images.
_DISTINCT = 12
_SHORTEST_TEXT = 8
# Small enough for what is computed of a chunk to stay in the processor's cache.
_CHUNK_BYTES = 2**20
_SPARE_BITS, _LEAST_BITS, _MOST_BITS = 7, 16, 26
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_WORDS = (8, 4)
"""Bytes of the words by which patterns are found; of n, for those of 2 n - 1 bytes or more."""


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


class MarkerSearch:
    """Looks for many markers in one pass over a file.

    Only every eighth byte of a file is looked at, as the start of a word of eight bytes. A pattern
    of 15 bytes or more holds such a word wherever it begins. So a pattern is listed under eight of
    its words, one for each place modulo eight, each chosen to be unlikely elsewhere. Shorter
    patterns are listed under words of four bytes.

    Args:
        markers: what to look for.
    """

    def __init__(self, markers: Iterable[Marker]) -> None:
        self._by_pattern = defaultdict[bytes, list[Marker]](list)
        for marker in markers:
            self._by_pattern[marker.pattern].append(marker)
        by_size = defaultdict[int, list[bytes]](list)
        for pattern in self._by_pattern:
            size = next(size for size in _WORDS if len(pattern) >= 2 * size - 1)
            by_size[size].append(pattern)
        self._lists = [_Words(size, some) for size, some in by_size.items()]
        self._longest = max(map(len, self._by_pattern), default=1)

    def found_in(self, path: Path) -> set[Marker]:
        """The markers that a file holds."""
        found, kept = set[Marker](), b""
        with path.open("rb", buffering=0) as file:
            while self._lists and (read := file.read(_CHUNK_BYTES)):
                data = kept + read
                found |= self.found_among(data)
                kept = data[max(len(data) - self._longest + 1, 0) :]
        return found

    def found_among(self, data: bytes) -> set[Marker]:
        """The markers that bytes hold."""
        patterns = {pattern for words in self._lists for pattern in words.found_among(data)}
        return {marker for pattern in patterns for marker in self._by_pattern[pattern]}


class _Words:
    """Patterns by words of theirs.

    Args:
        size: bytes of a word.
        patterns: each of 2 * size - 1 bytes or more.
    """

    def __init__(self, size: int, patterns: Iterable[bytes]) -> None:
        self._size, self._patterns = size, frozenset(patterns)
        # Mixed word -> where it lies in patterns, and how long these are.
        self._shapes = defaultdict[int, set[tuple[int, int]]](set)
        for pattern in self._patterns:
            for start in self._starts(pattern):
                (word,) = self._mixed(pattern[start : start + size])
                self._shapes[int(word)].add((start, len(pattern)))
        self._sorted = np.array(sorted(self._shapes), np.uint64)
        bits = len(self._sorted).bit_length() + _SPARE_BITS
        self._shift = np.uint64(64 - min(max(bits, _LEAST_BITS), _MOST_BITS))
        self._table = np.zeros(1 << (64 - int(self._shift)), bool)
        self._table[self._sorted >> self._shift] = True

    def found_among(self, data: bytes) -> Iterator[bytes]:
        """The patterns that bytes hold, some more than once."""
        words = self._mixed(data)
        likely = np.flatnonzero(self._table[words >> self._shift])
        at = np.searchsorted(self._sorted, words[likely]).clip(max=len(self._sorted) - 1)
        for index in likely[self._sorted[at] == words[likely]].tolist():
            for start, length in self._shapes[int(words[index])]:
                begin = index * self._size - start
                if begin >= 0 and (seen := data[begin : begin + length]) in self._patterns:
                    yield seen

    def _mixed(self, data: bytes) -> NDArray[np.uint64]:
        """The words that begin at multiples of `size`, multiplied so that their high bits differ;
        different words stay different."""
        words = np.frombuffer(data, f"<u{self._size}", len(data) // self._size)
        mixed: NDArray[np.uint64] = np.multiply(words, _FACTOR, dtype=np.uint64)
        return mixed

    def _starts(self, pattern: bytes) -> Iterator[int]:
        """Where in a pattern its words begin, one for each place modulo `size`."""
        for first in range(self._size):
            # Of names the end differs most; of sparse numbers the densest part.
            yield max(
                range(first, len(pattern) - self._size + 1, self._size),
                key=lambda at: (min(_distinct(pattern[at : at + self._size]), self._size // 2), at),
            )
