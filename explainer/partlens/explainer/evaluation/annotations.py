"""Annotated images: a label, a box and visible part points each, read from CSV tables."""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from partlens.explainer.errors import AnnotationError
from partlens.explainer.regions import Box

IMAGE_COLUMNS = ("image", "species", "width", "height", "box_x", "box_y", "box_w", "box_h")
PART_COLUMNS = ("image", "part", "x", "y")


@dataclass(frozen=True)
class AnnotatedImage:
    """What is known of one image.

    Attributes:
        image: path below the folder of images.
        label: what it shows (column "species").
        width, height: of the upright image, in pixels.
        box: around the labelled object, in pixels.
        parts: part -> its place (x, y) in pixels, only where it is visible.
    """

    image: str
    label: str
    width: int
    height: int
    box: Box
    parts: Mapping[str, tuple[float, float]] = field(default_factory=dict)


def read_annotations(images: Path, parts: Path | None = None) -> tuple[AnnotatedImage, ...]:
    """The annotated images of a table, in its order.

    Args:
        images: CSV with the columns image, species, width, height, box_x, box_y, box_w, box_h.
        parts: CSV with the columns image, part, x, y; one row a visible part.

    Raises:
        AnnotationError: a table is missing, has other columns, or a row that cannot be used; names
            the row.
    """
    places: dict[str, dict[str, tuple[float, float]]] = {}
    for place, row in _rows(parts, PART_COLUMNS) if parts is not None else ():
        point = (_number(row, "x", place), _number(row, "y", place))
        places.setdefault(row["image"], {})[row["part"]] = point
    found: dict[str, AnnotatedImage] = {}
    for place, row in _rows(images, IMAGE_COLUMNS):
        name = row["image"]
        if name in found:
            raise AnnotationError(f"{place}: image {name!r} comes twice; give each image one row")
        width, height, *box = (_number(row, key, place) for key in IMAGE_COLUMNS[2:])
        if min(width, height, *box[2:]) <= 0:
            raise AnnotationError(f"{place}: sizes of image and box must be above 0")
        found[name] = AnnotatedImage(
            name, row["species"], int(width), int(height), Box(*box), places.pop(name, {})
        )
    if not found:
        raise AnnotationError(f"{images} lists no image")
    if places:
        raise AnnotationError(f"{parts}: image {next(iter(places))!r} is not in {images.name}")
    return tuple(found.values())


def _rows(table: Path, columns: tuple[str, ...]) -> list[tuple[str, dict[str, str]]]:
    """Each row with its place, for messages."""
    try:
        with table.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.DictReader(file, strict=True)
            missing = set(columns) - set(reader.fieldnames or ())
            if missing:
                raise AnnotationError(
                    f"{table.name} lacks the columns {', '.join(sorted(missing))}; it needs"
                    f" {', '.join(columns)}"
                )
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise AnnotationError(f"{table} cannot be read as CSV in UTF-8: {error}") from error
    numbered = [(f"{table.name}, row {number}", row) for number, row in enumerate(rows, start=2)]
    for place, row in numbered:
        if None in row or any(row[column] is None for column in columns):
            raise AnnotationError(f"{place}: it has another number of cells than the header")
    return numbered


def _number(row: Mapping[str, str], column: str, place: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(f"{place}: {column} {row[column]!r} is not a number")
    return value
