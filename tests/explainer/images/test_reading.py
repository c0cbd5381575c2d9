"""Images in every form that a user has them in give the same pixels, or a clear error."""

import io
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from partlens.explainer import ImageError, ImageLike, read_image
from partlens.explainer.images import decode
from partlens.explainer.reading import read_images

Pixels = NDArray[np.uint8]


def pixels(seed: int = 0, shape: tuple[int, ...] = (6, 9, 3)) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, shape, np.uint8)


def png(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


@given(st.integers(0, 2**16), st.integers(1, 7), st.integers(1, 7))
def test_every_form_of_an_image_gives_the_same_pixels(seed: int, height: int, width: int) -> None:
    expected = pixels(seed, (height, width, 3))
    chw = torch.from_numpy(expected.transpose(2, 0, 1).copy())
    encoded = png(Image.fromarray(expected))
    forms: list[ImageLike] = [
        encoded,
        Image.fromarray(expected),
        expected,
        expected[:, ::-1][:, ::-1],  # not contiguous
        expected.astype(np.float64) / 255,
        expected.astype(np.float32) / 255,
        chw,
        chw.float() / 255,
        (chw.double() / 255).requires_grad_(),
    ]
    for form in forms:
        np.testing.assert_array_equal(read_image(form), expected)


def test_a_file_is_read_by_its_path_or_its_name(tmp_path: Path) -> None:
    expected = pixels()
    path = tmp_path / "a.png"
    path.write_bytes(png(Image.fromarray(expected)))
    for given_as in (path, str(path)):
        np.testing.assert_array_equal(read_image(given_as), expected)
    assert [image.name for image in read_images([str(path), path, expected])] == [
        *("a.png", "a.png", ""),
    ]


def test_grey_images_become_rgb() -> None:
    grey = pixels(shape=(4, 5))
    expected = np.stack([grey] * 3, 2)
    for form in (grey, torch.from_numpy(grey)[None], Image.fromarray(grey)):
        np.testing.assert_array_equal(read_image(form), expected)


MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16")


@pytest.mark.parametrize("mode", MODES)
def test_a_pil_image_gives_the_pixels_of_its_file(mode: str) -> None:
    image = Image.fromarray(pixels(1, (8, 8, 4)), "RGBA")
    if mode == "I;16":
        image = Image.fromarray(pixels(1, (8, 8)).astype(np.uint16) * 257)
    elif mode == "PA":
        image = image.quantize(8)  # with alpha
    else:
        image = (image if mode in ("LA", "RGBA") else image.convert("RGB")).convert(mode)
    out = io.BytesIO()
    kind = "TIFF" if mode in ("CMYK", "YCbCr") else "PNG"
    image.save(out, kind)
    opened = Image.open(io.BytesIO(out.getvalue()))
    np.testing.assert_array_equal(read_image(opened), decode(out.getvalue()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_pil_image_is_turned_as_its_exif_data_says(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = png(Image.fromarray(pixels(2)), exif=exif)
    np.testing.assert_array_equal(read_image(Image.open(io.BytesIO(data))), decode(data))


WRONG: list[tuple[object, str]] = [
    (None, "an image is a path, encoded bytes.*got None"),
    ({"image": 1}, "got dict"),
    (io.BytesIO(b""), "got BytesIO: give its path, or the bytes that read"),
    ("nowhere.jpg", "nowhere.jpg: No such file"),
    ("https://example.org/a.jpg", "is an address; download"),
    ("a\0b.jpg", "not a path"),
    (b"", "is empty"),
    (b"GIF", "image"),
    (pixels().transpose(2, 0, 1), r"got \[3, 6, 9\]: move the channels to the end"),
    (pixels(shape=(6, 9, 4)), r"got \[6, 9, 4\]: blend its alpha"),
    (pixels(shape=(2, 6, 9, 3)), r"several images; give one of them"),
    (np.zeros((0, 9, 3), np.uint8), "it is empty"),
    (np.zeros((6, 9, 3), np.int64), "must hold uint8 from 0 to 255, or floats.*got int64"),
    (np.zeros((6, 9, 3), np.bool_), "got bool"),
    (np.full((6, 9, 3), 255.0), "values from 0 to 1; got 255 to 255. Divide"),
    (np.full((6, 9, 3), -0.1), "decompose_pixels"),
    (np.full((6, 9, 3), np.nan), "got nan to nan"),
    (torch.zeros(6, 9, 3), r"got \[6, 9, 3\]: move the channels to the front"),
    (torch.zeros(1, 3, 6, 9), "several images"),
    (torch.zeros(3, 6, 9, dtype=torch.int32), "got int32"),
    (Image.new("F", (3, 3)), "floating-point"),
]


@pytest.mark.parametrize(("image", "message"), WRONG, ids=[text for _, text in WRONG])
def test_what_is_no_image_is_refused_with_what_is_allowed(image: object, message: str) -> None:
    with pytest.raises(ImageError, match=message):
        read_image(image)  # type: ignore[arg-type]


def test_of_several_images_the_one_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=re.escape("image 1: nowhere.jpg: No such file")):
        read_images([pixels(), "nowhere.jpg"])


def test_one_image_counts_where_several_do_and_a_batch_is_several() -> None:
    one = pixels()
    assert len(read_images(one)) == len(read_images(png(Image.fromarray(one)))) == 1
    batch = np.stack([one, one[::-1]])
    for several in (batch, torch.from_numpy(batch.transpose(0, 3, 1, 2).copy()), iter(batch)):
        found = [image.picture.pixels for image in read_images(several)]
        np.testing.assert_array_equal(np.stack(found), batch)
    assert read_images([]) == []
