"""Encoded image bytes to upright sRGB pixels, refusing what cannot be shown safely."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import depths, orientation
from partlens.common.pictures.colours import to_srgb
from partlens.common.pictures.encoded import Encoded
from partlens.common.pictures.errors import PictureError
from partlens.common.pictures.limits import DEFAULT_LIMITS, ImageLimits
from partlens.common.pictures.opening import opened, refusals
from partlens.common.pictures.scale import Least
from partlens.common.pictures.stored import Stored, Strip
from partlens.common.pictures.upright import UprightPicture
from partlens.common.pictures.watching import while_waiting
from partlens.common.waiting import RequireWaiting, wait_always


def decode(
    data: bytes,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
) -> NDArray[np.uint8]:
    """Pixels of an encoded image, uint8 sRGB [height, width, 3], upright (EXIF rotation applied).

    CMYK, grey, palette and deeper images become 8-bit RGB, their whole range 0 to 255; an embedded
    ICC profile is applied; what is transparent is shown over white; of an animation the first
    frame is taken. See memory.memory_of for the memory that it takes.

    Args:
        require_waiting: called every few milliseconds; decoding ends with what it raises. Of WEBP,
            AVIF, HEIC and compressed TIFF, the pixels are loaded first.

    Raises:
        PictureError: empty, not an image, of another format, damaged or over the limits.
    """
    return decode_at_least(data, None, limits, require_waiting).pixels


def decode_at_least(
    data: bytes,
    least: Least | None,
    limits: ImageLimits = DEFAULT_LIMITS,
    require_waiting: RequireWaiting = wait_always,
    reserve: Callable[[int], object] = lambda _: None,
) -> UprightPicture:
    """Decode an image, a JPEG at the smallest part of its size that is enough.

    So a large photograph takes a fraction of the time and memory. Its coordinates stay.

    Args:
        least: how large the result must be, as far as the image is; None decodes in full.
        limits, require_waiting: see decode.
        reserve: called before memory is taken, with the bytes that memory_of gives. It may wait.

    Raises:
        PictureError: see decode.
    """
    limits.require_bytes(data)
    return while_waiting(
        require_waiting, lambda check: _decoded(data, limits, check, least, reserve)
    )


def _decoded(
    data: bytes,
    limits: ImageLimits,
    check: RequireWaiting,
    least: Least | None,
    reserve: Callable[[int], object],
) -> UprightPicture:
    def require(encoded: Encoded) -> None:
        limits.require(encoded)
        reserve(encoded.memory)

    with limits.naming_limit():
        stored = opened(data, require, require_waiting=check, least=least)
    turn = orientation.of(stored.image.info)
    return UprightPicture.turned(_upright(stored), stored.size, stored.part, turn)


def pixels_of(image: Image.Image) -> NDArray[np.uint8]:
    """Pixels of an image that Pillow opened or made; the same as decode gives of its file.

    But Pillow keeps only the upper 8 bits of colours of 16 bits.

    Raises:
        PictureError: damaged, without a pixel, or of floating-point values.
    """
    if not (image.width and image.height):
        raise PictureError(f"the image is {image.width}x{image.height}; it has no pixels")
    with refusals():
        image.load()
    return _upright(Stored(image, image.size, 1, "", None, lambda _: image, wait_always))


def _upright(stored: Stored) -> NDArray[np.uint8]:
    image = stored.image
    depths.require_levels(image.mode, depths.tags_of(image))
    with refusals():
        shape = (image.height, image.width, 3)
        shown, rows = orientation.upright(shape, np.uint8, orientation.of(image.info))
        for strip in stored.strips(low="transparency" in image.info):
            rows[strip.rows] = _shown(strip)
        return shown


def transparency(strip: Strip) -> Image.Image | None:
    """How opaque each pixel is, mode L; None for an image without transparency."""
    image = strip.image
    key = image.info.get("transparency")
    if key is not None and strip.low is not None:
        # Compared as they are encoded: of 16 bits, Pillow has kept 8.
        samples = np.asarray(image).astype(np.uint16) << 8 | strip.low
        return _opaque_but(np.all(samples == key, axis=2))
    if depths.is_deep(image.mode):
        return None if key is None else _opaque_but(np.asarray(image) == key)
    return image.convert("RGBA").getchannel("A") if image.has_transparency_data else None


def colours(strip: Strip) -> Image.Image:
    """The image without its alpha, in a mode that a colour profile can describe."""
    image = strip.image
    if depths.is_deep(image.mode):
        return Image.fromarray(depths.levels(image, strip.tags))
    if image.mode in ("1", "L", "LA"):
        return image.getchannel(0).convert("L")
    if image.mode in ("RGB", "CMYK", "LAB"):
        return image
    # Not straight to RGB: Pillow warns that a palette with alpha loses it.
    return image.convert("RGBA" if image.has_transparency_data else "RGB").convert("RGB")


def _shown(strip: Strip) -> NDArray[np.uint8]:
    rgb = to_srgb(colours(strip), strip.image.info.get("icc_profile"))
    alpha = transparency(strip)
    if alpha is not None:
        rgb = rgb.copy()  # it may be the image that was given
        rgb.putalpha(alpha)
        rgb = Image.alpha_composite(Image.new("RGBA", rgb.size, "white"), rgb).convert("RGB")
    return np.asarray(rgb)


def _opaque_but(clear: NDArray[np.bool_]) -> Image.Image:
    return Image.fromarray(np.where(clear, 0, 255).astype(np.uint8))
