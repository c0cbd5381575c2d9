"""JPEGs that lack their end marker and nothing else, or pixels although they have one."""

import hashlib
import re
from collections.abc import Iterator

from PIL import Image

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
_NEUTRAL = range(126, 130)
"""Levels of a block without any data, with what rounding adds."""
_MAX_SCANS = 100
"""Encoders write about ten."""
_ROWS = 64
_LONGER_THAN_A_BLOCK = 4096
"""Bytes that no minimum coded unit (10 blocks of 64 coefficients at most) takes up."""


def require_few_scans(data: bytes) -> None:
    """Raise PictureError if a JPEG codes its pixels in more passes than any encoder makes.

    A scan of a few bytes takes as long as a pass over all pixels.
    """
    # Quick to count, but other bytes may look the same outside coded data.
    if data.count(bytes((0xFF, _START_OF_SCAN))) <= _MAX_SCANS:
        return
    scans = sum(marker == _START_OF_SCAN for marker, _, _ in _segments(data))
    if scans > _MAX_SCANS:
        raise PictureError(
            f"the JPEG has {scans} scans; at most {_MAX_SCANS} are allowed: save it again"
        )


def completed(data: bytes, require_waiting: RequireWaiting) -> bytes | None:
    """A JPEG with the end marker that it lacks; None if pixels are missing too.

    Pixels are missing if they depend on what follows the data: the decoder makes some up where
    the data ends, and others from other continuations.
    """
    if not _has_every_scan(data):
        return None
    body = data.rstrip(b"\xff")
    others = (body + _continuation(body, fill) + _END for fill in (b"\x55", b"\xaa"))
    pixels = _digest(body + _END, require_waiting)
    same = all(_digest(other, require_waiting) == pixels for other in others)
    return body + _END if same else None


def ends_early(data: bytes, image: Image.Image, require_waiting: RequireWaiting) -> bool:
    """Whether the end marker comes before the last pixels are coded.

    The decoder shows such pixels neutral grey, without an error. So only an image that ends in that
    grey is examined; arithmetic coding, where data may end early, is not.

    Args:
        image: what was decoded from data.
    """
    corner = image.crop((image.width - 1, image.height - 1, image.width, image.height))
    level = corner.convert("L") if image.mode == "RGB" else corner
    if not set(level.tobytes()) <= set(_NEUTRAL):
        return False
    markers = {marker: start for marker, start, _ in _segments(data)}
    if _ARITHMETIC & markers.keys() or _END_OF_IMAGE not in markers:
        return False
    return completed(data[: markers[_END_OF_IMAGE] - 2], require_waiting) is None


def _continuation(body: bytes, fill: bytes) -> bytes:
    """Coded data, on and on, and the restart markers that come next if there are any."""
    coded = fill * _LONGER_THAN_A_BLOCK
    restarts = _RESTART.findall(body, body.rfind(bytes((0xFF, _START_OF_SCAN))))
    following = restarts[-1][0] - _FIRST_RESTART + 1 if restarts else 0
    markers = (bytes((0xFF, _FIRST_RESTART + (following + i) % 8)) for i in range(8))
    return coded + b"".join(marker + coded for marker in markers)


def _digest(data: bytes, require_waiting: RequireWaiting) -> bytes:
    """Of the pixels of a JPEG."""
    total = hashlib.sha256()
    with Image.open(WatchedFile(data, require_waiting), formats=("JPEG",)) as image:
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
