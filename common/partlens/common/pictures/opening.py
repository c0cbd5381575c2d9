"""Encoded bytes to a loaded image, as it is stored."""

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, UnidentifiedImageError

from partlens.common.pictures import depths, gif, heic, jpeg, png
from partlens.common.pictures.errors import PictureError, TooLargeError

# Pillow would try every format it knows, some of which start other programs (EPS).
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF", heic.FORMAT)
"""What is read; HEIC only where pillow-heif is installed."""
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_STRAIGHT = {"La": "LA", "RGBa": "RGBA"}
"""Modes of colours that are multiplied by alpha, and the same without."""
RequireSize = Callable[[int, int], None]
"""Takes a width and a height; raises if they are too large."""


@dataclass(frozen=True, eq=False)
class Stored:
    """A loaded image as it is stored: the first one of several, not yet upright.

    Attributes:
        image: its pixels, in any mode of Pillow; its ICC profile is in info["icc_profile"].
        data: what it was decoded from.
        rawmode: how Pillow calls the layout of the encoded samples; "" where it does not say.
    """

    image: Image.Image
    data: bytes
    rawmode: str

    def low_bytes(self) -> NDArray[np.uint8] | None:
        """The lower byte of each sample of a colour image of 16 bits; Pillow keeps the upper.

        Returns:
            Shape [height, width, bands] of the image; None where samples have no lower byte.
        """
        other = depths.low_bytes_of(self.rawmode)
        if other is None:
            return None
        with _recognised(self.data, FORMATS) as image, refusals():
            image.tile = [_with_rawmode(tile, other) for tile in image.tile]
            image.load()
            low = np.asarray(image)
        return low[:, :, [1, 1, 1, 3]] if self.rawmode == depths.GREY_ALPHA else low

    def upright(self, image: Image.Image) -> Image.Image:
        """An image of the stored size, turned as EXIF says.

        What XMP alone says does not count: no viewer turns a picture by it. TIFF is turned when it
        is loaded.
        """
        exif = Image.Exif()
        try:
            exif.load(self.image.info["exif"])
            turn = _TURNS.get(exif.get(_ORIENTATION, 1))
        except Exception:  # Pillow raises many types on EXIF that is damaged or not there.
            return image
        return image if turn is None else image.transpose(turn)


def opened(data: bytes, require_size: RequireSize, formats: tuple[str, ...] = FORMATS) -> Stored:
    """The image that bytes encode.

    Args:
        data: not empty.
        require_size: called with the image's size before memory is taken for it.
        formats: which to try, of FORMATS.

    Raises:
        PictureError: not an image, of another format, damaged.
    """
    image = _recognised(data, formats)
    rawmode = _rawmode(image)
    require_size(*image.size)
    depths.require_interleaved(image)
    frame = gif.frame_of(image)
    with refusals():
        try:
            image.load()
        except OSError:
            whole = jpeg.completed(data) if data.startswith(jpeg.START) else None
            if whole is None:
                raise
            image = _recognised(whole, formats)
            image.load()
        if _lacks_pixels(data, image):
            raise OSError("it ends before its last pixels")
    if frame is not None:
        return Stored(gif.only(image, frame), data, rawmode)
    straight = _STRAIGHT.get(image.mode)
    return Stored(image.convert(straight) if straight else image, data, rawmode)


def _lacks_pixels(data: bytes, image: Image.Image) -> bool:
    """Whether Pillow made up the last pixels without an error."""
    if data.startswith(jpeg.START):
        return jpeg.ends_early(data, image)
    return data.startswith(png.SIGNATURE) and png.lacks_rows(data, np.asarray(image)[-1])


def _recognised(data: bytes, formats: tuple[str, ...]) -> ImageFile.ImageFile:
    """An image whose pixels are still encoded."""
    if heic.FORMAT in formats and not (heic.is_heic(data) and heic.can_read()):
        formats = tuple(one for one in formats if one != heic.FORMAT)
    profile = None
    if data.startswith(png.SIGNATURE):
        data, profile = png.essentials(data)
    with refusals():
        try:
            image = Image.open(io.BytesIO(data), formats=formats)
        except UnidentifiedImageError as error:
            raise PictureError(_unknown(data, formats)) from error
    if profile is not None:
        image.info["icc_profile"] = profile
    image.info.pop("xmp", None)  # or TIFF would be turned by it, see Stored.upright
    return image


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


def _unknown(data: bytes, formats: tuple[str, ...]) -> str:
    if heic.is_heic(data) and not heic.can_read():
        return (
            "the image is HEIC, which needs pillow-heif: pip install 'partlens[heic]', or save it"
            " as JPEG"
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
