"""Decoding in strips gives the whole picture, ends with its caller, and is bounded."""

import gc
import io
import re
from collections.abc import Callable

import fuzz_pictures
import numpy as np
import pytest
from encoded_pictures import TRUE_COLOUR, png
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageFile, ImageOps

from partlens.common.pictures import ImageLimits, PictureError, decode, inside, memory_of, stored

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "TIFF", "BMP", "PPM", "AVIF", "HEIF")
WHOLE = {
    name: data
    for name, data in fuzz_pictures.whole().items()
    if name not in ("jpeg 2000", "tiff floats", "eps", "pdf", "ico", "svg")
}


class Gone(Exception):
    """What a caller's leaving raises."""


def leaving(after: int) -> Callable[[], None]:
    """A caller that waits for so many questions."""
    asked = [0]

    def require_waiting() -> None:
        asked[0] += 1
        if asked[0] > after:
            raise Gone

    return require_waiting


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("turn", [1, 6])
def test_strips_are_what_pillow_decodes_as_a_whole(kind: str, turn: int) -> None:
    rng = np.random.default_rng(3)
    noise = Image.fromarray(rng.integers(0, 256, (90, 70, 3), np.uint8))
    picture = noise.resize((1200, 1000), Image.Resampling.BICUBIC)
    exif, out = Image.Exif(), io.BytesIO()
    exif[0x0112] = turn
    more = {"exif": exif} if kind in ("JPEG", "PNG", "WEBP") else {}
    picture.save(out, kind, **more)
    with Image.open(io.BytesIO(out.getvalue())) as opened:
        whole = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
    assert np.array_equal(decode(out.getvalue()), whole)


@pytest.mark.parametrize("name", WHOLE)
def test_the_height_of_strips_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels, marked = decode(WHOLE[name]), inside(WHOLE[name], lambda width, height: None)
    monkeypatch.setattr(stored, "_STRIP_PIXELS", 30)
    assert np.array_equal(decode(WHOLE[name]), pixels)
    assert np.array_equal(inside(WHOLE[name], lambda width, height: None), marked)


@given(name=st.sampled_from(sorted(WHOLE)), after=st.integers(0, 30))
def test_decoding_ends_where_its_caller_leaves_or_is_complete(name: str, after: int) -> None:
    try:
        pixels = decode(WHOLE[name], require_waiting=leaving(after))
    except Gone:
        pass
    else:
        assert np.array_equal(pixels, decode(WHOLE[name]))
    if after == 0:
        for work in (decode, memory_of):
            with pytest.raises(Gone):
                work(WHOLE[name], require_waiting=leaving(0))


def _images() -> int:
    return sum(issubclass(type(one), ImageFile.ImageFile) for one in gc.get_objects())


def test_a_caller_that_leaves_leaves_no_image_behind() -> None:
    """The error's traceback and context must not keep it until the next garbage collection."""
    data = png(np.zeros((2000, 3000, 3), np.uint8), 8, TRUE_COLOUR)
    gc.collect()
    gc.disable()
    try:
        before = _images()
        with pytest.raises(Gone):
            decode(data, require_waiting=leaving(8))
        after = _images()
    finally:
        gc.enable()
    assert after == before


@pytest.mark.parametrize(("rows", "cols"), [(65_536, 1), (1, 65_536)])
def test_a_side_beyond_any_jpeg_is_refused(rows: int, cols: int) -> None:
    data = png(np.zeros((rows, cols, 3), np.uint8), 8, TRUE_COLOUR)
    for work in (decode, memory_of):
        with pytest.raises(PictureError, match=f"{cols}x{rows}; a side may have at most 65535"):
            work(data)


def test_a_jpeg_of_endless_scans_is_refused() -> None:
    data = WHOLE["jpeg progressive"]
    first = data.index(b"\xff\xda")
    scan = data[first : re.search(rb"\xff[^\x00\xda]", data[first + 2 :]).start() + first + 2]  # type: ignore[union-attr]
    with pytest.raises(PictureError, match="scans; at most 100 are allowed"):
        decode(data[:first] + scan * 200 + data[first:])


def test_memory_is_known_from_the_header() -> None:
    assert memory_of(WHOLE["png"]) == memory_of(WHOLE["png"][:60]) == 12 * 16 * 12
    assert memory_of(WHOLE["jpeg progressive"]) == 12 * 16 * 16
    assert memory_of(WHOLE["webp"]) == memory_of(WHOLE["heic"]) == 12 * 16 * 20
    with pytest.raises(PictureError, match="at most 100 are allowed"):
        memory_of(WHOLE["png"], ImageLimits(max_pixels=100))
