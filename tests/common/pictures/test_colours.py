"""Embedded profiles are applied; those that cannot be change nothing."""

import io
import random

import numpy as np
import profiles
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms

from partlens.common.pictures import decode

PIXELS = np.random.default_rng(0).integers(0, 256, (30, 20, 3), np.uint8)
COLOUR = Image.fromarray(PIXELS)
GREY = np.arange(256, dtype=np.uint8).reshape(16, 16)


def shown(
    image: Image.Image, kind: str, profile: bytes | None, **options: object
) -> NDArray[np.int64]:
    out = io.BytesIO()
    image.save(out, kind, icc_profile=profile, **options)
    return decode(out.getvalue()).astype(int)


def srgb_levels(light: NDArray[np.float64]) -> NDArray[np.float64]:
    """Levels of sRGB, by its definition, for shares of the white's light."""
    curve = 1.055 * np.maximum(light, 1e-9) ** (1 / 2.4) - 0.055
    return 255 * np.where(light <= 0.0031308, 12.92 * light, curve)


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP"])
def test_colours_are_what_the_profile_says(kind: str) -> None:
    swapped = shown(COLOUR, kind, profiles.blue_is_red(), lossless=True)
    np.testing.assert_array_equal(swapped, PIXELS[..., ::-1])


def test_a_palette_and_colours_with_alpha_have_profiles_too() -> None:
    for image in (COLOUR.quantize(64), Image.fromarray(np.dstack([PIXELS, PIXELS[..., 0]]))):
        plain = shown(image, "PNG", None)
        swapped = shown(image, "PNG", profiles.blue_is_red())
        np.testing.assert_array_equal(swapped, plain[..., ::-1])


@pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
def test_grey_is_what_the_profile_says(mode: str) -> None:
    deep = Image.fromarray(GREY.astype(np.uint16) * 257)
    image = deep if mode == "I;16" else Image.fromarray(GREY).convert(mode)
    wanted = srgb_levels((GREY / 255) ** 1.80078125)
    result = shown(image, "PNG", profiles.grey(1.80078125))
    np.testing.assert_allclose(result, np.repeat(wanted[..., None], 3, 2), atol=2)


def test_inks_are_what_the_profile_says() -> None:
    inks = np.random.default_rng(1).integers(0, 256, (8, 8, 4), np.uint8)
    inks[..., 3] = np.arange(0, 256, 4).reshape(8, 8)
    lightness = 100 * (1 - inks[..., 3] / 255)
    light = np.where(lightness > 8, ((lightness + 16) / 116) ** 3, lightness / 903.3)
    image = Image.frombytes("CMYK", (8, 8), inks.tobytes())
    result = shown(image, "TIFF", profiles.black_ink_alone())
    np.testing.assert_allclose(result, np.repeat(srgb_levels(light)[..., None], 3, 2), atol=2)


def test_lab_needs_no_profile() -> None:
    lab = ImageCms.profileToProfile(
        COLOUR, ImageCms.createProfile("sRGB"), ImageCms.createProfile("LAB"), outputMode="LAB"
    )
    assert lab is not None
    # 8 bits of Lab are coarse.
    assert np.abs(shown(lab, "TIFF", None) - PIXELS).mean() < 2


@pytest.mark.parametrize(
    "profile",
    [profiles.srgb(), profiles.black_ink_alone(), profiles.grey(1.0), b"none", b"a" * 2**23],
    ids=["sRGB", "of inks", "of grey", "no profile", "too large"],
)
def test_a_profile_that_says_nothing_of_colours_changes_nothing(profile: bytes) -> None:
    np.testing.assert_array_equal(shown(COLOUR, "TIFF", profile), PIXELS)


def test_a_damaged_profile_makes_no_picture_unusable() -> None:
    chosen = random.Random(1)
    whole = [profiles.blue_is_red(), profiles.black_ink_alone(), profiles.grey(1.8)]
    images = [COLOUR, Image.fromarray(GREY), COLOUR.convert("CMYK")]
    for _ in range(300):
        damaged = bytearray(chosen.choice(whole))
        for _ in range(chosen.choice((1, 3, 20))):
            damaged[chosen.randrange(len(damaged))] = chosen.choice((0, 1, 128, 255))
        image = chosen.choice(images)
        assert shown(image, "TIFF", bytes(damaged)).shape == (image.height, image.width, 3)
