"""Regions on the command line: [IMAGE:]SHAPE[@WEIGHT]."""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import wraps
from pathlib import Path
from typing import Any

import click

from partlens.client.questions import QueryRegion
from partlens.client.report.pictures import OWN_FILES
from partlens.common.files import read_file
from partlens.common.pictures import PictureError, inside
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole

_FORM = re.compile(
    r"(?:(?P<image>\d+):)?(?P<shape>.*?)(?:@(?P<weight>[-+.\deE]+|[-+]?(?:nan|inf(?:inity)?)))?",
    re.DOTALL | re.IGNORECASE,
)


@dataclass(frozen=True, eq=False)
class Marked:
    """A region from the command line.

    Attributes:
        region: the shape.
        image: number of its image, from 1.
        weight: its weight; None if not given.
    """

    region: Region
    image: int = 1
    weight: float | None = None


class RegionType(click.ParamType[Any]):
    """A region of one shape.

    Args:
        name: syntax of the shape, as shown in help texts.
        read: parses the shape; raises ValueError with the problem.
    """

    def __init__(self, name: str, read: Callable[[str], Region]) -> None:
        self.name, self._read = name, read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Marked:
        """Parse the region, image and weight."""
        found = _FORM.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not [IMAGE:]{self.name}[@WEIGHT]", param, ctx)
        weight = found["weight"]
        try:
            image = int(found["image"] or 1)
            number = None if weight is None else _weight(weight)
            return Marked(self._read(found["shape"]), image, number)
        except ValueError as error:
            self.fail(f"{value!r} {error}", param, ctx)


def _weight(text: str) -> float:
    (number,) = _numbers(text) or (0.0,)
    if number <= 0:
        raise ValueError("has a weight that is not a finite number above 0")
    return number


def _box(text: str) -> Box:
    numbers = _numbers(text)
    if len(numbers) != 4 or numbers[2] <= 0 or numbers[3] <= 0:
        raise ValueError("is not x,y,w,h in pixels, with w and h above 0")
    return Box(*numbers)


def _point(text: str) -> Point:
    numbers = _numbers(text)
    if len(numbers) != 2:
        raise ValueError("is not x,y in pixels")
    x, y = numbers
    return Point(x, y)


def _snap(text: str) -> Point:
    return replace(_point(text), snap=True)


def _polygon(text: str) -> Polygon:
    numbers = _numbers(text)
    if len(numbers) < 6 or len(numbers) % 2:
        raise ValueError("is not x,y,x,y,x,y,... with at least 3 corners")
    return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))


def _mask(text: str) -> Mask:
    try:
        data = read_file(Path(text))
        OWN_FILES.require_bytes(data)
        return Mask(inside(data, OWN_FILES.require_size))
    except (OSError, PictureError) as error:
        raise ValueError(f"is not a readable picture: {error}") from error


def _numbers(text: str) -> list[float]:
    """Finite numbers, separated by commas; an empty list if any is not finite."""
    try:
        numbers = [float(number) for number in text.split(",")]
    except ValueError:
        return []
    return numbers if all(map(math.isfinite, numbers)) else []


BOX, MASK = RegionType("x,y,w,h", _box), RegionType("FILE", _mask)
_OPTIONS = {
    "--region": (BOX, "A box."),
    "--polygon": (RegionType("x,y,x,y,...", _polygon), "A polygon, given by its corners."),
    "--point": (RegionType("x,y", _point), "The map cell at a point."),
    "--snap": (
        RegionType("x,y", _snap),
        "The part at a point: the map cells around it that the model sees alike.",
    ),
    "--mask": (
        MASK,
        "A mask, as a picture of the image's size: black or transparent pixels are outside.",
    ),
}

exclude_option = click.option(
    "--exclude",
    "excluded",
    multiple=True,
    type=BOX,
    help="A box to avoid: images with this part rank lower; repeatable.",
)

whole_option = click.option(
    "--whole", is_flag=True, help="Search for the whole of each query image; ranks by WHOLE."
)


def region_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--region, --polygon, --point, --snap and --mask, repeatable; the command gets them as
    `marked`."""

    @wraps(command)
    def gathered(**given: Any) -> Any:
        marked = [one for name in _OPTIONS for one in given.pop(name.strip("-"))]
        return command(marked=marked, **given)

    for name, (type, text) in reversed(_OPTIONS.items()):
        option = click.option(name, name.strip("-"), multiple=True, type=type, help=text)
        option(gathered)
    return gathered


def require_images(marked: Sequence[Marked], images: int) -> None:
    """Raise UsageError if a region lies on an image that was not given."""
    for one in marked:
        if not 1 <= one.image <= images:
            raise click.UsageError(
                f"a region lies on image {one.image}, but there are {images} images, numbered"
                " from 1: pictures, then --gallery-id, then --query-id"
            )


def query_regions(
    included: Sequence[Marked], excluded: Sequence[Marked], images: int, *, whole: bool
) -> list[QueryRegion]:
    """Regions as the client takes them, excluded regions last.

    Args:
        images: number of query images.
        whole: whether each query image as a whole is a region too.

    Raises:
        click.UsageError: no image or no region is given, or a region lies on a missing image.
    """
    if not images:
        raise click.UsageError("give a picture, a --gallery-id or a --query-id")
    if whole:
        included = [*included, *(Marked(Whole(), number) for number in range(1, images + 1))]
    if not included:
        raise click.UsageError(
            "give at least one --region x,y,w,h, --polygon, --point, --snap or --mask, or --whole"
        )
    require_images([*included, *excluded], images)
    return [
        QueryRegion(one.region, one.image - 1, 1.0 if one.weight is None else one.weight, exclude)
        for exclude, some in ((False, included), (True, excluded))
        for one in some
    ]
