"""Pictures of every format and mode, and random damage to them by a seed."""

import io
import random
import struct
import warnings
import zlib
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pillow_heif
import profiles
from encoded_pictures import GREY, GREY_ALPHA, chunk, png, tiff
from PIL import Image, PngImagePlugin

_SIZE = (12, 16)
_ODD = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF)


def whole() -> Mapping[str, bytes]:
    """Intact pictures by description; some are of unsupported formats."""
    pillow_heif.register_heif_opener()
    colour = Image.fromarray(np.random.default_rng(1).integers(0, 256, (16, 12, 3), np.uint8))
    grey, deep = colour.convert("L"), np.arange(192, dtype=np.uint16).reshape(16, 12) * 300
    frames: dict[str, Any] = {"save_all": True, "append_images": [grey.convert("RGB")] * 2}
    made = {
        "jpeg": _encoded(colour, "JPEG"),
        "jpeg progressive": _encoded(colour, "JPEG", progressive=True),
        "jpeg grey": _encoded(grey, "JPEG"),
        "jpeg cmyk": _encoded(colour.convert("CMYK"), "JPEG"),
        "jpeg 2000": _encoded(colour, "JPEG2000"),
        "png": _encoded(colour, "PNG"),
        "png grey": _encoded(grey, "PNG"),
        "png bits": _encoded(colour.convert("1"), "PNG"),
        "png palette": _encoded(colour.quantize(16), "PNG", transparency=3),
        "png alpha": _encoded(colour.convert("RGBA"), "PNG"),
        "png 16 bits": _encoded(Image.fromarray(deep), "PNG"),
        "png animated": _encoded(colour, "PNG", **frames),
        "webp": _encoded(colour, "WEBP"),
        "webp lossless": _encoded(colour.convert("RGBA"), "WEBP", lossless=True),
        "webp animated": _encoded(colour, "WEBP", **frames),
        "gif": _encoded(colour, "GIF"),
        "gif animated": _encoded(colour, "GIF", **frames),
        "bmp": _encoded(colour, "BMP"),
        "tiff pages": _encoded(colour, "TIFF", **frames),
        "tiff cmyk": _encoded(colour.convert("CMYK"), "TIFF"),
        "tiff 16 bits": _encoded(Image.fromarray(deep), "TIFF"),
        "tiff floats": _encoded(grey.convert("F"), "TIFF"),
        "ppm": _encoded(colour, "PPM"),
        "pgm 16 bits": _encoded(Image.fromarray(deep), "PPM"),
        "avif": _encoded(colour, "AVIF"),
        "heic": _encoded(colour, "HEIF"),
        "heic alpha": _encoded(colour.convert("RGBA"), "HEIF"),
        "jpeg profile": _encoded(colour, "JPEG", icc_profile=profiles.blue_is_red()),
        "png profile": _encoded(colour, "PNG", icc_profile=profiles.blue_is_red()),
        "tiff profile": _encoded(
            colour.convert("CMYK"), "TIFF", icc_profile=profiles.black_ink_alone()
        ),
        "tiff 12 bits": tiff(deep % 4096, 12),
        "tiff white is zero": tiff(deep, 16, white_is_zero=True),
        "png 16 bits transparent": png(deep, 16, GREY, [chunk(b"tRNS", b"\0\0")]),
        "png 16 bits alpha": png(np.dstack([deep, deep]), 16, GREY_ALPHA),
        "eps": _encoded(colour, "EPS"),
        "pdf": _encoded(colour, "PDF"),
        "ico": _encoded(colour, "ICO"),
        "svg": b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>",
        "png of text": _png_of_text(colour),
    }
    for name in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        made[f"tiff {name}"] = _encoded(colour, "TIFF", compression=name)
    made["tiff fax"] = _encoded(colour.convert("1"), "TIFF", compression="group4")
    for turn in (*range(1, 10), 0, 255, 65535):
        exif = Image.Exif()
        exif[0x0112] = turn
        made[f"turned {turn}"] = _encoded(colour, "JPEG", exif=exif)
    return made


def damaged(data: bytes, others: Mapping[str, bytes], chosen: random.Random) -> bytes:
    """A picture with any number of faults."""
    for _ in range(chosen.choice((0, 1, 1, 1, 2, 5))):
        data = chosen.choice(_FAULTS)(data, chosen)
    if chosen.random() < 0.05:
        # The start of one picture and the end of another.
        other = chosen.choice(list(others.values()))
        data = data[: chosen.randint(0, len(data))] + other[chosen.randint(0, len(other)) :]
    return data


def _flipped(data: bytes, chosen: random.Random) -> bytes:
    out = bytearray(data)
    for _ in range(min(len(out), chosen.choice((1, 1, 3, 20)))):
        out[chosen.randrange(len(out))] ^= 1 << chosen.randrange(8)
    return bytes(out)


def _numbered(data: bytes, chosen: random.Random) -> bytes:
    """Overwrites a number, where lengths, sizes and offsets mostly are, with an odd value."""
    form = chosen.choice((">H", "<H", ">I", "<I"))
    end = len(data) - struct.calcsize(form)
    if end < 0:
        return data
    at = chosen.randint(0, min(end, chosen.choice((40, 200, end))))
    value = struct.pack(form, chosen.choice(_ODD) % 2 ** (8 * struct.calcsize(form)))
    return data[:at] + value + data[at + len(value) :]


def _cut(data: bytes, chosen: random.Random) -> bytes:
    return data[: chosen.randint(0, len(data))]


def _doubled(data: bytes, chosen: random.Random) -> bytes:
    start = chosen.randint(0, len(data))
    end = chosen.randint(start, len(data))
    return data[:end] + data[start:end] * chosen.choice((1, 2, 50)) + data[end:]


def _followed(data: bytes, chosen: random.Random) -> bytes:
    return data + chosen.randbytes(chosen.choice((1, 100, 5000)))


def _sized(data: bytes, chosen: random.Random) -> bytes:
    """A PNG that declares another size or depth, with a right checksum."""
    if not data.startswith(b"\x89PNG") or len(data) < 33:
        return _numbered(data, chosen)
    sizes = [chosen.choice((1, 12, 500, 501, 100_000, 2**31 - 1)) for _ in range(2)]
    kind = bytes([chosen.choice((1, 8, 16)), chosen.choice((0, 2, 3, 4, 6)), 0, 0, 0])
    header = b"IHDR" + struct.pack(">II", *sizes) + kind
    return data[:12] + header + struct.pack(">I", zlib.crc32(header)) + data[33:]


_FAULTS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    _flipped,
    _numbered,
    _numbered,
    _cut,
    _doubled,
    _followed,
    _sized,
)


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings(action="ignore"):
        image.save(out, kind, **options)
    return out.getvalue()


def _png_of_text(image: Image.Image) -> bytes:
    """A PNG with 30 KB of compressed text that expand to 32 MB."""
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", "a" * 2**25, zip=True)
    return _encoded(image, "PNG", pnginfo=text)
