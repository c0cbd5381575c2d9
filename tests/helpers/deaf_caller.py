"""A caller that lets the server send no byte of a response: its HTTP/2 window is empty."""

import asyncio
import struct
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

_DATA, _HEADERS, _SETTINGS = 0, 1, 4
_END_STREAM, _END_HEADERS, _ACK = 1, 4, 1
_INITIAL_WINDOW_SIZE = 4


class DeafCaller:
    """Begins calls, and reads nothing. See RFC 9113."""

    def __init__(self, writer: asyncio.StreamWriter) -> None:
        self._writer, self._stream = writer, -1
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, 0)
        writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + _frame(_SETTINGS, 0, 0, settings))
        writer.write(_frame(_SETTINGS, _ACK, 0, b""))

    async def call(self, path: str, message: bytes, metadata: Mapping[str, str]) -> None:
        """Sends a request of less than 16 kB."""
        self._stream += 2
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "test",
                   "te": "trailers", "content-type": "application/grpc", **metadata}  # fmt: skip
        block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
        self._writer.write(_frame(_HEADERS, _END_HEADERS, self._stream, block))
        data = b"\0" + struct.pack(">I", len(message)) + message
        self._writer.write(_frame(_DATA, _END_STREAM, self._stream, data))
        await self._writer.drain()


@asynccontextmanager
async def deaf_caller(address: str) -> AsyncIterator[DeafCaller]:
    """A connection to a server."""
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port))
    try:
        yield DeafCaller(writer)
    finally:
        writer.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    length = struct.pack(">I", len(payload))[1:]
    return length + bytes([kind, flags]) + struct.pack(">I", stream) + payload


def _text(text: str) -> bytes:
    """As HPACK writes it, neither compressed nor indexed."""
    data = text.encode()
    assert len(data) < 127
    return bytes([len(data)]) + data
