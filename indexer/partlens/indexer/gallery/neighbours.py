"""Tells a trace of an erased text from the same bytes inside texts of remaining images.

The ids 00000003 and 00000004, stored one after the other, hold 00000000 too.
"""

import json
import os
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import accumulate

import pyarrow as pa

from partlens.indexer.gallery.home.home import File
from partlens.indexer.gallery.markers import Hit, Marker, MarkerSearch

_AROUND = 16
"""Bytes before or after a hit that must be a remaining image's too."""
_PIECE_BYTES, _OVERLAP_BYTES = 2**20, 2**16


class Neighbours:
    """Where the texts of remaining images hold patterns, with what surrounds them there.

    Args:
        markers: patterns to explain.
        columns: texts of remaining images as files store them, one after another.
    """

    def __init__(self, markers: Iterable[Marker], columns: Iterable[Sequence[str]]) -> None:
        self._markers = {marker.pattern: marker for marker in markers}
        self._search = MarkerSearch(self._markers.values())
        # Bytes before the hit, and bytes in all -> what these bytes are.
        self._seen = defaultdict[tuple[int, int], set[bytes]](set)
        for texts in columns:
            self._learn(texts)

    def unexplained(self, files: Iterable[File]) -> set[Marker]:
        """The markers that files hold, other than as part of what the remaining images hold."""
        found = set[Marker]()
        for file in files:
            with suppress(FileNotFoundError):  # removed meanwhile
                found |= self._unexplained_in(file)
        return found

    def _unexplained_in(self, file: File) -> set[Marker]:
        found = set[Marker]()
        for data, first, last in _pieces(file):
            for hit in self._search.hits(data):
                if first <= hit.begin < last and not self._explains(data, hit):
                    found.add(self._markers[hit.pattern])
        return found

    def _learn(self, texts: Sequence[str]) -> None:
        encoded = [text.encode() for text in texts]
        escaped = [json.dumps(text)[1:-1].encode() for text in texts]
        for each, hit in self._hits_in({*encoded, *escaped}):
            self._seen[hit.begin, len(each)].add(each)
        joined = b"".join(encoded)
        for hit in self._search.hits(joined):
            end = hit.begin + len(hit.pattern)
            start, stop = max(hit.begin - _AROUND, 0), min(end + _AROUND, len(joined))
            if hit.begin - start == _AROUND:
                self._seen[_AROUND, end - start].add(joined[start:end])
            if stop - end == _AROUND:
                self._seen[0, stop - hit.begin].add(joined[hit.begin : stop])
            self._seen[hit.begin - start, stop - start].add(joined[start:stop])

    def _hits_in(self, texts: Collection[bytes]) -> Iterator[tuple[bytes, Hit]]:
        """The hits in each text, found by one search of all together."""
        each, ends = list(texts), list(accumulate(map(len, texts)))
        for hit in self._search.hits(b"".join(each)):
            number = bisect_right(ends, hit.begin)
            begin = hit.begin - ends[number] + len(each[number])
            if begin + len(hit.pattern) <= len(each[number]):
                yield each[number], Hit(begin, hit.pattern)

    def _explains(self, data: bytes, hit: Hit) -> bool:
        for (before, length), known in self._seen.items():
            start = hit.begin - before
            if start >= 0 and data[start : start + length] in known:
                return True
        return False


def text_columns(tables: Iterable[pa.Table]) -> Iterator[list[str]]:
    """The texts of each column of tables that has texts, in order of their rows."""
    for table in tables:
        for name in table.column_names:
            column = table[name].combine_chunks()
            if isinstance(column, pa.ChunkedArray):
                column = pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([])
            parts = [column.keys, column.items] if pa.types.is_map(column.type) else [column]
            for part in parts:
                if pa.types.is_string(part.type) or pa.types.is_large_string(part.type):
                    yield [text for text in part.to_pylist() if text]


def _pieces(file: File) -> Iterator[tuple[bytes, int, int]]:
    """The bytes of a file in pieces that overlap, and which part of each is new.

    A hit begins in the new part of one piece only, and is seen with what surrounds it.
    """
    with file.open("rb") as content:
        size = content.seek(0, os.SEEK_END)
        for new in range(0, size, _PIECE_BYTES):
            start = max(new - _OVERLAP_BYTES, 0)
            content.seek(start)
            data = content.read(new - start + _PIECE_BYTES + _OVERLAP_BYTES)
            yield data, new - start, new - start + _PIECE_BYTES
