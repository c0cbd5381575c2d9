"""Photographs of many megapixels to measure with, made of small pictures."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from partlens.common.pictures import decode
from partlens.indexer.sources import SourceImage

_DIFFERENT = 8
"""Photographs that are made; further ones are links to these."""
_QUALITY = 92
"""Of the JPEGs; with the noise, a megapixel takes about 0.4 MB, as of a phone."""
_GRAIN, _PER_LEVEL, _COLOUR = 1.5, 0.35, 2.5
"""Noise of brightness in the dark, and per root of the level; noise of colour; in levels."""
_COLOUR_SIDE = 4
"""Pixels of a speck of coloured noise."""


def write_photographs(
    folder: Path, pictures: Sequence[SourceImage], megapixels: float, count: int
) -> None:
    """Write JPEGs of these pictures, enlarged, with the noise of a camera's sensor.

    Args:
        folder: to write them to.
        pictures: read in turn, at most _DIFFERENT of them.
        megapixels: size of each, in millions of pixels.
        count: how many files.
    """
    some = pictures[: min(_DIFFERENT, count)]
    for number in range(count):
        path, first = folder / f"{number:06}.jpg", folder / f"{number % len(some):06}.jpg"
        if number >= len(some):
            os.link(first, path)
            continue
        photograph = enlarged(decode(some[number].read()), megapixels, number)
        photograph.save(path, "JPEG", quality=_QUALITY)


def enlarged(pixels: NDArray[np.uint8], megapixels: float, seed: int) -> Image.Image:
    """A picture [height, width, 3] with so many millions of pixels, and noise.

    Shot noise grows with the level; cameras smooth the noise of colours, so that it is coarser.
    """
    rows, cols = pixels.shape[:2]
    scale = (megapixels * 1e6 / (rows * cols)) ** 0.5
    size = (max(1, round(cols * scale)), max(1, round(rows * scale)))
    large = Image.fromarray(pixels).resize(size, Image.Resampling.LANCZOS)
    levels = np.asarray(large, np.float32)
    rng, (height, width) = np.random.default_rng(seed), levels.shape[:2]
    strength = _GRAIN + _PER_LEVEL * np.sqrt(levels.mean(2, keepdims=True))
    grain = rng.standard_normal((height, width, 1), np.float32) * strength
    specks = (-(-height // _COLOUR_SIDE), -(-width // _COLOUR_SIDE), 3)
    colour = rng.standard_normal(specks, np.float32) * _COLOUR
    colour = colour.repeat(_COLOUR_SIDE, 0).repeat(_COLOUR_SIDE, 1)[:height, :width]
    return Image.fromarray((levels + grain + colour).clip(0, 255).astype(np.uint8))
