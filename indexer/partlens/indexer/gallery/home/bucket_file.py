"""An object of a bucket, read like a file."""

import io
from typing import Any

from obstore.store import S3Store

from partlens.indexer.object_stores.errors import reaching

_CHUNK_BYTES = 4 * 2**20


class BucketFile:
    """An object: `open`, `exists` and `name` as of pathlib.Path.

    Args:
        store: of the gallery's prefix.
        place: name of the object below it.
    """

    def __init__(self, store: S3Store, place: str) -> None:
        self._store, self._place = store, place

    def __str__(self) -> str:
        return self._place

    @property
    def name(self) -> str:
        """The last part of its name."""
        return self._place.rpartition("/")[2]

    def exists(self) -> bool:
        """Whether there is such an object; StorageError if the store cannot be reached."""
        try:
            self.size()
        except FileNotFoundError:
            return False
        return True

    def size(self) -> int:
        """Size in bytes.

        Raises:
            FileNotFoundError: there is no such object.
            StorageError: the store cannot be reached.
        """
        with reaching(self._place):
            return int(self._store.head(self._place)["size"])

    def open(self, mode: str = "rb", buffering: int = -1) -> io.BufferedReader:
        """Open it for reading in chunks of a few MiB; raises as size, on reading too."""
        size = self.size()
        raw = _Ranges(self._store, self._place, size)
        return io.BufferedReader(raw, max(buffering, _CHUNK_BYTES))


class _Ranges(io.RawIOBase):
    """The bytes of an object, by requests for ranges of it."""

    def __init__(self, store: S3Store, place: str, size: int) -> None:
        self._store, self._place, self._size, self._at = store, place, size, 0

    def readable(self) -> bool:
        """See io.RawIOBase.readable."""
        return True

    def seekable(self) -> bool:
        """See io.RawIOBase.seekable."""
        return True

    def tell(self) -> int:
        """See io.RawIOBase.tell."""
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """See io.RawIOBase.seek."""
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(start + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:
        """See io.RawIOBase.readinto."""
        length = min(len(buffer), self._size - self._at)
        if length <= 0:
            return 0
        with reaching(self._place):
            found = bytes(self._store.get_range(self._place, start=self._at, length=length))
        buffer[: len(found)] = found
        self._at += len(found)
        return len(found)
