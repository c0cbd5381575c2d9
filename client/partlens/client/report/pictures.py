"""Encoded pictures as a page shows them: as the server decodes them."""

import base64
import io

from PIL import Image

from partlens.common.pictures import ImageLimits, PictureError, decode

OWN_FILES = ImageLimits(max_bytes=2**31, max_pixels=178_000_000)
"""For the user's own files: what Pillow opens at all. How large a query may be, the server says."""
SIDE, LEAST = 420, 40
"""Pixels of a shown picture's longest side, and of its shortest at least."""
_BLANK = (226, 226, 226)


def shown(data: bytes, size: tuple[int, int]) -> Image.Image:
    """A picture as the server decoded it, as large as a page shows it.

    Args:
        data: encoded; of any size.
        size: (width, height) of the image that it shows, whose proportions it gets.

    Raises:
        PictureError: the data is no picture that can be read here.
    """
    picture = Image.fromarray(decode(data, OWN_FILES))
    return picture.resize(shown_size(size), Image.Resampling.BICUBIC)


def shown_or_blank(data: bytes, size: tuple[int, int]) -> tuple[Image.Image, str]:
    """A picture as a page shows it, or a blank one and why it is blank.

    Args:
        data, size: as in shown; b"" if there is no picture: of a query named by its id, say.
    """
    if not data:
        return blank(size), "no picture at hand"
    try:
        return shown(data, size), ""
    except PictureError as error:
        return blank(size), f"not shown: {error}"


def blank(size: tuple[int, int]) -> Image.Image:
    """What stands for a picture that cannot be shown."""
    return Image.new("RGB", shown_size(size), _BLANK)


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) on the page; a strip is made as high as it takes to see something.

    >>> shown_size((64, 128)), shown_size((8000, 10))
    ((210, 420), (420, 40))
    """
    shrink = SIDE / max(*size, 1)
    return max(LEAST, round(size[0] * shrink)), max(LEAST, round(size[1] * shrink))


def data_uri(picture: Image.Image) -> str:
    """A picture that travels inside the page."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"
