"""Annotated images, each with a label, a box and points of visible parts, from CSV tables."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from partlens.common.files import read_file
from partlens.common.pictures import Least, UprightPicture
from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError, ImageError
from partlens.explainer.evaluation.tables import read_rows
from partlens.explainer.images import decode_at_least

IMAGE_COLUMNS = ("image", "species", "width", "height", "box_x", "box_y", "box_w", "box_h")
PART_COLUMNS = ("image", "part", "x", "y")


@dataclass(frozen=True)
class AnnotatedImage:
    """The annotations of one image.

    Attributes:
        image: path relative to the folder of images.
        label: what it shows (column "species").
        width, height: of the upright image, in pixels.
        box: around the labelled object, in pixels.
        parts: part -> its place (x, y) in pixels; visible parts only.
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
        parts: CSV with the columns image, part, x, y; one row per visible part.

    Raises:
        AnnotationError: a table is missing, lacks a column or has an unusable row; names the row.
    """
    places: dict[str, dict[str, tuple[float, float]]] = {}
    for place, row in read_rows(parts, PART_COLUMNS) if parts is not None else ():
        of_image = places.setdefault(row["image"], {})
        if row["part"] in of_image:
            raise AnnotationError(
                f"{place}: part {row['part']!r} of image {row['image']!r} comes twice; give each"
                " part of an image one row"
            )
        of_image[row["part"]] = (_number(row, "x", place), _number(row, "y", place))
    found: dict[str, AnnotatedImage] = {}
    for place, row in read_rows(images, IMAGE_COLUMNS):
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


def read_picture(folder: Path, image: AnnotatedImage, least: Least | None = None) -> UprightPicture:
    """An annotated image.

    Args:
        least: see images.decode_at_least.

    Raises:
        AnnotationError: the image is missing or unusable, or its size is not the annotated one.
    """
    try:
        picture = decode_at_least(read_file(folder / image.image), least)
    except (OSError, ImageError) as error:
        raise AnnotationError(f"image {image.image!r}: {error}") from error
    if picture.size != (image.width, image.height):
        width, height = picture.size
        raise AnnotationError(
            f"image {image.image!r} is {width}x{height}, but annotated as"
            f" {image.width}x{image.height}"
        )
    return picture


def _number(row: Mapping[str, str], column: str, place: str) -> float:
    try:
        value = float(row[column])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise AnnotationError(f"{place}: {column} {row[column]!r} is not a number")
    return value
