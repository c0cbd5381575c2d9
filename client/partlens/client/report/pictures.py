"""Encoded pictures as a page shows them, whatever they are."""

import base64
import io

from PIL import Image, ImageOps

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "PPM", "AVIF")
"""What is decoded here; some of Pillow's other formats start other programs (EPS)."""
SIDE, LEAST = 420, 40
"""Pixels of a shown picture's longest side, and of its shortest at least."""
_BLANK = (226, 226, 226)


def shown(data: bytes, size: tuple[int, int]) -> Image.Image | None:
    """A picture upright, in RGB, as large as a page shows it.

    Args:
        data: encoded; of any size.
        size: (width, height) of the image that it shows, whose proportions it gets.

    Returns:
        None where the data is no picture that can be read: a server's thumbnail may be missing,
        and a query named by its id has no picture here.
    """
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as opened:
            opened.draft("RGB", (2 * SIDE, 2 * SIDE))  # skips most of a large JPEG's work
            picture = ImageOps.exif_transpose(opened).convert("RGB")
        return picture.resize(shown_size(size), Image.Resampling.BICUBIC)
    except Exception:  # Pillow's decoders raise many types on damaged data.
        return None


def blank(size: tuple[int, int]) -> Image.Image:
    """What stands for a picture that is not to be had."""
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
