"""Encoded image bytes to upright RGB pixels, refusing what cannot be shown safely."""

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from partlens.explainer.errors import ImageError
from partlens.explainer.folders import contents

# Pillow would try every format it knows, some of which start other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif")
)
"""Names of files with these endings are taken for images."""
_SIXTEEN_BIT = ("I", "I;16", "I;16L", "I;16B", "I;16N")


@dataclass(frozen=True)
class ImageLimits:
    """What decode accepts.

    Attributes:
        max_bytes: size of the encoded image, in bytes.
        max_pixels: width * height after decoding; refused before any memory is taken for it.
    """

    max_bytes: int = 64 * 2**20
    max_pixels: int = 64_000_000


DEFAULT_LIMITS = ImageLimits()


def decode(data: bytes, limits: ImageLimits = DEFAULT_LIMITS) -> NDArray[np.uint8]:
    """Pixels of an encoded image, uint8 RGB [height, width, 3], upright (EXIF rotation applied).

    CMYK, grey, palette and 16-bit images become 8-bit RGB; what is transparent is shown over
    white; of an animation the first frame is taken.

    Raises:
        ImageError: empty, not an image, of another format, damaged or over the limits.
    """
    if not data:
        raise ImageError("the image is empty (0 bytes); give an encoded image file")
    if len(data) > limits.max_bytes:
        raise ImageError(
            f"the image has {len(data)} bytes; at most {limits.max_bytes} are allowed: "
            "save it smaller"
        )
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            _check_size(image, limits)
            image.load()
            upright = ImageOps.exif_transpose(image)
            return np.array(_to_rgb(upright), dtype=np.uint8)
    except ImageError:
        raise
    except UnidentifiedImageError as error:
        raise ImageError(
            f"these {len(data)} bytes are not an image of a known format; "
            f"allowed are {', '.join(FORMATS)}"
        ) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(
            f"the image would decode to more than {limits.max_pixels} pixels: save it smaller"
        ) from error
    except Exception as error:  # Pillow's decoders raise many types on damaged data.
        raise ImageError(f"the image is damaged or cut short: {error}") from error


def image_files(folder: Path) -> list[Path]:
    """The files in a folder, and in all folders in it, that are named like images; sorted.

    Links to folders are not followed.

    Raises:
        ImageError: a folder cannot be listed.
    """
    found = contents(folder)
    if found.unreadable:
        raise ImageError(f"folder {found.unreadable[0]} is missing or cannot be listed")
    return [path for path in found.files if path.suffix.lower() in SUFFIXES]


def _check_size(image: Image.Image, limits: ImageLimits) -> None:
    width, height = image.size
    if width * height > limits.max_pixels:
        raise ImageError(
            f"the image is {width}x{height}, {width * height} pixels; at most "
            f"{limits.max_pixels} are allowed: save it smaller"
        )


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode in _SIXTEEN_BIT:
        # convert("RGB") would clip at 255 and turn nearly everything white.
        values = np.asarray(image).astype(np.int64)
        return Image.fromarray((values.clip(0, 65535) // 257).astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise ImageError("the image holds floating-point values; save it with 8 or 16 bits")
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", layer.size, "white"), layer).convert("RGB")
    return image.convert("RGB")
