"""Decodes the regions of a request."""

import struct
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from partlens.common.pictures import PictureError, inside
from partlens.common.pictures.encoded import BYTES_A_PIXEL
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.server.errors import RequestError
from partlens.v1 import region_pb2 as pb

_FURTHEST = 1e9


_PNG_SIZE = struct.Struct(">16xII")


def memory_of_masks(regions: Iterable[pb.Region], mask_pixels: int) -> int:
    """Bytes of memory that decoding the PNG masks of a request takes at most.

    Args:
        regions: of the request.
        mask_pixels: see RegionDecoder.
    """
    pixels = 0
    for region in regions:
        if len(png := region.mask.png) >= _PNG_SIZE.size:
            width, height = _PNG_SIZE.unpack_from(png)
            pixels += width * height
    return min(pixels, mask_pixels) * BYTES_A_PIXEL


class RegionDecoder:
    """Decodes the regions of one request.

    Args:
        mask_pixels: most pixels of all masks in the request; larger masks are never unpacked.
        require_waiting: ends the decoding with what it raises; see partlens.common.pictures.decode.
    """

    def __init__(self, mask_pixels: int, require_waiting: RequireWaiting = wait_always) -> None:
        self._mask_pixels = self._left = mask_pixels
        self._require_waiting = require_waiting

    def region(self, message: pb.Region, field: str) -> Region:
        """The region of a message.

        Args:
            field: the message's path in the request.

        Raises:
            RequestError: no shape, coordinates out of range, or an unreadable mask.
        """
        shape = message.WhichOneof("shape")
        if message.snap and shape not in ("point", None):
            raise RequestError(
                f"{field}.snap", f"a {shape} cannot snap; give a point", "REGION_INVALID"
            )
        match shape:
            case "box":
                box = message.box
                return Box(*_numbers([box.x, box.y, box.width, box.height], f"{field}.box"))
            case "point":
                x, y = _numbers([message.point.x, message.point.y], f"{field}.point")
                return Point(x, y, message.snap)
            case "polygon":
                return _polygon(message.polygon, f"{field}.polygon")
            case "mask":
                return Mask(self._mask(message.mask, f"{field}.mask"))
            case "whole":
                return Whole()
            case _:
                raise RequestError(
                    field,
                    "a region needs a box, polygon, point, mask or whole",
                    "REGION_INVALID",
                )

    def _mask(self, mask: pb.Mask, field: str) -> NDArray[np.bool_]:
        form = mask.WhichOneof("form")
        if form is None:
            raise RequestError(field, "a mask needs a PNG or a bit mask", "REGION_INVALID")
        if form == "png":
            return self._png(mask.png, f"{field}.png")
        return self._bits(mask.bit_mask, f"{field}.bit_mask")

    def _bits(self, mask: pb.BitMask, field: str) -> NDArray[np.bool_]:
        self._take(mask.width, mask.height, field)
        needed = -(-mask.width * mask.height // 8)
        if len(mask.bits) != needed:
            raise RequestError(
                f"{field}.bits",
                f"{len(mask.bits)} bytes; {mask.width}x{mask.height} bits need {needed}",
                "REGION_INVALID",
            )
        bits = np.unpackbits(np.frombuffer(mask.bits, np.uint8), count=mask.width * mask.height)
        return bits.reshape(mask.height, mask.width).astype(np.bool_)

    def _png(self, data: bytes, field: str) -> NDArray[np.bool_]:
        try:
            return inside(
                data,
                lambda width, height: self._take(width, height, field),
                ("PNG",),
                self._require_waiting,
            )
        except PictureError as error:
            raise RequestError(
                field, f"these {len(data)} bytes are not a whole PNG: {error}", "REGION_INVALID"
            ) from error

    def _take(self, width: int, height: int, field: str) -> None:
        self._left -= width * height
        if width < 1 or height < 1 or self._left < 0:
            raise RequestError(
                field,
                f"a mask of {width}x{height}; each side must be at least 1, and all masks of one"
                f" request may have {self._mask_pixels} pixels in total",
                "REGION_INVALID",
            )


def _polygon(polygon: pb.Polygon, field: str) -> Polygon:
    numbers = _numbers([value for point in polygon.points for value in (point.x, point.y)], field)
    return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _numbers(numbers: list[float], field: str) -> list[float]:
    # Written so that NaN, which compares false with everything, is also refused.
    if not all(abs(number) <= _FURTHEST for number in numbers):
        raise RequestError(
            field, f"coordinates must be numbers within +-{_FURTHEST:.0e} pixels", "REGION_INVALID"
        )
    return numbers
