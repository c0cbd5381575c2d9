"""Reads pairs of CVUSA (Workman et al., 2015; Zhai et al., 2017), which is not part of partlens.

It is distributed as a folder with `splits/train-19zl.csv` and `splits/val-19zl.csv`: tables without
a header, with the paths of the aerial picture and the panorama, relative to the folder, in their
first two columns ("bingmap/19/0046336.jpg,streetview/panos/0046336.jpg,..."). Aerial pictures have
north up, and the middle of every panorama faces north, so each panorama is turned at random here.
"""

import csv
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from partlens.common.files import open_regular, read_file
from partlens.explainer.errors import AnnotationError, ImageError
from partlens.explainer.evaluation.orientation.scenes import Pair
from partlens.explainer.images import decode

SPLIT = "splits/val-19zl.csv"
_ALIGNED = 180.0
"""Bearing at the left edge of a panorama that faces north."""


def read_cvusa(folder: Path, split: str = SPLIT, seed: int = 0) -> Iterator[Pair]:
    """The pairs of a split in its order, each panorama turned at random by whole columns.

    Args:
        folder: folder of the split and the pictures.
        split: path of the table, relative to the folder.
        seed: seed of the turns.

    Raises:
        AnnotationError: the table or a picture cannot be used; names the row.
    """
    random = np.random.default_rng(seed)
    for place, aerial, panorama in _rows(folder / split):
        yield turned(
            _picture(folder, aerial, place), _picture(folder, panorama, place), random.random()
        )


def turned(aerial: NDArray[np.uint8], panorama: NDArray[np.uint8], share: float) -> Pair:
    """A pair with a turned panorama.

    Args:
        aerial: the aerial picture, north up.
        panorama: panorama that faces north, shape [rows, cols, 3].
        share: where the left edge of the result lies, as a fraction of the panorama's width, 0..1.
    """
    width = panorama.shape[1]
    columns = int(share * width)
    heading = (_ALIGNED - 360 * columns / width) % 360
    return Pair(aerial, np.roll(panorama, columns, 1), heading)


def _rows(table: Path) -> list[tuple[str, str, str]]:
    try:
        with open(table, newline="", encoding="utf-8", opener=open_regular) as file:
            rows = list(csv.reader(file, strict=True))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{table} cannot be read as CSV in UTF-8: {error}") from error
    found = []
    for number, row in enumerate(rows, start=1):
        place = f"{table.name}, row {number}"
        if len(row) < 2 or not all(map(_stays_below, row[:2])):
            raise AnnotationError(
                f"{place}: the row must begin with the paths of an aerial picture and a panorama,"
                f" relative to the folder, not {row[:2]}"
            )
        found.append((place, row[0], row[1]))
    if not found:
        raise AnnotationError(f"{table} lists no pair")
    return found


def _stays_below(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return bool(parts) and parts[0] != "/" and ".." not in parts


def _picture(folder: Path, path: str, place: str) -> NDArray[np.uint8]:
    try:
        return decode(read_file(folder / path))
    except (OSError, ImageError) as error:
        raise AnnotationError(f"{place}: {path}: {error}") from error
