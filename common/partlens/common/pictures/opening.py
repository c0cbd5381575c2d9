"""Encoded bytes to a loaded image, as it is stored."""

import struct
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from PIL import Image, ImageFile, JpegImagePlugin, UnidentifiedImageError

from partlens.common.installing import pip_install
from partlens.common.pictures import depths, gif, heic, jpeg, orientation, png
from partlens.common.pictures.encoded import Encoded
from partlens.common.pictures.errors import PictureError, TooLargeError
from partlens.common.pictures.scale import Least
from partlens.common.pictures.stored import Stored
from partlens.common.pictures.watching import WatchedFile
from partlens.common.waiting import RequireWaiting, wait_always

# Pillow would try every format it knows, some of which start other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", heic.FORMAT)
"""What is read; HEIC only where pillow-heif is installed."""
Require = Callable[[Encoded], None]
"""Takes a picture before memory is taken for it; raises if it is too large."""
JPEG = "JPEG"


def opened(
    data: bytes,
    require: Require,
    formats: tuple[str, ...] = FORMATS,
    require_waiting: RequireWaiting = wait_always,
    least: Least | None = None,
) -> Stored:
    """The image that bytes encode.

    Args:
        data: not empty.
        require: called before memory is taken for the image.
        formats: which to try, of FORMATS.
        require_waiting: called wherever the decoder reads on. What it raises must not be an
            Exception, which would mean damage here; see watching.while_waiting.
        least: a JPEG may be loaded at a part of its size that is no less.

    Raises:
        PictureError: not an image, of another format, damaged.
    """
    encoded = recognised(data, require, formats, require_waiting, least)
    image, part = encoded.image, encoded.part
    rawmode, frame = _rawmode(image), gif.frame_of(image)
    depths.require_interleaved(depths.tags_of(image))
    with refusals():
        try:
            image.load()
        except OSError:
            is_jpeg = data.startswith(jpeg.START)
            whole = jpeg.completed(data, part, require_waiting) if is_jpeg else None
            if whole is None:
                raise
            image = recognised(whole, _any_size, formats, require_waiting, least).image
            image.load()
        if _lacks_pixels(data, image, part, require_waiting):
            raise OSError("it ends before its last pixels")

    def low(rawmode: str) -> Image.Image:
        return _loaded_as(rawmode, recognised(data, _any_size, formats, require_waiting).image)

    return Stored(image, encoded.size, part, rawmode, frame, low, require_waiting)


def recognised(
    data: bytes,
    require: Require,
    formats: tuple[str, ...] = FORMATS,
    require_waiting: RequireWaiting = wait_always,
    least: Least | None = None,
) -> Encoded:
    """An image whose pixels are still encoded; see opened."""
    if heic.FORMAT in formats and not (heic.is_heic(data) and heic.can_read()):
        formats = tuple(one for one in formats if one != heic.FORMAT)
    profile, whole = None, data
    if data.startswith(png.SIGNATURE):
        whole, profile = png.essentials(data, require_waiting)
    with refusals():
        try:
            image = _identified(whole, formats, require_waiting)
        except UnidentifiedImageError as error:
            raise PictureError(_unknown(data, formats)) from error
    if data.startswith(jpeg.START):
        encoded = _reduced(image, data, least)
    else:
        encoded = Encoded(image, image.size)
    require(encoded)
    if profile is not None:
        image.info["icc_profile"] = profile
    image.info.pop("xmp", None)  # or TIFF would be turned by it, see orientation.of
    return encoded


@contextmanager
def refusals() -> Iterator[None]:
    """Whatever a decoder raises, as PictureError."""
    try:
        yield
    except PictureError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooLargeError(
            "the image has too many pixels to be opened: save it smaller"
        ) from error
    except Exception as error:  # Pillow's decoders raise many types on damaged data.
        raise PictureError(f"the image is damaged or cut short: {str(error).strip()}") from error


def _identified(
    data: bytes, formats: tuple[str, ...], require_waiting: RequireWaiting
) -> ImageFile.ImageFile:
    """The image of encoded bytes, as Image.open gives it.

    Of a JPEG, Image.open would count the pixels in the file, though fewer may be decoded.
    """
    file = WatchedFile(data, require_waiting)
    if JPEG not in formats or not data.startswith(jpeg.START):
        return Image.open(file, formats=formats)
    try:
        return JpegImagePlugin.jpeg_factory(file)
    except (SyntaxError, IndexError, TypeError, struct.error) as error:
        raise UnidentifiedImageError from error


def _reduced(image: ImageFile.ImageFile, data: bytes, least: Least | None) -> Encoded:
    """A JPEG, prepared to be decoded at the smallest part of its size that is enough."""
    size, header = image.size, jpeg.Header.of(data)
    jpeg.require_few_scans(data, size[0] * size[1])
    turned = orientation.of(image.info) > 4
    part = least.part(*(size[::-1] if turned else size)) if least and header.is_scalable else 1
    if part > 1:
        image.draft(None, (size[0] // part, size[1] // part))
    return Encoded(image, size, part, header.coefficients)


def _lacks_pixels(
    data: bytes, image: Image.Image, part: int, require_waiting: RequireWaiting
) -> bool:
    """Whether Pillow made up the last pixels without an error."""
    if data.startswith(jpeg.START):
        return jpeg.ends_early(data, image, part, require_waiting)
    if not data.startswith(png.SIGNATURE):
        return False
    last_row = image.crop((0, image.height - 1, image.width, image.height))
    return png.lacks_rows(data, last_row.tobytes(), require_waiting)


def _any_size(encoded: Encoded) -> None:
    """A Require for a picture that was measured before."""


def _loaded_as(rawmode: str, image: ImageFile.ImageFile) -> Image.Image:
    """The image, with its samples read by another raw mode."""
    with refusals():
        image.tile = [_with_rawmode(tile, rawmode) for tile in image.tile]
        image.load()
    return image


def _unknown(data: bytes, formats: tuple[str, ...]) -> str:
    if heic.is_heic(data) and not heic.can_read():
        return (
            f"the image is HEIC, which needs pillow-heif: {pip_install('heic')}, or save it as JPEG"
        )
    if data.startswith((b"II*\0", b"MM\0*")):
        return "this kind of TIFF cannot be read; save it with 8 or 16 bits a sample, or as PNG"
    start = f"these {len(data)} bytes are not an image of a known format"
    known = (*formats, heic.NAME) if heic.can_read() else formats
    return f"{start}; allowed are {', '.join(dict.fromkeys(known))}"


def _rawmode(image: ImageFile.ImageFile) -> str:
    arguments = image.tile[0].args if image.tile else ""
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def _with_rawmode(tile: ImageFile._Tile, rawmode: str) -> ImageFile._Tile:
    arguments = tile.args
    return tile._replace(
        args=(rawmode, *arguments[1:]) if isinstance(arguments, tuple) else rawmode
    )
