"""What was lately read or made of images, kept in memory."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Generic, NamedTuple, TypeVar

from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.records import FloatArray, Place, StoredImage
from partlens.indexer.gallery.segments import Segment

T = TypeVar("T")
MOST_BYTES = 16 * 2**20
"""Of each cache of a gallery: about 1,500 thumbnails."""
_ENTRY_BYTES = 256
"""What an entry takes besides its value."""


class KeptRows(Generic[T]):
    """A value for each of the images that were used last; thread-safe.

    Values are kept by segment and row, which never hold another image or another revision of it.
    Only images of the newest view are kept: what is deleted, replaced or erased leaves memory with
    the commit.

    Args:
        size: of a value, in bytes.
        most_bytes: size of all that is kept.
    """

    def __init__(self, size: Callable[[T], int], most_bytes: int = MOST_BYTES) -> None:
        self._size, self._most = size, most_bytes
        self._kept: OrderedDict[tuple[Segment, int], T] = OrderedDict()
        self._newest: LiveRows | None = None
        self._lock = threading.Lock()
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._kept)

    def follow(self, newest: LiveRows) -> None:
        """Drop what is not in the newest view, and keep nothing of older views from now on."""
        with self._lock:
            self._newest = newest
            live = dict(zip(newest.segments, newest.live, strict=True))
            for segment, row in list(self._kept):
                if segment not in live or not live[segment][row]:
                    self._drop((segment, row))

    def find(self, live: LiveRows, places: Sequence[Place]) -> list[T | None]:
        """The values of images at places of a view; None for each that is not kept."""
        found = list[T | None]()
        with self._lock:
            for number, row in places:
                key = live.segments[number], row
                if key in self._kept:
                    self._kept.move_to_end(key)
                found.append(self._kept.get(key))
        return found

    def keep(self, live: LiveRows, values: Mapping[Place, T]) -> None:
        """Keep values that were made from a view, if that is still the newest."""
        with self._lock:
            if live is not self._newest:
                return
            for (number, row), value in values.items():
                key = live.segments[number], row
                self._drop(key)
                self._kept[key] = value
                self.bytes += self._size(value) + _ENTRY_BYTES
            while self.bytes > self._most:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[Segment, int]) -> None:
        if key in self._kept:
            self.bytes -= self._size(self._kept.pop(key)) + _ENTRY_BYTES


class Decomposition(NamedTuple):
    """Contributions [P, D] and bias [D] of an image; not to be written to."""

    contributions: FloatArray
    bias: FloatArray


class Kept:
    """What the views of a gallery keep.

    Attributes:
        records: of the last results.
        thumbnails: of the last results.
        decompositions: of the last query images.
    """

    def __init__(self) -> None:
        self.records = KeptRows[StoredImage](_bytes_of_record, MOST_BYTES // 4)
        self.thumbnails = KeptRows[bytes](len)
        self.decompositions = KeptRows[Decomposition](_bytes_of)

    def follow(self, newest: LiveRows) -> None:
        """See KeptRows.follow."""
        self.records.follow(newest)
        self.thumbnails.follow(newest)
        self.decompositions.follow(newest)


def _bytes_of(one: Decomposition) -> int:
    return one.contributions.nbytes + one.bias.nbytes


def _bytes_of_record(one: StoredImage) -> int:
    """Roughly; metadata is bounded."""
    attributes = one.metadata.attributes.items()
    return 1000 + len(one.uri) + sum(200 + len(name) + len(value) for name, value in attributes)
