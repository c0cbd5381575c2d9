"""Pictures of phones, where pillow-heif is installed, and a clear word where it is not."""

import io
import subprocess
import sys

import numpy as np
import pillow_heif
import profiles
import pytest
from encoded_pictures import exif
from PIL import Image

from partlens.common.pictures import ImageLimits, PictureError, decode

PIXELS = np.random.default_rng(4).integers(0, 256, (60, 40, 3), np.uint8)
COLOUR = Image.fromarray(PIXELS)


def heic(image: Image.Image, **options: object) -> bytes:
    """A HEIC that keeps every level."""
    pillow_heif.register_heif_opener()
    out = io.BytesIO()
    lossless = {"quality": -1, "chroma": 444, "matrix_coefficients": 0}
    image.save(out, "HEIF", **{**lossless, **options})
    return out.getvalue()


def test_a_heic_is_decoded_upright_and_in_its_colours() -> None:
    np.testing.assert_array_equal(decode(heic(COLOUR)), PIXELS)
    turned = decode(heic(COLOUR, exif=b"Exif\0\0" + exif(6)))
    np.testing.assert_array_equal(turned, np.rot90(PIXELS, -1))
    marked = heic(COLOUR, icc_profile=profiles.blue_is_red())
    np.testing.assert_array_equal(decode(marked), PIXELS[..., ::-1])


def test_what_is_transparent_in_a_heic_is_white() -> None:
    image = COLOUR.convert("RGBA")
    opaque = np.indices((60, 40)).sum(0) % 2 == 0
    image.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    wanted = np.where(opaque[..., None], PIXELS, 255)
    np.testing.assert_array_equal(decode(heic(image)), wanted)


def test_a_heic_has_limits_and_must_be_whole() -> None:
    data = heic(COLOUR)
    with pytest.raises(PictureError, match="40x60, 2400 pixels; at most 2399"):
        decode(data, ImageLimits(max_pixels=2399))
    for cut in (12, 100, len(data) // 2):
        with pytest.raises(PictureError):
            decode(data[:cut])


def test_a_heic_larger_than_it_says_is_refused() -> None:
    data = heic(Image.new("RGB", (2000, 2000)))
    sizes = [side.to_bytes(4, "big") * 2 for side in (2000, 64)]
    with pytest.raises(PictureError):
        decode(data.replace(b"ispe\0\0\0\0" + sizes[0], b"ispe\0\0\0\0" + sizes[1]))


def test_without_pillow_heif_the_refusal_says_what_to_install() -> None:
    program = (
        "import sys; sys.modules['pillow_heif'] = None\n"
        "from partlens.common.pictures import PictureError, decode\n"
        "try: decode(sys.stdin.buffer.read())\n"
        "except PictureError as error: print(error)"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], input=heic(COLOUR), capture_output=True, timeout=60
    )
    assert b'pip install "partlens[heic]"' in told.stdout, told.stderr


def test_other_pictures_start_no_heic_decoder() -> None:
    program = (
        "import sys\n"
        "from partlens.common.pictures import decode\n"
        "decode(sys.stdin.buffer.read()); print('pillow_heif' in sys.modules)"
    )
    out = io.BytesIO()
    COLOUR.save(out, "AVIF")
    told = subprocess.run(
        [sys.executable, "-c", program], input=out.getvalue(), capture_output=True, timeout=60
    )
    assert told.stdout == b"False\n", told.stderr
