"""One rule says what a mask marks, whatever it is saved as."""

import io
from itertools import product

import numpy as np
import pytest
from encoded_pictures import (
    GREY,
    GREY_ALPHA,
    PALETTE,
    TRUE_COLOUR,
    TRUE_COLOUR_ALPHA,
    chunk,
    colour_tiff,
    exif,
    gif_with_frame,
    png,
    tiff,
)
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import DEFAULT_LIMITS, PictureError, inside

MARKED = np.random.default_rng(9).random((6, 7)) < 0.4
RANDOM = np.random.default_rng(10)
DEPTHS = [(bits, value) for bits in (8, 16) for value in (1, 2 ** (bits // 2), 2**bits - 1)]


def marks(data: bytes) -> NDArray[np.bool_]:
    return inside(data, DEFAULT_LIMITS.require_size)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_grey_above_black_is_marked(bits: int) -> None:
    for value in {1, 2**bits - 1}:
        assert (marks(png(MARKED * value, bits, GREY)) == MARKED).all()


@pytest.mark.parametrize(("bits", "value"), DEPTHS)
@pytest.mark.parametrize("channel", range(3))
def test_any_channel_marks(bits: int, value: int, channel: int) -> None:
    """As the ids of COCO's panoptic masks do, which are counted from the red channel up."""
    samples = np.zeros((*MARKED.shape, 3), np.int64)
    samples[..., channel] = MARKED * value
    assert (marks(png(samples, bits, TRUE_COLOUR)) == MARKED).all()


@pytest.mark.parametrize(("bits", "value"), DEPTHS)
@pytest.mark.parametrize("share", [0, 0.003, 0.5, 1])
def test_alpha_that_is_the_same_everywhere_marks_nothing(
    bits: int, value: int, share: float
) -> None:
    alpha = np.full((*MARKED.shape, 1), round(share * (2**bits - 1)))
    for channels, colour in ((1, GREY_ALPHA), (3, TRUE_COLOUR_ALPHA)):
        samples = np.repeat(MARKED[..., None] * value, channels, 2)
        data = png(np.concatenate([samples, alpha], 2), bits, colour)
        assert (marks(data) == MARKED).all()


@pytest.mark.parametrize(("bits", "value"), DEPTHS)
def test_alpha_that_parts_the_pixels_marks_what_is_not_transparent(bits: int, value: int) -> None:
    alpha = MARKED[..., None] * value
    for channels, colour in ((1, GREY_ALPHA), (3, TRUE_COLOUR_ALPHA)):
        samples = RANDOM.integers(0, 2**bits, (*MARKED.shape, channels))
        data = png(np.concatenate([samples, alpha], 2), bits, colour)
        assert (marks(data) == MARKED).all()


def test_a_soft_edge_of_alpha_that_is_nowhere_transparent_marks_nothing() -> None:
    alpha = RANDOM.integers(1, 256, MARKED.shape)
    data = png(np.dstack([MARKED * 255, alpha]), 8, GREY_ALPHA)
    assert (marks(data) == MARKED).all()


@pytest.mark.parametrize(
    ("palette", "alphas"),
    [
        (bytes([0, 0, 0, 0, 0, 1]), b""),
        (bytes([0, 0, 0, 200, 0, 0]), b"\xff\xff"),
        (bytes([0, 0, 0, 200, 0, 0]), b"\x80\xff"),
        (bytes([9, 9, 9, 0, 0, 0]), b"\0"),
        (bytes([9, 9, 9, 0, 0, 0]), b"\0\x01"),
    ],
)
def test_a_palette_marks_by_its_colours_or_by_its_alpha(palette: bytes, alphas: bytes) -> None:
    before = [chunk(b"PLTE", palette), *([chunk(b"tRNS", alphas)] if alphas else [])]
    assert (marks(png(MARKED.astype(int), 8, PALETTE, before)) == MARKED).all()


@pytest.mark.parametrize(("bits", "colour"), [(1, GREY), (2, GREY), (8, GREY), (16, GREY)])
def test_a_transparent_value_is_outside(bits: int, colour: int) -> None:
    most = 2**bits - 1
    outside = chunk(b"tRNS", most.to_bytes(2, "big"))
    samples = np.where(MARKED, RANDOM.integers(0, most, MARKED.shape), most)
    assert (marks(png(samples, bits, colour, [outside])) == MARKED).all()


@pytest.mark.parametrize(("bits", "white_is_zero"), [*product((1, 8, 16), (False, True))])
def test_a_tiff_marks_what_is_not_black(bits: int, white_is_zero: bool) -> None:
    most = 2**bits - 1
    samples = np.where(MARKED, most - 1 if bits > 1 else 0, most) if white_is_zero else MARKED * 1
    assert (marks(tiff(samples, bits, white_is_zero=white_is_zero)) == MARKED).all()


@pytest.mark.parametrize("value", [1, 255, 256, 65535])
@pytest.mark.parametrize("premultiplied", [False, True])
def test_alpha_of_16_bits_marks_however_little(value: int, premultiplied: bool) -> None:
    samples = np.repeat(MARKED[..., None] * value, 4, 2)
    assert (marks(colour_tiff(samples, premultiplied=premultiplied)) == MARKED).all()


@pytest.mark.parametrize("value", [1, 256])
def test_deep_channels_one_after_the_other_are_refused(value: int) -> None:
    with pytest.raises(PictureError, match="save it with interleaved channels"):
        marks(colour_tiff(np.repeat(MARKED[..., None] * value, 3, 2), planar=True))


def test_a_gif_marks_nothing_outside_of_its_frame() -> None:
    height, width = MARKED.shape
    data = gif_with_frame(MARKED * 0 + 255, 2, 3, width + 4, height + 5)
    wanted = np.zeros((height + 5, width + 4), bool)
    wanted[3 : 3 + height, 2 : 2 + width] = True
    assert (marks(data) == wanted).all()


def test_signed_and_floating_point_numbers_mark_where_they_are_not_zero() -> None:
    for array in (MARKED.astype(np.float32) / 7, MARKED.astype(np.int32) * -3):
        out = io.BytesIO()
        Image.fromarray(array).save(out, "TIFF")
        assert (marks(out.getvalue()) == MARKED).all()


def test_white_ink_marks_and_black_ink_does_not() -> None:
    inks = np.zeros((*MARKED.shape, 4), np.uint8)
    inks[..., 3] = ~MARKED * 255
    out = io.BytesIO()
    Image.frombytes("CMYK", MARKED.shape[::-1], inks.tobytes()).save(out, "TIFF")
    assert (marks(out.getvalue()) == MARKED).all()


def test_a_mask_is_upright_like_its_picture() -> None:
    turned = png(MARKED * 255, 8, GREY, [chunk(b"eXIf", exif(6))])
    assert (marks(turned) == np.rot90(MARKED, -1)).all()


def test_a_comment_harms_no_mask_and_its_size_is_asked_for() -> None:
    data = png(MARKED * 255, 8, GREY, [chunk(b"tEXt", b"a\0b", sound=False)])
    asked: list[tuple[int, int]] = []
    assert (inside(data, lambda *size: asked.append(size)) == MARKED).all()
    assert asked == [(7, 6)]
    with pytest.raises(PictureError):
        inside(data, DEFAULT_LIMITS.require_size, ("JPEG",))


@given(st.binary(max_size=9), st.integers(0, 99))
def test_any_bytes_are_a_mask_or_an_error(content: bytes, at: int) -> None:
    whole = png(np.dstack([MARKED * 255, MARKED * 1]), 16, GREY_ALPHA)
    try:
        assert marks(whole[:at] + content + whole[at + len(content) :]).ndim == 2
    except PictureError:
        pass
