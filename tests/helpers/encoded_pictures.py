"""TIFF and PNG written sample by sample, to decode what Pillow does not write."""

import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.integer]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, TRUE_COLOUR, PALETTE, GREY_ALPHA, TRUE_COLOUR_ALPHA = 0, 2, 3, 4, 6


def packed(samples: Samples, bits: int, order: str = ">") -> bytes:
    """Samples one after the other, each row from a new byte, as both formats store them.

    Args:
        samples: [rows, cols] or [rows, cols, channels].
        bits: of each; 16 and 32 in the byte order given.
    """
    rows = samples.reshape(len(samples), -1)
    if bits % 8 == 0:
        return rows.astype(f"{order}u{bits // 8}").tobytes()
    ones = (rows.astype(np.int64)[..., None] >> np.arange(bits - 1, -1, -1)) & 1
    return np.packbits(ones.reshape(len(rows), -1).astype(np.uint8), axis=1).tobytes()


def tiff(
    samples: Samples,
    bits: int,
    *,
    white_is_zero: bool = False,
    order: str = "<",
    sample_format: int | None = None,
    compressed: bool = False,
    xmp: bytes = b"",
) -> bytes:
    """A grey TIFF of one strip; sample_format 1 is unsigned, 2 signed, 3 floating-point."""
    rows, cols = samples.shape
    strip = packed(samples, bits, order)
    strip = zlib.compress(strip) if compressed else strip
    long, short, byte = 4, 3, 1
    tags = [
        (256, long, 1, cols),
        (257, long, 1, rows),
        (258, short, 1, bits),
        (259, short, 1, 8 if compressed else 1),
        (262, short, 1, 0 if white_is_zero else 1),
        (273, long, 1, 8),
        (277, short, 1, 1),
        (278, long, 1, rows),
        (279, long, 1, len(strip)),
    ]
    if sample_format is not None:
        tags.append((339, short, 1, sample_format))
    if xmp:
        tags.append((700, byte, len(xmp), 8 + len(strip)))
    directory = struct.pack(f"{order}H", len(tags))
    for tag, kind, count, value in sorted(tags):
        form = "HH" if kind == short else "I"
        directory += struct.pack(f"{order}HHI", tag, kind, count)
        directory += struct.pack(f"{order}{form}", *((value, 0) if kind == short else (value,)))
    start = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(
        f"{order}I", 8 + len(strip) + len(xmp)
    )
    return start + strip + xmp + directory + bytes(4)


def chunk(kind: bytes, content: bytes, sound: bool = True) -> bytes:
    """A chunk of a PNG, with a checksum that fits or does not."""
    checksum = zlib.crc32(kind + content) ^ (not sound)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)


def png(
    samples: Samples,
    bits: int,
    colour: int,
    before: Sequence[bytes] = (),
    after: Sequence[bytes] = (),
) -> bytes:
    """A PNG with more chunks before and after its pixels.

    Args:
        samples: [rows, cols] or [rows, cols, channels].
        colour: colour type of the standard.
    """
    rows, cols = samples.shape[:2]
    header = struct.pack(">IIBBBBB", cols, rows, bits, colour, 0, 0, 0)
    lines = np.frombuffer(packed(samples, bits), np.uint8).reshape(rows, -1)
    pixels = zlib.compress(np.pad(lines, ((0, 0), (1, 0))).tobytes())
    middle = (chunk(b"IHDR", header), *before, chunk(b"IDAT", pixels), *after)
    return PNG_SIGNATURE + b"".join(middle) + chunk(b"IEND", b"")


def exif(orientation: int) -> bytes:
    """EXIF data that holds an orientation and nothing else."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0)


def xmp(orientation: int) -> bytes:
    """XMP data that holds an orientation and nothing else."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
    ) % orientation
