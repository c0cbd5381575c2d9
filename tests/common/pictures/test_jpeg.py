"""A JPEG without its end marker is a picture; one without some of its pixels is none."""

import io
from itertools import product
from typing import Any

import numpy as np
import pytest
from PIL import Image

from partlens.common.pictures import PictureError, decode

NOISE = Image.fromarray(np.random.default_rng(2).integers(0, 256, (9, 11, 3), np.uint8))
SMOOTH = NOISE.resize((90, 70), Image.Resampling.BICUBIC)
FORMS: dict[str, dict[str, Any]] = {
    "baseline": {},
    "progressive": {"progressive": True},
    "no subsampling": {"subsampling": 0, "quality": 95},
    "coarse": {"quality": 10},
    "own tables": {"optimize": True},
    "restarts": {"restart_marker_rows": 1},
}


def encoded(mode: str, form: str) -> bytes:
    out = io.BytesIO()
    SMOOTH.convert(mode).save(out, "JPEG", **FORMS[form])
    return out.getvalue()


@pytest.mark.parametrize(("mode", "form"), [*product(("RGB", "L", "CMYK"), FORMS)])
def test_a_jpeg_may_lack_its_end_marker_and_nothing_more(mode: str, form: str) -> None:
    data = encoded(mode, form)
    whole = decode(data)
    for without in (data[:-1], data[:-2], data[:-2] + bytes(30)):
        np.testing.assert_array_equal(decode(without), whole)
    for cut in (*range(3, 40), *range(40, len(data), 97)):
        try:
            shown = decode(data[:-cut])
        except PictureError:
            continue
        # A last byte may hold nothing but filling.
        assert cut == 3
        np.testing.assert_array_equal(shown, whole)


def test_a_progressive_jpeg_that_lacks_a_scan_is_refused() -> None:
    data = encoded("RGB", "progressive")
    scans = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    assert len(scans) > 5
    for start in scans[1:]:
        with pytest.raises(PictureError, match="cut short"):
            decode(data[:start])


@pytest.mark.parametrize(("mode", "form"), [*product(("RGB", "L", "CMYK"), FORMS)])
def test_an_end_marker_before_the_last_pixels_is_found(mode: str, form: str) -> None:
    data = encoded(mode, form)
    first_scan = data.index(b"\xff\xda")
    second_scan = data.find(b"\xff\xda", first_scan + 2)
    # A progressive picture is blurred, not grey, near what its first scan has.
    end, shares = (second_scan, (0.1,)) if second_scan > 0 else (len(data), (0.1, 0.5, 0.8))
    for share in shares:
        kept = data[: first_scan + 14 + round((end - first_scan - 14) * share)]
        with pytest.raises(PictureError, match="ends before its last pixels"):
            decode(kept + b"\xff\xd9" + b"whatever follows")


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_a_picture_that_ends_in_grey_is_whole(mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (40, 30), (128,) * len(mode) if len(mode) > 1 else 128).save(out, "JPEG")
    assert decode(out.getvalue()).shape == (30, 40, 3)
