"""A picture that is only shown may be decoded at a part of its size, and looks the same."""

import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from partlens.common.pictures import Least, PictureError, decode, decode_at_least


def encoded(width: int, height: int, kind: str, mode: str, orientation: int, quality: int) -> bytes:
    """A picture with soft shapes, as photographs have."""
    noise = np.random.default_rng(width).integers(0, 256, (5, 7, 3), np.uint8)
    image = Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC).convert(mode)
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(out, kind, exif=exif, quality=quality)
    return out.getvalue()


@settings(max_examples=60)
@given(
    st.integers(4, 25).map(lambda units: 16 * units),  # so that whole blocks are reduced
    st.integers(4, 25).map(lambda units: 16 * units),
    st.sampled_from([("JPEG", "RGB"), ("JPEG", "L"), ("JPEG", "CMYK"), ("PNG", "RGB")]),
    st.integers(1, 8),
    st.integers(1, 500),
)
def test_a_smaller_picture_shows_the_same(
    width: int, height: int, form: tuple[str, str], orientation: int, least_side: int
) -> None:
    data = encoded(width, height, *form, orientation, 92)
    whole = decode(data)
    shown = decode_at_least(data, Least(longest=least_side)).pixels
    longest = max(whole.shape)
    assert min(least_side, longest) <= max(shown.shape) <= longest
    if form[0] != "JPEG":
        assert np.array_equal(shown, whole)
    for side in (0, 1):
        assert whole.shape[side] / 8 <= shown.shape[side] <= whole.shape[side]
    reduced = Image.fromarray(whole).resize(shown.shape[1::-1], Image.Resampling.BOX)
    assert np.abs(np.asarray(reduced, float) - shown).mean() < 6


def test_a_large_picture_is_decoded_at_an_eighth() -> None:
    data = encoded(1600, 800, "JPEG", "RGB", 1, 90)

    def shape(least_side: int) -> tuple[int, ...]:
        return decode_at_least(data, Least(longest=least_side)).pixels.shape

    assert shape(200) == (100, 200, 3)
    assert shape(201) == (200, 400, 3)
    assert shape(801) == decode(data).shape == (800, 1600, 3)


def test_what_is_cut_short_is_refused_at_any_size() -> None:
    data = encoded(400, 400, "JPEG", "RGB", 1, 90)
    for least_side in (1, 50, 400):
        with pytest.raises(PictureError, match="cut short"):
            decode_at_least(data[: len(data) // 2], Least(longest=least_side))
