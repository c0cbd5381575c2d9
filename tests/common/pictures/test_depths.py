"""Numbers of any depth become grey from black to white, or a refusal: never something else."""

from itertools import product

import numpy as np
import pytest
from encoded_pictures import GREY, TRUE_COLOUR, chunk, colour_tiff, png, tiff
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.common.pictures import PictureError, decode

# Pillow has no reader for these; that they are refused is checked too.
READ = {(1, 0), (1, 1), (2, 0), (2, 1), (4, 0), (4, 1), (8, 0), (8, 1), (16, 1)}
READ_LITTLE_ENDIAN = READ | {(12, 1), (16, 0), (32, 1)}
COLS = 9  # odd, so that rows of 12 bits end within a byte


def ramp(bits: int) -> NDArray[np.uint64]:
    return np.linspace(0, 2**bits - 1, 8 * COLS).astype(np.uint64).reshape(8, COLS)


@pytest.mark.parametrize(
    ("bits", "white_is_zero", "order", "compressed"),
    [*product((1, 2, 4, 8, 12, 16, 32), (False, True), "<>", (False, True))],
)
def test_a_tiff_is_as_grey_as_its_numbers_say(
    bits: int, white_is_zero: bool, order: str, compressed: bool
) -> None:
    samples = ramp(bits)
    data = tiff(samples, bits, white_is_zero=white_is_zero, order=order, compressed=compressed)
    readable = READ_LITTLE_ENDIAN if order == "<" else READ
    if (bits, int(not white_is_zero)) not in readable:
        with pytest.raises(PictureError, match="kind of TIFF"):
            decode(data)
        return
    wanted = samples / (2**bits - 1) * 255
    wanted = 255 - wanted if white_is_zero else wanted
    for channel in np.moveaxis(decode(data), 2, 0):
        np.testing.assert_allclose(channel, wanted, atol=1)


@pytest.mark.parametrize("bits", [8, 16, 32])
@pytest.mark.parametrize("order", ["<", ">"])
def test_signed_numbers_are_refused(bits: int, order: str) -> None:
    with pytest.raises(PictureError, match="signed values; save it with 8 or 16 unsigned bits"):
        decode(tiff(ramp(bits), bits, order=order, sample_format=2))


def test_floating_point_numbers_are_refused() -> None:
    with pytest.raises(PictureError, match="floating-point"):
        decode(tiff(ramp(32), 32, sample_format=3))


@pytest.mark.parametrize("channels", [3, 4])
def test_deep_colours_are_read_where_they_are_interleaved(channels: int) -> None:
    samples = np.random.default_rng(3).integers(0, 2**16, (6, 5, channels))
    opaque = samples[..., 3:] / 65535 if channels == 4 else 1
    wanted = samples[..., :3] / 257 * opaque + 255 * (1 - opaque)
    np.testing.assert_allclose(decode(colour_tiff(samples)), wanted, atol=2)
    with pytest.raises(PictureError, match="save it with interleaved channels"):
        decode(colour_tiff(samples, planar=True))


@given(st.integers(1, 65535), st.sampled_from((b"P2", b"P3", b"P5", b"P6")))
def test_a_pnm_of_any_maximum_goes_from_black_to_white(most: int, magic: bytes) -> None:
    grey = np.linspace(0, most, 20).astype(int).reshape(4, 5)
    samples = grey if magic in (b"P2", b"P5") else np.repeat(grey[..., None], 3, 2)
    if magic in (b"P2", b"P3"):
        body = " ".join(map(str, samples.ravel())).encode()
    else:
        body = samples.astype(">u2" if most > 255 else "u1").tobytes()
    shown = decode(b"%s\n5 4\n%d\n%s" % (magic, most, body))
    np.testing.assert_allclose(shown, np.repeat(grey[..., None] * 255 / most, 3, 2), atol=1)


@given(
    st.sampled_from([(1, GREY), (2, GREY), (4, GREY), (8, GREY), (16, GREY)])
    | st.sampled_from([(8, TRUE_COLOUR), (16, TRUE_COLOUR)]),
    st.integers(0, 2**16),
)
def test_exactly_the_transparent_value_of_a_png_is_white(kind: tuple[int, int], seed: int) -> None:
    bits, colour = kind
    most, channels = 2**bits - 1, 3 if colour == TRUE_COLOUR else 1
    random = np.random.default_rng(seed)
    samples = random.integers(0, most + 1, (4, 5, channels))
    samples[:2] = samples[0, 0]
    samples[1, 0, -1] ^= 1  # the neighbour of the transparent value is not
    # Bits above the depth are there to be ignored.
    key = samples[0, 0] | random.integers(0, 2**16) & ~most & 0xFFFF
    transparent = chunk(b"tRNS", key.astype(">u2").tobytes())
    shown = decode(png(samples, bits, colour, [transparent]))
    wanted = np.broadcast_to(samples / most * 255, (4, 5, 3)).copy()
    wanted[(samples == samples[0, 0]).all(2)] = 255
    np.testing.assert_allclose(shown, wanted, atol=1)
