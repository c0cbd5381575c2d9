"""Regions of requests, as they are drawn and described."""

import numpy as np

from partlens.common.pictures import PictureError, inside
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole
from partlens.v1 import region_pb2 as pb

_MOST_PIXELS = 178_000_000


def region(message: pb.Region) -> Region:
    """The region of a message that a server has accepted.

    Raises:
        ValueError: it has no shape, or its mask cannot be read.
    """
    match message.WhichOneof("shape"):
        case "box":
            box = message.box
            return Box(box.x, box.y, box.width, box.height)
        case "point":
            return Point(message.point.x, message.point.y, message.snap)
        case "polygon":
            return Polygon(tuple((one.x, one.y) for one in message.polygon.points))
        case "mask":
            return _mask(message.mask)
        case "whole":
            return Whole()
    raise ValueError("a region has no shape")


def described(region: Region) -> str:
    """A region in words.

    >>> described(Box(1, 2, 30, 40.5))
    'box at 1, 2, 30 wide and 40.5 high'
    """
    match region:
        case Box(x, y, width, height):
            return f"box at {x:g}, {y:g}, {width:g} wide and {height:g} high"
        case Point(x, y, snap):
            return f"the {'part' if snap else 'cell'} at point {x:g}, {y:g}"
        case Polygon(points):
            return f"polygon of {len(points)} corners"
        case Mask(array):
            return f"mask of {int(array.sum())} pixels"
        case Whole():
            return "the whole image"


def _mask(message: pb.Mask) -> Mask:
    if message.WhichOneof("form") == "png":
        try:
            return Mask(inside(message.png, _require_few, ("PNG",)))
        except PictureError as error:
            raise ValueError(f"a mask cannot be read: {error}") from error
    bits = message.bit_mask
    _require_few(bits.width, bits.height)
    pixels = bits.width * bits.height
    if len(bits.bits) != -(-pixels // 8):
        raise ValueError(f"a mask of {bits.width}x{bits.height} has {len(bits.bits)} bytes")
    unpacked = np.unpackbits(np.frombuffer(bits.bits, np.uint8), count=pixels)
    return Mask(unpacked.reshape(bits.height, bits.width).astype(np.bool_))


def _require_few(width: int, height: int) -> None:
    if width * height > _MOST_PIXELS:
        raise PictureError(f"{width}x{height} pixels; at most {_MOST_PIXELS} are allowed")
