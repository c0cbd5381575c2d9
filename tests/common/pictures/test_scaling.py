"""A JPEG decoded at a part of its size is the same picture: nothing shifts, nothing is lost."""

import io
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageOps

from partlens.common.pictures import (
    ImageLimits,
    Least,
    PictureError,
    UprightPicture,
    decode,
    decode_at_least,
    memory_of,
)
from partlens.common.pictures.jpeg import Header
from partlens.common.pictures.scale import within

FORMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "no subsampling": {"subsampling": 0},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_rows": 1},
}
EIGHTH = Least(1, 1, 1)


def encoded(image: Image.Image, kind: str = "JPEG", orientation: int = 1, **how: Any) -> bytes:
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    image.save(out, kind, exif=exif, **({"quality": 95} | how))
    return out.getvalue()


def soft(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(width).integers(0, 256, (5, 7, 3), np.uint8)
    return Image.fromarray(noise).resize((width, height), Image.Resampling.BICUBIC)


def ramp(width: int, height: int) -> Image.Image:
    """Red grows to the right, green downwards, 40 to 215."""
    across, down = np.meshgrid(
        40 + 175 * (np.arange(width) + 0.5) / width, 40 + 175 * (np.arange(height) + 0.5) / height
    )
    return Image.fromarray(np.stack([across, down, np.full_like(across, 128)], 2).astype(np.uint8))


@given(
    st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 400), st.integers(1, 400),
    st.integers(1, 500),
)  # fmt: skip
def test_the_part_is_the_smallest_that_is_enough(
    width: int, height: int, across: int, down: int, longest: int
) -> None:
    def enough(part: int) -> bool:
        sides = width / part, height / part
        return sides[0] >= across and sides[1] >= down and max(sides) >= longest

    part = Least(across, down, longest).part(width, height)
    assert part == max([one for one in (2, 4, 8) if enough(one)], default=1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(90, 300),
    st.integers(90, 300),
    st.integers(1, 8),
    st.sampled_from((10, 20, 40)),
    st.sampled_from(sorted(FORMS)),
)
def test_nothing_shifts_by_a_side_that_is_no_multiple_of_the_part(
    width: int, height: int, orientation: int, least: int, form: str
) -> None:
    """Cells of a ramp, half as many as pixels are asked for, as a model's input has."""
    data = encoded(ramp(width, height), orientation=orientation, **FORMS[form])
    shown = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    picture, whole, cells = (
        decode_at_least(data, Least(least, least)),
        Image.fromarray(shown),
        least // 2,
    )
    assert picture.size == whole.size
    for seen in ((0, 0, *whole.size), (whole.width / 3, 1.5, whole.width * 0.9, whole.height / 2)):
        expected = whole.resize((cells, cells), Image.Resampling.BILINEAR, seen)
        found = picture.resized((cells, cells), Image.Resampling.BILINEAR, seen=seen)
        shift = np.abs(np.asarray(found, float) - np.asarray(expected, float)) * cells / 175
        # In cells. The last pixels of the file are means of blocks that the picture ends within.
        assert shift.max() < 0.25
        assert shift[1:-1, 1:-1].max() < 0.02 + 2.5 * cells / 175


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("form", FORMS)
def test_a_picture_that_is_small_is_decoded_as_ever(mode: str, form: str) -> None:
    data = encoded(soft(199, 133).convert(mode), **FORMS[form])
    found = decode_at_least(data, Least(100, 67))
    assert (found.part, found.size) == (1, (199, 133))
    np.testing.assert_array_equal(found.pixels, decode(data))
    assert memory_of(data, least=Least(100, 67)) == memory_of(data)


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF"])
def test_only_jpegs_are_reduced(kind: str) -> None:
    out = io.BytesIO()
    soft(160, 80).save(out, kind)
    found = decode_at_least(out.getvalue(), EIGHTH)
    np.testing.assert_array_equal(found.pixels, decode(out.getvalue()))


def colours_agree(data: bytes, part: int = 8) -> None:
    """The picture at a part is what the whole picture is, made smaller."""
    whole, small = decode(data), decode_at_least(data, EIGHTH)
    assert small.part == part
    expected = Image.fromarray(whole).resize((10, 6), Image.Resampling.BOX)
    found = small.resized((10, 6), Image.Resampling.BOX)
    assert np.abs(np.asarray(expected, float) - np.asarray(found, float)).max() < 8


