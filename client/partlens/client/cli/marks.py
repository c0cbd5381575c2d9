"""Feedback on the command line: --like and --unlike, ID[#xywh=x,y,w,h][@WEIGHT]."""

import re
from collections.abc import Callable
from functools import wraps
from typing import Any

import click

from partlens.client import checks
from partlens.client.cli.regions import BOX
from partlens.client.errors import RequestError
from partlens.client.questions import GalleryImageId, Mark

_FORM = re.compile(
    r"(?P<id>.+?)(?:#xywh=(?P<box>[^#@]*))?"
    r"(?:@(?P<weight>[-+]?(?:[.\d][-+.\deE]*|nan|inf(?:inity)?)))?",
    re.DOTALL | re.IGNORECASE,
)


class MarkType(click.ParamType[Any]):
    """A mark on an image of the gallery.

    Args:
        unlike: whether hits should be less like it.
    """

    name = "ID[#xywh=x,y,w,h][@WEIGHT]"

    def __init__(self, *, unlike: bool) -> None:
        self._unlike = unlike

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Mark:
        """Parse the mark; the box is a media fragment as in W3C Media Fragments URI."""
        found = _FORM.fullmatch(value)
        if found is None:
            self.fail(f"{value!r} is not {self.name}", param, ctx)
        box, weight = found["box"], found["weight"]
        try:
            number = None if weight is None else checks.not_negative("weight", float(weight))
        except (ValueError, RequestError):
            self.fail(f"{value!r} has a weight that is not a finite number, 0 or above", param, ctx)
        return Mark(
            GalleryImageId(found["id"]),
            region=None if box is None else BOX.convert(box, param, ctx).region,
            weight=number,
            unlike=self._unlike,
        )


def mark_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """--like and --unlike, repeatable; the command gets them as `marks`."""

    @wraps(command)
    def gathered(like: tuple[Mark, ...], unlike: tuple[Mark, ...], **given: Any) -> Any:
        return command(marks=[*like, *unlike], **given)

    for name, text in (
        ("--unlike", "Search for less like this image of the gallery; repeatable."),
        ("--like", "Search for more like this image of the gallery, such as a hit; repeatable."),
    ):
        type = MarkType(unlike=name == "--unlike")
        click.option(name, multiple=True, type=type, metavar=type.name, help=text)(gathered)
    return gathered
