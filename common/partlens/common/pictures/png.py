"""The chunks of a PNG that its pixels need.

Pillow reads every chunk, and refuses a good picture over a comment that is long or damaged. So the
others are cut out first, as viewers skip them.
"""

import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from partlens.common.waiting import RequireWaiting

SIGNATURE = b"\x89PNG\r\n\x1a\n"
MAX_PROFILE = 4 * 2**20
"""Bytes of a colour profile after decompression; a larger one is ignored."""
_GREY, _TRUE_COLOUR = 0, 2
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_PIECE = 2**16
_OFTEN = 2**10
"""Chunks between two questions whether anyone still waits."""


@dataclass(frozen=True)
class _Chunk:
    kind: bytes
    content: bytes
    whole: bytes

    @property
    def is_ancillary(self) -> bool:
        """By the standard: a decoder that does not know it may skip it."""
        return bool(self.kind[0] & 0x20)

    @property
    def is_sound(self) -> bool:
        return self.whole[-4:] == struct.pack(">I", zlib.crc32(self.whole[4:-4]))


def essentials(data: bytes, require_waiting: RequireWaiting) -> tuple[bytes, bytes | None]:
    """A PNG without the chunks that its pixels do not need, and its ICC profile.

    Text, times and all frames but the first are cut out, and EXIF behind the pixels, where browsers
    do not look for it. What is damaged in chunks that the pixels need stays, for the decoder to
    refuse.

    Returns:
        The PNG; its profile, None if it has none that can be read.
    """
    kept, profile = [SIGNATURE], None
    depth = colour = -1
    pixels_seen = False
    for number, chunk in enumerate(_chunks(data)):
        if number % _OFTEN == 0:
            require_waiting()
        if chunk.kind == b"IHDR" and len(chunk.content) == 13:
            depth, colour = chunk.content[8:10]
        pixels_seen |= chunk.kind == b"IDAT"
        if not chunk.is_ancillary:
            kept.append(chunk.whole)
        elif pixels_seen:
            continue
        elif chunk.kind == b"tRNS":
            kept.append(_scaled(chunk, depth, colour) if chunk.is_sound else chunk.whole)
        elif chunk.kind == b"eXIf" and chunk.is_sound:
            kept.append(chunk.whole)
        elif chunk.kind == b"iCCP" and chunk.is_sound and profile is None:
            profile = _profile(chunk.content)
    return b"".join(kept), profile


def lacks_rows(data: bytes, last_row: bytes, require_waiting: RequireWaiting) -> bool:
    """Whether the compressed pixels end before the last row, which the decoder shows as zeros.

    Args:
        last_row: of the decoded image; one that is not zero was there.
    """
    chunks = list(_chunks(data))
    header = next((chunk.content for chunk in chunks if chunk.kind == b"IHDR"), None)
    if header is None:
        return True
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", header)
    if any(last_row) or interlaced:  # of which the decoder wants every pass
        return False
    row = 1 + (width * depth * _CHANNELS[colour] + 7) // 8
    pixels = (chunk.content for chunk in chunks if chunk.kind == b"IDAT")
    needed: int = height * row
    return _unpacked_size(pixels, needed, require_waiting) < needed


def _unpacked_size(packed: Iterable[bytes], enough: int, require_waiting: RequireWaiting) -> int:
    """Bytes that a zlib stream in pieces unpacks to, counted up to where they are enough."""
    unpacker, size = zlib.decompressobj(), 0
    for content in packed:
        for at in range(0, len(content), _PIECE):
            require_waiting()
            left = content[at : at + _PIECE]
            while left:
                size += len(unpacker.decompress(left, _PIECE))
                if size >= enough or unpacker.eof:
                    return size
                left = unpacker.unconsumed_tail
    return size


def _chunks(data: bytes) -> Iterator[_Chunk]:
    """Each chunk up to the end marker; the last may be cut short."""
    at = len(SIGNATURE)
    while at + 8 <= len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        yield _Chunk(kind, data[at + 8 : end - 4], data[at:end])
        if kind == b"IEND":
            break
        at = end


def _scaled(chunk: _Chunk, depth: int, colour: int) -> bytes:
    """A tRNS chunk with the transparent colour as the decoder will see it in the pixels.

    Grey of 2 and 4 bits is spread to 8, which Pillow does to the pixels alone; bits above the
    depth do not count.
    """
    if colour not in (_GREY, _TRUE_COLOUR) or len(chunk.content) % 2 or not 1 <= depth <= 16:
        return chunk.whole
    most = 2**depth - 1
    spread = 255 // most if depth in (2, 4) else 1
    values = struct.unpack(f">{len(chunk.content) // 2}H", chunk.content)
    content = struct.pack(f">{len(values)}H", *((value & most) * spread for value in values))
    body = chunk.kind + content
    return struct.pack(">I", len(content)) + body + struct.pack(">I", zlib.crc32(body))


def _profile(content: bytes) -> bytes | None:
    """The profile of an iCCP chunk: name, zero, method 0, zlib stream."""
    _, _, packed = content.partition(b"\0")
    if packed[:1] != b"\0":
        return None
    unpacker = zlib.decompressobj()
    try:
        profile = unpacker.decompress(packed[1:], MAX_PROFILE)
    except zlib.error:
        return None
    return profile if unpacker.eof else None
