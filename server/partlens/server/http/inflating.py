"""Decompresses gzip without trusting it: a few bytes may stand for gigabytes."""

import zlib
from collections.abc import Iterator

from partlens.server.errors import RequestError

_GZIP = 16 + zlib.MAX_WBITS
_PIECE_BYTES = 256 * 2**10


class Inflater:
    """Decompresses one gzip member, piece by piece; the caller stops when it is too much."""

    def __init__(self) -> None:
        self._zlib, self._begun = zlib.decompressobj(_GZIP), False

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """What the data stands for, in pieces of bounded size; RequestError if it is not gzip."""
        self._begun = self._begun or bool(data)
        while data:
            try:
                piece = self._zlib.decompress(data, _PIECE_BYTES)
            except zlib.error as error:
                raise RequestError("", f"the body is not gzip: {error}") from error
            if self._zlib.unused_data:
                raise RequestError("", "there are bytes after the end of the gzip data")
            data = self._zlib.unconsumed_tail
            yield piece

    def require_ended(self) -> None:
        """RequestError if the data was cut off."""
        if self._begun and not self._zlib.eof:
            raise RequestError("", "the gzip data is cut off")
