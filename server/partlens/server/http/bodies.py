"""Reads encoded messages from the body of a request, bounded while they arrive."""

import asyncio
import struct
from collections.abc import AsyncGenerator
from contextlib import aclosing

from partlens.server.errors import MessageSizeError, RequestError
from partlens.server.http.exchange import Incoming
from partlens.server.http.inflating import Inflater
from partlens.server.limits.arrivals import Held

PREFIX = struct.Struct(">BI")
"""Flags and length before each message of a stream."""
COMPRESSED, END_STREAM = 1, 2


async def unary(incoming: Incoming, held: Held, most: int, *, gzip: bool) -> AsyncGenerator[bytes]:
    """The only message of a call: the whole body.

    Args:
        held: counts the bytes as they arrive.
        most: most bytes of the message, after decompression.
        gzip: whether the body is compressed.
    """
    data = bytearray()
    inflater = Inflater() if gzip else None
    async for chunk in incoming.chunks():
        if inflater is None:
            _append(data, chunk, held, most)
            continue
        for piece in inflater.pieces(chunk):
            _append(data, piece, held, most)
            await asyncio.sleep(0)  # the event loop is not ours alone
    if inflater is not None:
        inflater.require_ended()
    whole = bytes(data)
    del data
    yield whole


async def enveloped(
    incoming: Incoming, held: Held, most: int, *, gzip: bool
) -> AsyncGenerator[bytes]:
    """The messages of a stream, each after its prefix.

    Args:
        held: counts the bytes as they arrive.
        most: most bytes of each message, after decompression.
        gzip: whether messages may be compressed.
    """
    buffer = bytearray()
    async for chunk in incoming.chunks():
        held.add(len(chunk))
        buffer += chunk
        while len(buffer) >= PREFIX.size:
            flags, size = PREFIX.unpack_from(buffer)
            _require_flags(flags, gzip)
            require_size(size, most)
            end = PREFIX.size + size
            if len(buffer) < end:
                break
            data = bytes(buffer[PREFIX.size : end])
            del buffer[:end]
            held.drop(PREFIX.size)
            if flags & COMPRESSED:
                data = await _inflated(data, held, most)
            yield data
            del data
    if buffer:
        raise RequestError("", "the stream ends within a message")


async def only(messages: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    """The only message of a stream, once the stream has ended; RequestError if there are more."""
    found: bytes | None = None
    async with aclosing(messages):
        async for message in messages:
            if found is not None:
                raise RequestError("", "the call has several requests; this method takes one")
            found = message
    if found is not None:
        yield found


def envelope(flags: int, data: bytes) -> bytes:
    """A message of a stream, with its prefix."""
    return PREFIX.pack(flags, len(data)) + data


def require_size(size: int, most: int) -> None:
    """MessageSizeError if a message is too large."""
    if size > most:
        raise MessageSizeError(
            f"the request has {size} bytes or more; at most {most} are allowed"
            " (limits.request_bytes): send a smaller picture, or fewer"
        )


async def _inflated(data: bytes, held: Held, most: int) -> bytes:
    inflater, whole = Inflater(), bytearray()
    for piece in inflater.pieces(data):
        _append(whole, piece, held, most)
        await asyncio.sleep(0)
    inflater.require_ended()
    held.drop(len(data))
    return bytes(whole)


def _append(data: bytearray, piece: bytes, held: Held, most: int) -> None:
    require_size(len(data) + len(piece), most)
    held.add(len(piece))
    data += piece


def _require_flags(flags: int, gzip: bool) -> None:
    if flags & COMPRESSED and not gzip:
        raise RequestError(
            "", "a message is compressed, but the header connect-content-encoding does not say so"
        )
    if flags & ~COMPRESSED:
        raise RequestError("", f"a message of the stream has the unknown flags {flags}")
