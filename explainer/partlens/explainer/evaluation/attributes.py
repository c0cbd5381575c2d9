"""Attributes that people and things do or do not have, such as glasses, from a CSV table."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.labels import LabelledImage
from partlens.explainer.evaluation.tables import read_rows

COLUMNS = ("image", "attribute", "value")
BOX_COLUMNS = ("box_x", "box_y", "box_w", "box_h")
ABSENT = "no"
"""The value of an image without the attribute: nothing in it could be searched for."""


@dataclass(frozen=True)
class Attribute:
    """What a table says about one attribute of some images.

    Attributes:
        values: number of an image -> its value.
        boxes: number of an image -> where it shows that, in pixels; not for every image.
    """

    values: Mapping[int, str]
    boxes: Mapping[int, Box]


def read_attributes(
    table: Path, folder: Path, images: Sequence[LabelledImage]
) -> dict[str, Attribute]:
    """The attributes in a table, by name, in its order.

    Args:
        table: CSV with the columns `image` (path relative to the folder), `attribute` and `value`,
            and optionally `box_x`, `box_y`, `box_w` and `box_h`, in pixels, which may be empty.
        folder: folder of the images.
        images: the labelled images of that folder; rows about others are an error.

    Raises:
        AnnotationError: the table or a row cannot be used; names the row.
    """
    numbers = {image.path: number for number, image in enumerate(images)}
    values: dict[str, dict[int, str]] = {}
    boxes: dict[str, dict[int, Box]] = {}
    for place, row in read_rows(table, COLUMNS, BOX_COLUMNS):
        name, value = row["attribute"], row["value"]
        if not (name and value):
            raise AnnotationError(f"{place}: attribute and value must not be empty")
        number = numbers.get(folder / row["image"])
        if number is None:
            raise AnnotationError(
                f"{place}: image {row['image']!r} is not among the {len(images)} labelled images of"
                f" {folder}"
            )
        of_images = values.setdefault(name, {})
        if number in of_images:
            raise AnnotationError(
                f"{place}: image {row['image']!r} has a value for {name!r} already; give each"
                " attribute of an image one row"
            )
        of_images[number] = value
        if box := _box(row, place):
            boxes.setdefault(name, {})[number] = box
    if not values:
        raise AnnotationError(f"{table} lists no attribute")
    return {name: Attribute(of, boxes.get(name, {})) for name, of in values.items()}


def listed_images(attributes: Mapping[str, Attribute]) -> list[int]:
    """Numbers of the images with a value for any attribute, ascending."""
    return sorted({number for attribute in attributes.values() for number in attribute.values})


def for_images(
    attributes: Mapping[str, Attribute],
    images: Sequence[LabelledImage],
    kept: Sequence[LabelledImage],
) -> dict[str, Attribute]:
    """The attributes of some of the images, numbered by their places in `kept`."""
    numbers = {image.path: number for number, image in enumerate(kept)}
    renumbered = dict[str, Attribute]()
    for name, attribute in attributes.items():
        new = {old: numbers.get(images[old].path) for old in attribute.values}
        values = {n: attribute.values[old] for old, n in new.items() if n is not None}
        boxes = {n: box for old, box in attribute.boxes.items() if (n := new[old]) is not None}
        renumbered[name] = Attribute(values, boxes)
    return renumbered


def _box(row: Mapping[str, str], place: str) -> Box | None:
    given = [row.get(column, "") for column in BOX_COLUMNS]
    if not any(given):
        return None
    try:
        numbers = [float(text) for text in given]
    except ValueError:
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)) or min(numbers[2:]) <= 0:
        raise AnnotationError(
            f"{place}: {', '.join(BOX_COLUMNS)} are {', '.join(map(repr, given))}; give four"
            " numbers, the last two above 0, or leave all empty"
        )
    return Box(*numbers)
