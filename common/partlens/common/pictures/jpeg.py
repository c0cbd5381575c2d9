"""JPEGs: what their header says, and whether they lack pixels or only their end marker."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from PIL import Image, JpegImagePlugin

from partlens.common.pictures.errors import PictureError
from partlens.common.pictures.watching import WatchedFile
from partlens.common.waiting import RequireWaiting

START = b"\xff\xd8"
_END = b"\xff\xd9"
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
"""The next marker behind coded data: not a stuffed byte, a restart or a fill byte."""
_RESTART = re.compile(rb"\xff([\xd0-\xd7])")
_START_OF_SCAN, _END_OF_IMAGE, _FIRST_RESTART = 0xDA, 0xD9, 0xD0
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_ARITHMETIC = frozenset({0xC9, 0xCA, 0xCB})
_SCALABLE = frozenset({0xC0, 0xC1, 0xC2, 0xC9, 0xCA})
"""Frames of cosine transforms; lossless ones are decoded in full only."""
_BLOCK_BYTES = 128
"""64 coefficients of 16 bits."""
_NEUTRAL = range(126, 130)
"""Levels of a block without any data, with what rounding adds."""
_MAX_SCANS, _MAX_PASSED = 100, 6_400_000_000
"""Scans of a picture, and the pixels that all of them pass together; encoders write about ten."""
_ROWS = 64
_LONGER_THAN_A_BLOCK = 4096
"""Bytes that no minimum coded unit (10 blocks of 64 coefficients at most) takes up."""


@dataclass(frozen=True)
class Header:
    """What a JPEG says before its first pixel.

    Attributes:
        is_scalable: whether it can be decoded at a part of its size.
        coefficients: bytes of its coefficients, if the decoder keeps them all until its last scan;
            0 if it decodes row by row.
    """

    is_scalable: bool = False
    coefficients: int = 0

    @classmethod
    def of(cls, data: bytes) -> "Header":
        """The header of a JPEG, which may be damaged."""
        frame, segment = 0, b""
        for marker, _, content in _segments(data):
            if marker in _FRAMES:
                frame, segment = marker, content
            elif marker in (_START_OF_SCAN, _END_OF_IMAGE):
                components, scanned = segment[5:6], content[:1]
                several = frame in _PROGRESSIVE or scanned < components
                return cls(frame in _SCALABLE, _coefficients(segment) if several else 0)
        return cls()


def require_few_scans(data: bytes, pixels: int) -> None:
    """Raise PictureError if a JPEG codes its pixels in more passes than any encoder makes.

    A scan of a few bytes takes as long as a pass over all pixels.

    Args:
        pixels: of the picture in the file.
    """
    most = min(_MAX_SCANS, max(1, _MAX_PASSED // max(1, pixels)))
    # Quick to count, but other bytes may look the same outside coded data.
    if data.count(bytes((0xFF, _START_OF_SCAN))) <= most:
        return
    scans = sum(marker == _START_OF_SCAN for marker, _, _ in _segments(data))
    if scans > most:
        raise PictureError(f"the JPEG has {scans} scans; at most {most} are allowed: save it again")


def completed(data: bytes, part: int, require_waiting: RequireWaiting) -> bytes | None:
    """A JPEG with the end marker that it lacks; None if pixels are missing too.

    Pixels are missing if they depend on what follows the data: the decoder makes some up where
    the data ends, and others from other continuations.

    Args:
        part: the picture is decoded at 1/part of its size; those pixels count.
    """
    if not _has_every_scan(data):
        return None
    body = data.rstrip(b"\xff")
    others = (body + _continuation(body, fill) + _END for fill in (b"\x55", b"\xaa"))
    pixels = _digest(body + _END, part, require_waiting)
    same = all(_digest(other, part, require_waiting) == pixels for other in others)
    return body + _END if same else None


def ends_early(data: bytes, image: Image.Image, part: int, require_waiting: RequireWaiting) -> bool:
    """Whether the end marker comes before the last pixels are coded.

    The decoder shows such pixels neutral grey, without an error. So only an image that ends in that
    grey is examined; arithmetic coding, where data may end early, is not.

    Args:
        image: what was decoded from data, at 1/part of its size.
    """
    corner = image.crop((image.width - 1, image.height - 1, image.width, image.height))
    level = corner.convert("L") if image.mode == "RGB" else corner
    if not set(level.tobytes()) <= set(_NEUTRAL):
        return False
    markers = {marker: start for marker, start, _ in _segments(data)}
    if _ARITHMETIC & markers.keys() or _END_OF_IMAGE not in markers:
        return False
    return completed(data[: markers[_END_OF_IMAGE] - 2], part, require_waiting) is None


def _continuation(body: bytes, fill: bytes) -> bytes:
    """Coded data, on and on, and the restart markers that come next if there are any."""
    coded = fill * _LONGER_THAN_A_BLOCK
    restarts = _RESTART.findall(body, body.rfind(bytes((0xFF, _START_OF_SCAN))))
    following = restarts[-1][0] - _FIRST_RESTART + 1 if restarts else 0
    markers = (bytes((0xFF, _FIRST_RESTART + (following + i) % 8)) for i in range(8))
    return coded + b"".join(marker + coded for marker in markers)


def _coefficients(frame: bytes) -> int:
    """Bytes of all coefficients of a frame, with those that fill its last blocks."""
    height, width = int.from_bytes(frame[1:3], "big"), int.from_bytes(frame[3:5], "big")
    sampling = [(factors >> 4, factors & 15) for factors in frame[7::3]]
    across, down = (max((8 * each[axis] for each in sampling), default=8) for axis in (0, 1))
    units = -(-width // max(across, 8)) * -(-height // max(down, 8))
    return units * sum(h * v for h, v in sampling) * _BLOCK_BYTES


def _digest(data: bytes, part: int, require_waiting: RequireWaiting) -> bytes:
    """Of the pixels of a JPEG at 1/part of its size."""
    total = hashlib.sha256()
    with JpegImagePlugin.jpeg_factory(WatchedFile(data, require_waiting)) as image:
        if part > 1:
            image.draft(None, (image.width // part, image.height // part))
        image.load()
        for top in range(0, image.height, _ROWS):
            require_waiting()
            end = min(top + _ROWS, image.height)
            total.update(image.crop((0, top, image.width, end)).tobytes())
    return total.digest()


def _has_every_scan(data: bytes) -> bool:
    """Whether scans code each component of the frame, in a progressive JPEG to the last bit."""
    missing: set[tuple[int, int]] = set()
    progressive, frames = False, 0
    for marker, _, segment in _segments(data):
        if marker in _FRAMES:
            frames, progressive = frames + 1, marker in _PROGRESSIVE
            missing = {(c, k) for c in segment[6::3] for k in range(64 if progressive else 1)}
        elif marker == _START_OF_SCAN and len(segment) == 4 + 2 * segment[0]:
            first, last, bits = segment[-3:]
            if not progressive:
                first = last = 0
            if not progressive or bits & 15 == 0:
                scanned = range(first, last + 1)
                missing -= {(c, k) for c in segment[1:-3:2] for k in scanned}
    return frames == 1 and not missing


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, place behind it, content) of each segment up to the end; of a scan its header."""
    at = 2
    while found := _MARKER.search(data, at):
        marker, start = data[found.start() + 1], found.end()
        length = int.from_bytes(data[start : start + 2], "big")
        yield marker, start, data[start + 2 : start + length]
        if marker == _END_OF_IMAGE:
            break
        at = start + max(length, 2)
