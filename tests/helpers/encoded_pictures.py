"""Pictures encoded sample by sample, in forms that Pillow does not write."""

import io
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Samples = NDArray[np.integer]
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY, TRUE_COLOUR, PALETTE, GREY_ALPHA, TRUE_COLOUR_ALPHA = 0, 2, 3, 4, 6


def packed(samples: Samples, bits: int, order: str = ">") -> bytes:
    """Packed samples, each row starting at a new byte, as both formats store them.

    Args:
        samples: [rows, cols] or [rows, cols, channels].
        bits: bits per sample; 16 and 32 in the given byte order.
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


def colour_tiff(samples: Samples, *, planar: bool = False, premultiplied: bool = False) -> bytes:
    """A TIFF with 16-bit red, green, blue and optional alpha, [rows, cols, 3 or 4].

    Args:
        planar: one strip per channel instead of one for all.
        premultiplied: whether colours are multiplied by alpha.
    """
    rows, cols, channels = samples.shape
    parts = [samples[..., one] for one in range(channels)] if planar else [samples]
    strips = [packed(part, 16, "<") for part in parts]
    longs, shorts, short = "I", "H", 3
    starts = [8 + sum(map(len, strips[:index])) for index in range(len(strips))]
    tags: list[tuple[int, str, list[int]]] = [
        (256, longs, [cols]),
        (257, longs, [rows]),
        (258, shorts, [16] * channels),
        (259, shorts, [1]),
        (262, shorts, [2]),
        (273, longs, starts),
        (277, shorts, [channels]),
        (278, longs, [rows]),
        (279, longs, [len(strip) for strip in strips]),
        (284, shorts, [2 if planar else 1]),
        (338, shorts, [1 if premultiplied else 2] * (channels - 3)),
    ]
    body, directory = b"".join(strips), b""
    written = [(tag, kind, values) for tag, kind, values in tags if values]
    for tag, kind, values in written:
        content = struct.pack(f"<{len(values)}{kind}", *values)
        if len(content) > 4:
            content, body = struct.pack("<I", 8 + len(body)), body + content
        number = short if kind == shorts else short + 1
        directory += struct.pack("<HHI", tag, number, len(values)) + content.ljust(4, b"\0")
    start = b"II*\0" + struct.pack("<I", 8 + len(body))
    return start + body + struct.pack("<H", len(written)) + directory + bytes(4)


def gif_with_frame(samples: Samples, left: int, top: int, width: int, height: int) -> bytes:
    """A GIF with one grey frame that is smaller than the picture.

    Args:
        samples: samples of the frame, 0..255, [rows, cols].
        left, top: place of the frame.
        width, height: size of the picture.
    """
    out = io.BytesIO()
    Image.fromarray(samples.astype(np.uint8)).save(out, "GIF")
    data = bytearray(out.getvalue())
    frame = 13 + 3 * 2 ** ((data[10] & 7) + 1)
    assert data[frame] == ord(",")
    data[6:10] = struct.pack("<HH", width, height)
    data[frame + 1 : frame + 5] = struct.pack("<HH", left, top)
    return bytes(data)


def chunk(kind: bytes, content: bytes, sound: bool = True) -> bytes:
    """A chunk of a PNG, with a right or wrong checksum."""
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
    """EXIF data with only an orientation."""
    return b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01" + struct.pack(">HHI", orientation, 0, 0)


def xmp(orientation: int) -> bytes:
    """XMP data with only an orientation."""
    return (
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF'
        b' xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description'
        b' xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="%d"/></rdf:RDF></x:xmpmeta>'
    ) % orientation
