"""Signed maps as colours over a picture."""

import base64
import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from partlens.client.answers import ActivationMap
from partlens.client.questions import Box, Mask, Point, Polygon, Region

FloatArray = NDArray[np.float32]
POSITIVE, NEGATIVE = (178, 24, 43), (33, 102, 172)
"""Red and blue of ColorBrewer's RdBu, told apart by readers of any colour vision."""
_STRONGEST = 0.8


def upsample(map: ActivationMap, width: int, height: int) -> FloatArray:
    """One number a pixel of the image, bilinear between the centres of cells; not rescaled.

    Args:
        map: with its extent in pixels of the image.
        width, height: of the image.

    Returns:
        Float32, shape [height, width]; 0 outside the map's extent.
    """
    rows, cols = map.values.shape
    extent = map.extent
    x = (np.arange(width) + 0.5 - extent.x) / max(extent.width, 1e-9)
    y = (np.arange(height) + 0.5 - extent.y) / max(extent.height, 1e-9)
    down, across = _between_centres(y, rows), _between_centres(x, cols)
    return (down @ map.values.astype(np.float64) @ across.T).astype(np.float32)


def colours(values: FloatArray, scale: float) -> NDArray[np.uint8]:
    """RGBA: red above zero, blue below, clear at zero, strongest at +-scale.

    Args:
        values: signed, shape [height, width].
        scale: the value of the strongest colour.
    """
    strength = np.clip(np.abs(values) / scale, 0, 1) if scale > 0 else np.zeros_like(values)
    rgba = np.empty((*values.shape, 4), np.uint8)
    rgba[..., :3] = np.where((values >= 0)[..., None], POSITIVE, NEGATIVE)
    rgba[..., 3] = np.round(255 * _STRONGEST * strength)
    return rgba


def explained(
    picture: Image.Image, map: ActivationMap, size: tuple[int, int], scale: float
) -> Image.Image:
    """A picture under its map.

    Args:
        picture: the image, at any scale.
        map: of the image.
        size: (width, height) of the image in the pixels that the map's extent is given in.
        scale: the value of the strongest colour.
    """
    shrink = picture.width / size[0]
    extent = map.extent
    smaller = ActivationMap(
        map.values, Box(*(n * shrink for n in (extent.x, extent.y, extent.width, extent.height)))
    )
    heat = colours(upsample(smaller, picture.width, picture.height), scale)
    under = picture.convert("L").convert("RGBA")
    return Image.alpha_composite(under, Image.fromarray(heat)).convert("RGB")


def outlined(picture: Image.Image, region: Region, size: tuple[int, int]) -> Image.Image:
    """A picture with a region's outline drawn on it; arguments as explained."""
    shrink, drawn = picture.width / size[0], picture.convert("RGB")
    line = max(2, drawn.width // 80)
    pen = ImageDraw.Draw(drawn)
    match region:
        case Box(x, y, width, height):
            corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        case Point(x, y):
            reach = 4 * line / shrink
            corners = [(x - reach, y), (x, y - reach), (x + reach, y), (x, y + reach)]
        case Polygon(points):
            corners = list(points)
        case Mask(array):
            covered = Image.fromarray(array).resize(drawn.size)
            third = Image.new("L", drawn.size, 85)
            clear = Image.new("L", drawn.size, 0)
            drawn.paste((255, 210, 0), mask=Image.composite(third, clear, covered.convert("L")))
            return drawn
    path = [(x * shrink, y * shrink) for x, y in (*corners, corners[0])]
    pen.line(path, fill=(0, 0, 0), width=line + 2)
    pen.line(path, fill=(255, 210, 0), width=line)
    return drawn


def data_uri(picture: Image.Image) -> str:
    """A picture that travels inside the page."""
    out = io.BytesIO()
    picture.convert("RGB").save(out, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def scale_of(*maps: ActivationMap | None) -> float:
    """The largest magnitude in any of the maps."""
    return max((float(np.abs(map.values).max()) for map in maps if map is not None), default=0.0)


def _between_centres(at: NDArray[np.floating], cells: int) -> NDArray[np.float64]:
    centre = np.clip(at * cells - 0.5, 0, cells - 1)
    weights = np.maximum(0.0, 1 - np.abs(centre[:, None] - np.arange(cells)))
    return np.where(((at >= 0) & (at <= 1))[:, None], weights, 0.0)
