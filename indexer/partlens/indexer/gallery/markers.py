"""Byte patterns that tell an image's presence in a file, and a search for many of them at once."""

import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

_WIDTH, _PLACES = 32, 8
# What has fewer different bytes is found in many images.
_DISTINCT = 12
_SHORTEST_TEXT = 8
_CHUNK_BYTES = 16 * 2**20
_TABLE_BITS = 20
_MULTIPLIER = np.uint32(2654435761)


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
    """Some stretches of data, spread over it, that are unlikely anywhere else."""
    starts = np.linspace(0, max(len(data) - _WIDTH, 0), _PLACES + 2).astype(int)[1:-1]
    patterns = {data[start : start + _WIDTH] for start in starts}
    return [Marker(kind, each) for each in sorted(patterns) if len(set(each)) >= _DISTINCT]


class MarkerSearch:
    """Looks for many markers in one pass over a file.

    Args:
        markers: what to look for.
    """

    def __init__(self, markers: Iterable[Marker]) -> None:
        self._by_anchor: Mapping[int, list[Marker]] = defaultdict(list)
        for marker in markers:
            self._by_anchor[int.from_bytes(marker.pattern[:4], "little")].append(marker)
        self._longest = max(
            (len(m.pattern) for some in self._by_anchor.values() for m in some), default=1
        )
        self._anchors = np.array(sorted(self._by_anchor), np.uint32)
        self._table = np.zeros(1 << _TABLE_BITS, bool)
        self._table[_slots(self._anchors)] = True

    def found_in(self, path: Path) -> set[Marker]:
        """The markers that a file holds."""
        found = set[Marker]()
        with path.open("rb") as file:
            rest = b""
            while self._by_anchor and (read := file.read(_CHUNK_BYTES)):
                found |= self.found_among(rest + read)
                rest = (rest + read)[1 - self._longest :] if self._longest > 1 else b""
        return found

    def found_among(self, data: bytes) -> set[Marker]:
        """The markers that bytes hold."""
        found = set[Marker]()
        for shift in range(4):
            count = (len(data) - shift) // 4
            if count <= 0:
                break
            words = np.frombuffer(data, "<u4", count, shift)
            likely = np.flatnonzero(self._table[_slots(words)])
            for index in likely[np.isin(words[likely], self._anchors)]:
                start = shift + 4 * int(index)
                for marker in self._by_anchor[int(words[index])]:
                    if data.startswith(marker.pattern, start):
                        found.add(marker)
        return found


def _slots(words: NDArray[np.uint32]) -> NDArray[np.uint32]:
    return (words * _MULTIPLIER) >> np.uint32(32 - _TABLE_BITS)
