"""Reads INSTRE (Wang and Jiang, 2015): objects in many pictures, each with a box.

`INSTRE-S1/OBJECT/NUMBER.jpg` and `INSTRE-S2/...` show one object each; `NUMBER.txt` beside a
picture holds its box as four numbers: left, top, width and height in pixels. INSTRE-M, with two
objects in each picture, is not read.
"""

import math
from pathlib import Path

from partlens.common.files import read_file
from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.attributes import Attribute
from partlens.explainer.evaluation.labels import LabelledImage
from partlens.explainer.images import image_files

SETS = ("INSTRE-S1", "INSTRE-S2")
ATTRIBUTE = "object"


def read_instre(folder: Path) -> tuple[list[LabelledImage], dict[str, Attribute]]:
    """The pictures, and the object in each, which is their label and an attribute with a box.

    Args:
        folder: the folder that holds INSTRE-S1, INSTRE-S2 or both.

    Raises:
        AnnotationError: there are none, or a picture's box is missing or damaged; names the file.
    """
    files = [
        path for name in SETS if (folder / name).is_dir() for path in image_files(folder / name)
    ]
    if not files:
        raise AnnotationError(
            f"{folder} has no pictures in INSTRE-S1 or INSTRE-S2; give the folder that holds them"
        )
    objects = {number: _object(path, folder) for number, path in enumerate(files)}
    boxes = {number: _box(path.with_suffix(".txt")) for number, path in enumerate(files)}
    images = [LabelledImage(path, objects[number]) for number, path in enumerate(files)]
    return images, {ATTRIBUTE: Attribute(objects, boxes)}


def _object(path: Path, folder: Path) -> str:
    parts = path.relative_to(folder).parts
    if len(parts) != 3:
        raise AnnotationError(
            f"{path} does not lie in a folder of its object, as SET/OBJECT/NUMBER"
        )
    return f"{parts[0]}/{parts[1]}"


def _box(file: Path) -> Box:
    try:
        text = read_file(file).decode()
        numbers = [float(one) for one in text.split()]
    except (OSError, ValueError) as error:
        raise AnnotationError(f"{file} cannot be read as a box: {error}") from error
    if len(numbers) != 4 or not all(map(math.isfinite, numbers)) or min(numbers[2:]) <= 0:
        raise AnnotationError(
            f"{file} holds {text.strip()[:80]!r}; four numbers are needed: left, top, width and"
            " height, the last two above 0"
        )
    return Box(*numbers)
