"""Every kind of picture a user may send comes out as upright RGB, or as a clear error."""

import io
import zlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import ImageLimits
from partlens.explainer.errors import ImageError
from partlens.explainer.images import decode, image_files
from partlens.explainer.preprocessing import ColourOrder, Preprocessing, Resize

LEFT_RED = Image.new("RGB", (40, 20), "blue")
LEFT_RED.paste("red", (0, 0, 20, 20))


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def is_left_red(image: NDArray[np.uint8]) -> bool:
    assert image.dtype == np.uint8 and image.shape == (20, 40, 3)
    red, blue = image[:, :16].reshape(-1, 3).mean(0), image[:, 24:].reshape(-1, 3).mean(0)
    return bool(red[0] > 200 and red[2] < 60 and blue[2] > 150 and blue[0] < 60)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM"])
def test_each_format_decodes_to_the_same_picture(kind: str) -> None:
    assert is_left_red(decode(encoded(LEFT_RED, kind)))


@pytest.mark.parametrize("mode", ["P", "RGBA", "CMYK"])
def test_each_colour_mode_decodes_to_the_same_picture(mode: str) -> None:
    assert is_left_red(decode(encoded(LEFT_RED.convert(mode), "TIFF")))


def test_a_cmyk_jpeg_is_not_inverted() -> None:
    assert is_left_red(decode(encoded(LEFT_RED.convert("CMYK"), "JPEG")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation_is_applied(orientation: int) -> None:
    undo = {
        1: None,
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }[orientation]
    stored = LEFT_RED if undo is None else LEFT_RED.transpose(undo)
    exif = Image.Exif()
    exif[0x0112] = orientation
    assert is_left_red(decode(encoded(stored, "JPEG", exif=exif)))


def test_sixteen_bit_keeps_its_levels() -> None:
    levels = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    image = decode(encoded(Image.fromarray(levels)))
    np.testing.assert_allclose(image[:, :, 0].astype(int), levels // 257, atol=1)


def test_transparency_is_shown_over_white() -> None:
    assert decode(encoded(Image.new("RGBA", (4, 4), (0, 0, 0, 0)))).min() == 255


def test_an_animation_gives_its_first_frame() -> None:
    other = Image.new("RGB", (40, 20), "green")
    data = encoded(LEFT_RED, "GIF", save_all=True, append_images=[other], duration=50)
    assert is_left_red(decode(data))


def bomb() -> bytes:
    """A PNG that says it is 60000 x 60000."""
    data = bytearray(encoded(Image.new("L", (1, 1))))
    data[16:24] = (60000).to_bytes(4, "big") * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\0",
        b"not an image at all",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        encoded(Image.effect_noise((64, 64), 50), "JPEG")[:-900],
        encoded(Image.effect_noise((64, 64), 50), "PNG")[:500],
        bomb(),
        encoded(Image.new("F", (4, 4)), "TIFF"),
    ],
    ids=["empty", "nul", "text", "eps", "cut jpeg", "cut png", "bomb", "floats"],
)
def test_what_is_not_a_usable_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError):
        decode(data)


def test_the_pictures_of_faulty_decoders_are_decoded_as_viewers_show_them(real_data: Path) -> None:
    faults = real_data / "faults"
    if not faults.is_dir():
        pytest.skip(f"there is no folder {faults}")
    shown = {path.stem: decode(path.read_bytes()) for path in faults.iterdir()}
    # None is turned: each is 32 wide and 48 high.
    assert {image.shape for image in shown.values()} == {(48, 32, 3)}
    dark, inverted = (shown[name].astype(int) for name in ("tiff-g12", "tiff-g16-miniswhite"))
    assert dark[0, 0, 0] < 5 and dark[-1, -1, 0] > 250
    np.testing.assert_allclose(dark, 255 - inverted, atol=1)
    with Image.open(faults / "png-g16-trns.bin") as stored:
        clear = np.asarray(stored) == stored.info["transparency"]
    assert clear.any() and (shown["png-g16-trns"][clear] == 255).all()


def test_files_named_like_images_are_found(tmp_path: Path) -> None:
    names = {"a.jpg", "b.JFIF", "c.jpe", "d.heic", "e.HEIF", "f.pbm", "g/h.png"}
    for name in names | {"notes.txt", "jpg", "i.mp4"}:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert {path.relative_to(tmp_path).as_posix() for path in image_files(tmp_path)} == names


def test_limits_are_named_in_the_refusal() -> None:
    data = encoded(LEFT_RED)
    with pytest.raises(ImageError, match="799"):
        decode(data, ImageLimits(max_pixels=799))
    with pytest.raises(ImageError, match="10"):
        decode(data, ImageLimits(max_bytes=10))
    assert is_left_red(decode(data, ImageLimits(max_pixels=800, max_bytes=len(data))))


@pytest.mark.parametrize("resize", ["stretch", "shortest_side_crop"])
def test_pixels_land_where_the_frame_says(resize: Resize) -> None:
    image = np.zeros((60, 90, 3), dtype=np.uint8)
    image[20:30, 50:60] = 255
    wanted = Preprocessing(height=120, width=120, resize=resize)
    rows, cols = np.nonzero(wanted.pixels(image)[0] > 0.5)
    x, y = wanted.frame(90, 60).to_input(55, 25)
    assert abs(cols.mean() + 0.5 - x) < 0.6 and abs(rows.mean() + 0.5 - y) < 0.6


def test_mean_std_and_colour_order_are_the_models_own() -> None:
    image = np.zeros((2, 2, 3), dtype=np.uint8) + np.array([10, 20, 30], dtype=np.uint8)
    wanted = Preprocessing(2, 2, "bgr", (30.0, 18.0, 0.0), (1.0, 2.0, 10.0))
    np.testing.assert_allclose(wanted.pixels(image)[:, 0, 0], [0.0, 1.0, 1.0], atol=1e-6)
    assert Preprocessing.from_json(wanted.to_json()) == wanted


@pytest.mark.parametrize("order", ["rgb", "bgr"])
def test_every_pixel_is_normalised_to_the_last_bit(order: ColourOrder) -> None:
    image = np.random.default_rng(0).integers(0, 256, (7, 5, 3), np.uint8)
    mean, std = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
    found = Preprocessing(7, 5, order, mean, std).pixels(image)
    assert found.dtype == np.float32 and found.flags.c_contiguous
    for channel, row, column in np.ndindex(3, 7, 5):
        value = np.float32(image[row, column, channel if order == "rgb" else 2 - channel])
        expected = (value - np.float32(mean[channel])) / np.float32(std[channel])
        assert found[channel, row, column] == expected
