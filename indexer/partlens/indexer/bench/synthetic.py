"""A gallery of random contributions, with similarities like those of real images."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from partlens.common.media_digest import media_digest
from partlens.common.metadata import Metadata
from partlens.common.pictures import UprightPicture
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.scoring import QueryPart, query_part
from partlens.indexer.gallery import Gallery, NewImage
from partlens.indexer.picture import thumbnail as encoded_thumbnail

GRID, DIMENSIONS = (8, 4), 128
CELL = 16
"""Side of a cell, in pixels."""
_POSITIONS = GRID[0] * GRID[1]
_STYLES, _IMAGES_EACH, _CAMERAS = 300, 10, 16
_BACKGROUND, _NOTHING = 0.15, 0.1
"""Fractions of positions that show something common to many images, and that contribute nothing."""
_NOISE = 0.5
_COMMIT = 1024


def make_model(folder: Path) -> MetricModel:
    """A model with this grid and dimensions and random weights, for a server to load."""
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module("patches", nn.Conv2d(3, 16, CELL, CELL))
    net.add_module("pool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flatten", nn.Flatten())
    net.add_module("embed", nn.Linear(16, DIMENSIONS))
    size = Preprocessing(GRID[0] * CELL, GRID[1] * CELL)
    made = MetricModel.from_module(
        net.eval(), feature_layer="patches", preprocessing=size, name="synthetic", licence="none"
    )
    return made.save(folder)


def contributions(first: int, count: int) -> NDArray[np.float32]:
    """c_p of images first to first + count - 1, shape [count, P, D].

    Every two positions show a part of a subject, in one of _STYLES styles. Each subject appears in
    _IMAGES_EACH images. Magnitudes are log-normal, and half of each contribution is noise.
    """
    styles = np.random.default_rng(0).standard_normal((_POSITIONS // 2, _STYLES, DIMENSIONS))
    styles = styles.astype(np.float32) / np.sqrt(DIMENSIONS)
    made = np.empty((count, _POSITIONS, DIMENSIONS), np.float32)
    part = np.arange(_POSITIONS) // 2
    for i in range(count):
        subject = np.random.default_rng([1, (first + i) // _IMAGES_EACH])
        chosen = subject.integers(0, _STYLES, _POSITIONS // 2)
        image = np.random.default_rng([2, first + i])
        shown = chosen[part]
        kind = image.random(_POSITIONS)
        shown = np.where(kind < _BACKGROUND, image.integers(0, 5, _POSITIONS), shown)
        noise = image.standard_normal((_POSITIONS, DIMENSIONS), np.float32)
        noise *= _NOISE / np.sqrt(DIMENSIONS)
        size = image.lognormal(0, 0.5, (_POSITIONS, 1)).astype(np.float32)
        made[i] = (styles[part, shown] + noise) * size
        made[i, kind > 1 - _NOTHING] = 0
    return made


def name(number: int) -> str:
    """The id of an image."""
    return f"{number:08}"


def thumbnail() -> bytes:
    """A JPEG of the size of a thumbnail of a person."""
    noise = np.random.default_rng(0).integers(0, 256, (40, 20, 3), np.uint8)
    pixels = np.kron(noise, np.ones((4, 4, 1), np.uint8))
    return encoded_thumbnail(UprightPicture.whole(pixels))


def fill(
    gallery: Gallery,
    count: int,
    thumbnail: bytes = b"",
    *,
    first: int = 0,
    rectified: bool = False,
    after_commit: Callable[[int], None] = lambda _: None,
) -> None:
    """Add the images that are missing, all with the same thumbnail, and index them.

    Args:
        count: images that the gallery has then.
        first: number of its first image.
        rectified: contributions have zeros in the place of negative numbers, as after a ReLU.
        after_commit: called with the number of images in the gallery.
    """
    end = first + count
    for start in range(first + len(gallery.view), end, _COMMIT):
        some = range(start, min(start + _COMMIT, end))
        made = contributions(start, len(some))
        if rectified:
            made = np.maximum(made, 0)
        bias = np.full(DIMENSIONS, 0.02, np.float32)
        gallery.add(
            [
                NewImage(
                    id=name(number),
                    uri=f"file:///synthetic/{name(number)}.jpg",
                    media_digest=media_digest(name(number).encode()),
                    width=GRID[1] * CELL,
                    height=GRID[0] * CELL,
                    thumbnail=thumbnail,
                    metadata=Metadata(f"c{number % _CAMERAS}", str(number // _IMAGES_EACH)),
                    contributions=made[number - start],
                    bias=bias,
                )
                for number in some
            ]
        )
        after_commit(len(gallery.view))
    gallery.compact()


@dataclass(frozen=True, eq=False)
class Query:
    """A region of two by two cells of a gallery image.

    Attributes:
        id: id of the image.
        box: (x, y, width, height) in its pixels.
        part: the region, prepared for a search.
        cells: contributions of the region, scaled to length 1, shape [n, D].
    """

    id: str
    box: tuple[int, int, int, int]
    part: QueryPart
    cells: NDArray[np.float32]


def queries(gallery: Gallery, count: int) -> Iterator[Query]:
    """Queries from different images; each region contributes something."""
    random = np.random.default_rng(3)
    for number in random.permutation(len(gallery.view)):
        if not count:
            return
        id = name(int(number))
        contributions, bias = gallery.view.decompositions([id])
        row, col = random.integers(0, (GRID[0] - 1, GRID[1] - 1))
        weights = np.zeros(GRID, np.float32)
        weights[row : row + 2, col : col + 2] = 1
        cells = contributions[0][weights.reshape(-1) > 0]
        cells = cells[np.linalg.norm(cells, axis=1) > 0]
        if len(cells):
            part = query_part(contributions[0], bias[0], weights.reshape(-1), GRID)
            box = (int(col) * CELL, int(row) * CELL, 2 * CELL, 2 * CELL)
            yield Query(id, box, part, cells / np.linalg.norm(cells, axis=1, keepdims=True))
            count -= 1
