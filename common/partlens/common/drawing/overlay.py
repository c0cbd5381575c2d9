"""Signed maps as colours over a picture, and regions as outlines."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageDraw, ImageFilter, ImageFont, ImageOps

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.palette import MARKED, colours
from partlens.common.drawing.scale import Scale
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole

_CASING = (0, 0, 0)
_MOSTLY = 0.5
"""Smallest covered fraction of a cell that counts as covered."""
_PALE = 0.45


def explained(
    picture: Image.Image, map: ActivationMap, size: tuple[int, int], scale: Scale
) -> Image.Image:
    """A picture, grey and pale, under its map.

    Args:
        picture: the image, at any scale.
        map: map of the image.
        size: (width, height) of the image, in the units of the map's extent.
        scale: colour scale.
    """
    across, down = picture.width / size[0], picture.height / size[1]
    extent = map.extent
    shown = Box(extent.x * across, extent.y * down, extent.width * across, extent.height * down)
    values = replace(map, extent=shown).upsampled(picture.width, picture.height)
    grey = picture.convert("L")
    under = Image.blend(grey, Image.new("L", grey.size, 255), _PALE).convert("RGBA")
    heat = Image.fromarray(colours(values, scale.strongest))
    return Image.alpha_composite(under, heat).convert("RGB")


def outlined(
    picture: Image.Image,
    region: Region,
    size: tuple[int, int],
    label: str = "",
    colour: tuple[int, int, int] = MARKED,
) -> Image.Image:
    """A picture with a region's outline drawn on it.

    Args:
        picture: the image, at any scale.
        region: in pixels of the image.
        size: (width, height) of the image in those pixels.
        label: text in the region's corner; "" for none.
        colour: colour of the line, which has a black border.
    """
    drawn = picture.convert("RGB")
    if isinstance(region, Mask):
        covered = Image.fromarray(region.array).convert("L").resize(drawn.size)
        return _surrounded(drawn, covered, label, colour)
    if isinstance(region, Whole):
        region = Box(0, 0, *size)
    across, down = drawn.width / size[0], drawn.height / size[1]
    line = _line(drawn)
    path = [(x * across, y * down) for x, y in _corners(region)]
    if isinstance(region, Point):
        ((x, y),) = path
        reach = 4 * line
        path = [(x - reach, y), (x, y - reach), (x + reach, y), (x, y + reach)]
    pen = ImageDraw.Draw(drawn)
    pen.line([*path, path[0]], fill=_CASING, width=line + 2)
    pen.line([*path, path[0]], fill=colour, width=line)
    if label:
        _write(pen, (min(x for x, _ in path), min(y for _, y in path)), label, colour)
    return drawn


def _corners(region: Box | Polygon | Point) -> Sequence[tuple[float, float]]:
    match region:
        case Box(x, y, width, height):
            return [(x, y), (x + width, y), (x + width, y + height), (x, y + height)]
        case Polygon(points):
            return points
        case Point(x, y):
            return [(x, y)]


def covered(
    picture: Image.Image,
    coverage: ActivationMap,
    size: tuple[int, int],
    label: str = "",
    colour: tuple[int, int, int] = MARKED,
) -> Image.Image:
    """A picture with an outline around the cells that a region covers.

    Args:
        coverage: fraction of each cell that the region covers, 0 to 1.
        picture, size, label, colour: as in outlined.
    """
    drawn = picture.convert("RGB")
    cells = _nearest(coverage, size, drawn.size) >= _MOSTLY
    return _surrounded(drawn, Image.fromarray(cells).convert("L"), label, colour)


def marked(
    picture: Image.Image,
    place: Region | None,
    coverage: ActivationMap | None,
    size: tuple[int, int],
    label: str = "",
    colour: tuple[int, int, int] = MARKED,
) -> Image.Image:
    """A picture with a region's outline, and where `coverage` is known around the cells it covers.

    Args:
        place: None where only the cells are known.
        picture, coverage, size, label, colour: as in outlined and covered.
    """
    if place is not None:
        picture = outlined(picture, place, size, "" if coverage else label, colour)
    return picture if coverage is None else covered(picture, coverage, size, label, colour)


def _nearest(
    map: ActivationMap, size: tuple[int, int], drawn: tuple[int, int]
) -> NDArray[np.float32]:
    """Value of the cell that each pixel lies in, shape [height, width]; 0 outside the map."""
    places = []
    for axis, start, length, pixels, whole in (
        (map.registration.rows, map.extent.y, map.extent.height, drawn[1], size[1]),
        (map.registration.cols, map.extent.x, map.extent.width, drawn[0], size[0]),
    ):
        at = ((np.arange(pixels) + 0.5) * whole / pixels - start) / max(length, 1e-9)
        places.append(np.where((at >= 0) & (at < 1), np.floor(axis.to_cells(at)), -1).astype(int))
    # An extra row and column of zeros is what -1 indexes.
    padded = np.pad(map.values, ((0, 1), (0, 1)))
    values: NDArray[np.float32] = padded[np.ix_(*places)]
    return values


def _surrounded(
    drawn: Image.Image, inside: Image.Image, label: str, colour: tuple[int, int, int]
) -> Image.Image:
    """A picture with an outline around the white part of a mask."""
    line = _line(drawn)
    edge = line + 2
    whole = (edge, edge, edge + drawn.width, edge + drawn.height)
    # With a border, so that a region at the edge of the picture is outlined there too.
    framed = ImageOps.expand(inside, edge)
    for width, paint in ((edge, _CASING), (line, colour)):
        inner = framed.filter(ImageFilter.MinFilter(2 * width - 1))
        outer = framed.filter(ImageFilter.MaxFilter(3))
        drawn.paste(paint, mask=ImageChops.subtract(outer, inner).crop(whole))
    if label and (corner := inside.getbbox()) is not None:
        _write(ImageDraw.Draw(drawn), corner[:2], label, colour)
    return drawn


def _line(drawn: Image.Image) -> int:
    return max(2, max(drawn.size) // 160)


def _write(
    pen: ImageDraw.ImageDraw, at: tuple[float, float], label: str, colour: tuple[int, int, int]
) -> None:
    """A label on a black field, above a region where there is room."""
    font = ImageFont.load_default(18)
    left, top, right, bottom = pen.textbbox((0, 0), label, font=font)
    width, height = right - left + 8, bottom - top + 6
    x, y = max(at[0], 0), at[1] - height - 2
    if y < 0:
        x, y = x + 4, max(at[1], 0) + 4
    pen.rectangle((x, y, x + width, y + height), fill=_CASING)
    pen.text((x + 4 - left, y + 3 - top), label, fill=colour, font=font)
