"""Pictures for a report, read as the server reads them."""

import base64
import io

from markupsafe import Markup
from PIL import Image

from partlens.common.drawing.sheet import least_shown, shown_size
from partlens.common.pictures import ImageLimits, PictureError, decode_at_least

OWN_FILES = ImageLimits(max_bytes=2**31, max_pixels=178_000_000)
"""Limits for the user's own files: what Pillow can hold. The server limits the size of a query."""
_BLANK = (226, 226, 226)


def shown(data: bytes, size: tuple[int, int]) -> Image.Image:
    """A picture, read as the server reads it and scaled for a report.

    Args:
        data: encoded picture, of any size.
        size: (width, height) of the image that it shows, which sets the aspect ratio.

    Raises:
        PictureError: the data is not a readable picture.
    """
    return decode_at_least(data, least_shown(size), OWN_FILES).resized(shown_size(size))


def shown_or_blank(data: bytes, size: tuple[int, int]) -> tuple[Image.Image, str]:
    """A picture for a report, or a blank picture and the reason.

    Args:
        data, size: see shown; data is b"" if there is no picture, as for a query id.
    """
    if not data:
        return blank(size), "picture not available"
    try:
        return shown(data, size), ""
    except PictureError as error:
        return blank(size), f"not shown: {error}"


def blank(size: tuple[int, int]) -> Image.Image:
    """A placeholder for a picture that cannot be shown."""
    return Image.new("RGB", shown_size(size), _BLANK)


def data_uri(picture: Image.Image) -> Markup:
    """A picture as a data URI; its letters need no escaping."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=88)
    return Markup(f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}")