def with_adobe_transform(data: bytes, transform: int) -> bytes:
    at = data.index(b"Adobe") + 11
    return data[:at] + bytes([transform]) + data[at + 1 :]


def test_ink_stays_ink() -> None:
    cmyk = encoded(soft(160, 96).convert("CMYK"))
    colours_agree(cmyk)
    colours_agree(with_adobe_transform(cmyk, 2))  # YCCK


def test_pictures_of_several_images_give_the_first() -> None:
    out, frames = io.BytesIO(), [soft(320, 192), soft(160, 96).rotate(180)]
    frames[0].save(out, "MPO", save_all=True, append_images=frames[1:], quality=95)
    colours_agree(out.getvalue())
    assert decode_at_least(out.getvalue(), EIGHTH).size == (320, 192)


def test_a_picture_with_a_gain_map_is_its_base() -> None:
    xmp = b'<x:xmpmeta><rdf:Description hdrgm:Version="1.0"/></x:xmpmeta>'
    base = encoded(soft(320, 192), xmp=xmp)
    colours_agree(base + encoded(soft(40, 24)))


def test_a_profile_is_applied() -> None:
    import profiles

    colours_agree(encoded(soft(160, 96), icc_profile=profiles.blue_is_red()))


def test_what_cannot_be_read_in_full_cannot_be_read_in_part() -> None:
    data = encoded(soft(160, 96))
    frame = data.index(b"\xff\xc0")
    twelve_bits = data[: frame + 4] + b"\x0c" + data[frame + 5 :]
    for damaged in (twelve_bits, data[:frame] + data[frame + 2 :], data[:3], b"\xff\xd8"):
        reasons = []
        for work in (decode, lambda one: decode_at_least(one, EIGHTH), memory_of):
            try:
                work(damaged)
                reasons.append("")
            except PictureError as error:
                reasons.append(str(error))
        assert reasons[0] and reasons[0] == reasons[1]


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("least", [10, 20, 45])
def test_what_is_cut_short_is_refused_or_lacks_no_pixel(form: str, least: int) -> None:
    data = encoded(soft(181, 117), **FORMS[form])
    small = decode_at_least(data, Least(least, least)).pixels
    refused = 0
    for end in (*range(200, len(data), 61), *range(len(data) - 12, len(data))):
        for cut in (data[:end], data[:end] + b"\xff\xd9"):
            try:
                shown = decode_at_least(cut, Least(least, least)).pixels
            except PictureError:
                refused += 1
                continue
            if cut is not data[:end]:
                continue  # the last scans of a progressive JPEG may be cut off; see docs/api.md
            np.testing.assert_array_equal(shown, small)
    assert refused > 20
    np.testing.assert_array_equal(decode_at_least(data[:-2], Least(least, least)).pixels, small)


