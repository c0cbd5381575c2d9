"""What lies beside the pixels turns the picture as viewers turn it, and never makes it unusable."""

import io
import struct
import zlib

import numpy as np
import pytest
from encoded_pictures import GREY, PNG_SIGNATURE, chunk, exif, gif_with_frame, png, tiff, xmp
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import ImageLimits, PictureError, decode

SAMPLES = np.random.default_rng(5).integers(0, 256, (6, 4))
PLAIN = np.repeat(SAMPLES[..., None], 3, 2)
XMP_TEXT = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp(6)
RAW_EXIF = b"Raw profile type exif\0\nexif\n 26\n" + exif(6).hex().encode()
LONG_TEXT = zlib.compress(b"a" * 2**23)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ([chunk(b"zTXt", b"comment\0\0" + LONG_TEXT)], []),
        ([], [chunk(b"iTXt", b"comment\0\1\0\0\0" + LONG_TEXT)]),
        ([chunk(b"tEXt", b"comment\0a")] * 5000, []),
        ([chunk(b"tEXt", b"comment\0a", sound=False)], []),
        ([], [chunk(b"tEXt", b"comment\0a", sound=False)]),
        ([chunk(b"tIME", b"\0", sound=False), chunk(b"gAMA", b"1"), chunk(b"prIv", b"")], []),
        ([chunk(b"iCCP", b"huge\0\0" + zlib.compress(bytes(2**25)))], []),
        ([chunk(b"iCCP", b"damaged\0\0no stream")], []),
        ([chunk(b"iCCP", b"", sound=False)], []),
        ([chunk(b"eXIf", b"damaged")], []),
        ([chunk(b"acTL", bytes(8)), chunk(b"fcTL", bytes(26))], [chunk(b"fdAT", bytes(9))]),
        ([chunk(b"iTXt", XMP_TEXT)], []),
        ([chunk(b"tEXt", RAW_EXIF)], []),
        ([], [chunk(b"eXIf", exif(6))]),
        ([], [chunk(b"tRNS", b"\0" + bytes(SAMPLES[0, 0].astype(np.uint8)))]),
    ],
    ids=[
        *("long text", "long text behind", "many texts", "checksum", "checksum behind", "others"),
        *("huge profile", "no profile", "profile checksum", "no exif", "no animation", "xmp"),
        *("exif as text", "exif behind the pixels", "transparency behind the pixels"),
    ],
)
def test_chunks_that_pixels_do_not_need_change_nothing(
    before: list[bytes], after: list[bytes]
) -> None:
    np.testing.assert_array_equal(decode(png(SAMPLES, 8, GREY, before, after)), PLAIN)


def test_exif_before_the_pixels_turns_a_png() -> None:
    shown = decode(png(SAMPLES, 8, GREY, [chunk(b"eXIf", exif(6))]))
    np.testing.assert_array_equal(shown, np.rot90(PLAIN, -1))


@pytest.mark.parametrize("kind", [b"IHDR", b"tRNS"])
def test_a_checksum_that_the_pixels_need_is_checked(kind: bytes) -> None:
    data = png(SAMPLES, 8, GREY, [chunk(b"tRNS", b"\0\1")])
    at = data.index(kind) + 4 + int.from_bytes(data[data.index(kind) - 4 : data.index(kind)], "big")
    with pytest.raises(PictureError):
        decode(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])


def test_a_png_is_whole_when_its_pixels_are() -> None:
    samples = np.random.default_rng(6).integers(0, 256, (20, 30))
    data, accepted = png(samples, 8, GREY), 0
    for length in range(33, len(data)):
        try:
            shown = decode(data[:length])
        except PictureError:
            continue
        accepted += 1
        np.testing.assert_array_equal(shown[..., 0], samples)
    # The end marker's 12 bytes, and the checksums of the pixels.
    assert 12 <= accepted <= 20


def test_pixels_that_unpack_to_too_few_rows_are_refused() -> None:
    def with_pixels(rows: NDArray[np.uint8]) -> bytes:
        header = struct.pack(">IIBBBBB", 7, 20, 8, GREY, 0, 0, 0)
        packed = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes())
        pieces = (chunk(b"IDAT", packed[at : at + 9]) for at in range(0, len(packed), 9))
        return PNG_SIGNATURE + chunk(b"IHDR", header) + b"".join(pieces) + chunk(b"IEND", b"")

    rows = np.random.default_rng(8).integers(0, 256, (20, 7)).astype(np.uint8)
    for missing in range(1, 21):
        with pytest.raises(PictureError, match="cut short"):
            decode(with_pixels(rows[:-missing]))
    rows[-5:] = 0  # black rows are rows
    np.testing.assert_array_equal(decode(with_pixels(rows))[..., 0], rows)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF", "AVIF"])
def test_orientation_in_xmp_alone_turns_nothing(kind: str) -> None:
    image = Image.fromarray(PLAIN.astype(np.uint8)).resize((24, 36))
    out = io.BytesIO()
    image.save(out, kind, xmp=xmp(6))
    assert decode(out.getvalue()).shape == (36, 24, 3)


def test_orientation_in_the_xmp_of_a_deep_tiff_turns_nothing() -> None:
    deep = SAMPLES.astype(np.uint16) * 257
    np.testing.assert_array_equal(decode(tiff(deep, 16, xmp=xmp(6))), PLAIN)


def test_around_the_frame_of_a_gif_there_is_nothing() -> None:
    shown = decode(gif_with_frame(SAMPLES, 2, 3, 10, 12))
    wanted = np.full((12, 10, 3), 255)
    wanted[3:9, 2:6] = PLAIN
    np.testing.assert_array_equal(shown, wanted)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF")
def test_damaged_exif_turns_nothing() -> None:
    out = io.BytesIO()
    image = Image.fromarray(PLAIN.astype(np.uint8)).resize((24, 36))
    image.save(out, "JPEG", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff")
    assert decode(out.getvalue()).shape == (36, 24, 3)


def test_a_text_that_unpacks_to_gigabytes_costs_nothing() -> None:
    bomb = zlib.compress(bytes(2**28))
    data = png(SAMPLES, 8, GREY, [chunk(b"iCCP", b"x\0\0" + bomb), chunk(b"zTXt", b"x\0\0" + bomb)])
    np.testing.assert_array_equal(decode(data, ImageLimits(max_bytes=len(data))), PLAIN)
