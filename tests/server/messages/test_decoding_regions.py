"""Regions of a request become plain regions, or an error that names their field."""

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from partlens.client import encoding
from partlens.client.cli.regions import MASK
from partlens.common.regions import Box, Mask, Point, Polygon
from partlens.server.errors import RequestError
from partlens.server.messages.decoding_regions import RegionDecoder
from partlens.v1 import region_pb2 as pb

PIXELS = 1000
SHAPE: NDArray[np.bool_] = np.arange(35).reshape(5, 7) % 3 == 0


def png(array: NDArray[np.uint8], mode: str | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(out, "PNG")
    return out.getvalue()


def bits(width: int, height: int, data: bytes) -> pb.Region:
    mask = pb.BitMask(width=width, height=height, bits=data)
    return pb.Region(mask=pb.Mask(bit_mask=mask))


def decoded(region: pb.Region) -> object:
    return RegionDecoder(PIXELS).region(region, "regions[0].region")


def test_box_point_and_polygon_keep_their_numbers() -> None:
    assert decoded(pb.Region(box=pb.Box(x=1, y=2, width=3, height=4))) == Box(1, 2, 3, 4)
    assert decoded(pb.Region(point=pb.Point(x=1.5, y=2))) == Point(1.5, 2)
    corners = [pb.Point(x=0, y=1), pb.Point(x=2, y=3), pb.Point(x=4, y=0)]
    polygon = decoded(pb.Region(polygon=pb.Polygon(points=corners)))
    assert polygon == Polygon(((0, 1), (2, 3), (4, 0)))


RGBA = np.zeros((5, 7, 4), np.uint8)
RGBA[:, :, 3] = SHAPE * 200
COLOUR = np.zeros((5, 7, 3), np.uint8)
COLOUR[:, :, 2] = SHAPE * 255


@pytest.mark.parametrize(
    "mask",
    [
        bits(7, 5, np.packbits(SHAPE.ravel()).tobytes()).mask,
        pb.Mask(png=png(SHAPE.astype(np.uint8))),
        pb.Mask(png=png(SHAPE.astype(np.uint8) * 255, "1")),
        pb.Mask(png=png(COLOUR)),
        pb.Mask(png=png(COLOUR, "P")),
        pb.Mask(png=png(RGBA)),
    ],
    ids=["bits", "grey", "one bit", "colour", "palette", "alpha"],
)
def test_every_form_of_a_mask_covers_the_same_pixels(mask: pb.Mask) -> None:
    region = decoded(pb.Region(mask=mask))
    assert isinstance(region, Mask)
    assert region.array.dtype == np.bool_
    np.testing.assert_array_equal(region.array, SHAPE)


@pytest.mark.parametrize(
    ("region", "field", "message"),
    [
        (pb.Region(), "", "needs a box, polygon, point, mask or whole"),
        (pb.Region(mask=pb.Mask()), ".mask", "needs a PNG or a bit mask"),
        (pb.Region(box=pb.Box(x=float("nan"))), ".box", "coordinates must be numbers"),
        (pb.Region(box=pb.Box(width=1e300)), ".box", "coordinates must be numbers"),
        (pb.Region(point=pb.Point(x=float("inf"))), ".point", "coordinates must be numbers"),
        (bits(7, 5, b"1234"), ".mask.bit_mask.bits", "4 bytes; 7x5 bits need 5"),
        (bits(0, 5, b""), ".mask.bit_mask", "each side must be at least 1"),
        (bits(2**31, 2**31, b""), ".mask.bit_mask", "may have 1000 pixels in total"),
        (pb.Region(mask=pb.Mask(png=b"no")), ".mask.png", "not a whole PNG"),
        (pb.Region(mask=pb.Mask(png=png(COLOUR)[:50])), ".mask.png", "not a whole PNG"),
        (pb.Region(mask=pb.Mask(png=png(np.ones((40, 40), np.uint8)))), ".mask.png", "1000 pixels"),
    ],
)
def test_what_is_no_region_is_an_error_at_its_field(
    region: pb.Region, field: str, message: str
) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        decoded(region)
    assert caught.value.violation.field == f"regions[0].region{field}"
    assert caught.value.violation.reason == "REGION_INVALID"


OPAQUE = np.dstack([COLOUR, np.full((5, 7), 255, np.uint8)])
IDS = np.dstack([SHAPE, np.zeros((5, 7, 2))]).astype(np.uint8)


@pytest.mark.parametrize("array", [OPAQUE, OPAQUE[..., 2:], IDS, COLOUR, RGBA, SHAPE * np.uint8(1)])
def test_the_command_line_and_the_service_read_the_same_mask(
    array: NDArray[np.uint8], tmp_path: Path
) -> None:
    (tmp_path / "mask.png").write_bytes(png(array))
    marked = MASK.convert(str(tmp_path / "mask.png"), None, None)
    sent = decoded(encoding.region(marked.region))
    uploaded = decoded(pb.Region(mask=pb.Mask(png=png(array))))
    assert isinstance(sent, Mask) and isinstance(uploaded, Mask)
    np.testing.assert_array_equal(sent.array, SHAPE)
    np.testing.assert_array_equal(uploaded.array, SHAPE)


numbers = st.floats(-1e6, 1e6)


@given(st.tuples(numbers, numbers, numbers, numbers), st.lists(st.tuples(numbers, numbers)))
def test_what_the_client_encodes_is_what_is_decoded(
    four: tuple[float, float, float, float], corners: list[tuple[float, float]]
) -> None:
    assert decoded(encoding.region(Box(*four))) == Box(*four)
    assert decoded(encoding.region(Point(*four[:2]))) == Point(*four[:2])
    assert decoded(encoding.region(Polygon(tuple(corners)))) == Polygon(tuple(corners))


@given(st.integers(1, 30), st.integers(1, 30), st.integers(0, 2**16))
def test_a_mask_that_the_client_encodes_keeps_every_pixel(
    height: int, width: int, seed: int
) -> None:
    array = np.random.default_rng(seed).random((height, width)) < 0.5
    region = decoded(encoding.region(Mask(array)))
    assert isinstance(region, Mask)
    np.testing.assert_array_equal(region.array, array)


@given(st.binary(max_size=9), st.integers(0, 99), st.integers(0, 9), st.integers(0, 9))
def test_any_bytes_are_a_mask_or_a_clear_error(
    data: bytes, at: int, width: int, height: int
) -> None:
    image = png(COLOUR)
    damaged = image[:at] + data + image[at + len(data) :]
    for region in (pb.Region(mask=pb.Mask(png=damaged)), bits(width, height, data)):
        try:
            assert isinstance(decoded(region), Mask)
        except RequestError as error:
            assert error.violation.field.startswith("regions[0].region.mask")


def test_the_masks_of_one_request_share_one_limit() -> None:
    decoder, half = RegionDecoder(PIXELS), bits(100, 6, bytes(75))
    decoder.region(half, "regions[0]")
    with pytest.raises(RequestError, match="1000 pixels in total"):
        decoder.region(half, "regions[1]")