def lossless(levels: NDArray[np.uint8]) -> bytes:
    """A grey lossless JPEG (ITU T.81, process 14): each level as its difference to the left."""
    rows, cols = levels.shape
    before = np.concatenate([np.full((rows, 1), 128), levels[:, :-1]], 1).astype(int)
    before[1:, 0] = levels[:-1, 0]
    bits = ""
    for difference in (levels - before).ravel().tolist():
        size = abs(difference).bit_length()
        code = difference if difference >= 0 else difference + (1 << size) - 1
        bits += f"{size:04b}" + (f"{code:0{size}b}" if size else "")
    bits += "1" * (-len(bits) % 8)
    coded = int(bits, 2).to_bytes(len(bits) // 8, "big").replace(b"\xff", b"\xff\x00")

    def segment(marker: int, content: bytes) -> bytes:
        return bytes([0xFF, marker]) + (len(content) + 2).to_bytes(2, "big") + content

    size = rows.to_bytes(2, "big") + cols.to_bytes(2, "big")
    table = bytes([0, 0, 0, 0, 9, *[0] * 12, *range(9)])  # 9 codes of 4 bits
    return (
        b"\xff\xd8"
        + segment(0xC3, b"\x08" + size + b"\x01\x01\x11\x00")
        + segment(0xC4, table)
        + segment(0xDA, b"\x01\x01\x00\x01\x00\x00")
        + coded
        + b"\xff\xd9"
    )


def test_lossless_jpegs_are_decoded_in_full() -> None:
    levels = np.asarray(soft(96, 48).convert("L"))
    found = decode_at_least(lossless(levels), EIGHTH)
    assert found.part == 1
    np.testing.assert_array_equal(found.pixels, np.repeat(levels[:, :, None], 3, 2))


@given(st.integers(1, 900), st.integers(1, 900), st.integers(1, 300))
def test_thumbnails_are_those_of_pillow(width: int, height: int, side: int) -> None:
    pixels = np.random.default_rng(side).integers(0, 256, (height, width, 3), np.uint8)
    expected = Image.fromarray(pixels)
    expected.thumbnail((side, side), Image.Resampling.HAMMING)
    assert within((width, height), side) == expected.size
    found = UprightPicture.whole(pixels).thumbnail(side)
    np.testing.assert_array_equal(np.asarray(found), np.asarray(expected))


def test_a_thumbnail_has_the_proportions_of_the_original() -> None:
    picture = decode_at_least(encoded(ramp(1201, 799)), Least(longest=150))
    assert picture.pixels.shape == (100, 151, 3)
    assert picture.thumbnail(140).size == within((1201, 799), 140) == (140, 93)


# Limits.

SMALL = ImageLimits(max_pixels=10_000)


def test_a_jpeg_in_the_file_may_have_four_times_the_pixels_that_are_decoded() -> None:
    most, over = encoded(soft(200, 200)), encoded(soft(200, 201))
    assert decode_at_least(most, EIGHTH, SMALL).size == (200, 200)
    for work in (lambda: decode_at_least(over, EIGHTH, SMALL), lambda: memory_of(
        over, SMALL, least=EIGHTH
    )):  # fmt: skip
        with pytest.raises(PictureError, match=r"200x201, 40200 pixels; at most 40000 .*1/8"):
            work()
    with pytest.raises(PictureError, match="40000 pixels; at most 10000 are allowed"):
        decode(most, SMALL)
    with pytest.raises(PictureError, match="at most 10000 are allowed"):
        decode_at_least(most, Least(101, 101), SMALL)


def test_coefficients_that_are_kept_have_a_limit_of_their_own() -> None:
    """Of a progressive JPEG all are, 2 bytes each; 12 bytes a pixel that may be decoded."""
    fine = encoded(soft(200, 192), progressive=True)  # subsampled: 3 bytes a pixel
    assert Header.of(fine).coefficients == 208 * 192 * 3
    assert memory_of(fine, SMALL, least=EIGHTH) == 25 * 24 * 12 + 208 * 192 * 3
    assert decode_at_least(fine, EIGHTH, SMALL).part == 8
    large = encoded(soft(200, 192), progressive=True, subsampling=0)
    with pytest.raises(PictureError, match=r"230400 bytes of memory; at most 120000 .* baseline"):
        decode_at_least(large, EIGHTH, SMALL)


def test_colours_one_after_the_other_are_kept_too() -> None:
    """As is whatever a first scan has not all components of."""
    data = encoded(soft(64, 64), subsampling=0)
    assert Header.of(data).coefficients == 0
    at = data.index(b"\xff\xda")
    first = b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00"
    assert Header.of(data[:at] + first).coefficients == 3 * 64 * 64 * 2


def test_a_photograph_of_108_megapixels_takes_the_memory_of_its_part(
    tmp_path: pytest.TempPathFactory,
) -> None:
    path = f"{tmp_path}/large.jpg"
    Image.new("L", (12_000, 9_000), 90).save(path)
    program = (
        "import resource, sys\n"
        "from partlens.common.pictures import Least, decode_at_least, memory_of\n"
        "data = open(sys.argv[1], 'rb').read()\n"
        "least = Least(448, 448)\n"
        "peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "before = peak()\n"
        "picture = decode_at_least(data, least)\n"
        "print(*picture.size, picture.part, peak() - before, memory_of(data, least=least))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    width, height, part, taken, counted = map(int, done.stdout.split())
    assert (width, height, part) == (12_000, 9_000, 8)
    assert counted == 1500 * 1125 * 12
    assert taken < counted + 16 * 2**20  # the libraries themselves, once


@pytest.mark.parametrize("least", [None, Least(50, 40)])
def test_memory_is_reserved_before_pixels_are_decoded(least: Least | None) -> None:
    data = encoded(soft(400, 320))
    asked: list[int] = []
    decode_at_least(data, least, reserve=asked.append)
    assert asked == [memory_of(data, least=least)]

    def refuse(_: int) -> None:
        raise InterruptedError

    with pytest.raises(InterruptedError):
        decode_at_least(data, least, reserve=refuse)
