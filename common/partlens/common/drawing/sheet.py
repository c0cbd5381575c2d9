"""Lays out pictures with titles and captions."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from partlens.common.pictures import Least

GAP = 12
_TITLE, _LINE = 30, 24
PAPER, INK, QUIET = (255, 255, 255), (20, 20, 20), (95, 95, 95)
SIDE, LEAST = 420, 40
"""Longest side of a shown picture, and minimum of its shortest side, in pixels."""


def shown_size(size: tuple[int, int]) -> tuple[int, int]:
    """(width, height) of a shown picture; a narrow strip is enlarged to be visible.

    >>> shown_size((64, 128)), shown_size((8000, 10))
    ((210, 420), (420, 40))
    """
    shrink = SIDE / max(*size, 1)
    return max(LEAST, round(size[0] * shrink)), max(LEAST, round(size[1] * shrink))


def least_shown(size: tuple[int, int]) -> Least:
    """How large a picture of this size must be decoded to be shown: twice shown_size."""
    width, height = shown_size(size)
    return Least(2 * width, 2 * height)


def column(title: str, lines: Sequence[str], images: Sequence[Image.Image]) -> Image.Image:
    """Pictures side by side, with a title above and lines of text below."""
    title_font, line_font = ImageFont.load_default(20), ImageFont.load_default(16)
    width = sum(image.width for image in images) + GAP * (len(images) - 1)
    texts = [title_font.getlength(title), *(line_font.getlength(line) for line in lines)]
    height = _TITLE + max(image.height for image in images) + _LINE * len(lines) + GAP
    paper = Image.new("RGB", (max(width, *(int(text) + 1 for text in texts)), height), PAPER)
    pen = ImageDraw.Draw(paper)
    pen.text((0, 2), title, INK, title_font)
    left = 0
    for image in images:
        paper.paste(image, (left, _TITLE))
        left += image.width + GAP
    for number, line in enumerate(lines):
        top = height - GAP - _LINE * (len(lines) - number) + 4
        pen.text((0, top), line, QUIET, line_font)
    return paper


def side_by_side(columns: Sequence[Image.Image]) -> Image.Image:
    """Columns side by side on one sheet."""
    width = sum(one.width for one in columns) + 2 * GAP * len(columns)
    paper = Image.new("RGB", (width, max(one.height for one in columns) + 2 * GAP), PAPER)
    left = GAP
    for one in columns:
        paper.paste(one, (left, GAP))
        left += one.width + 2 * GAP
    return paper


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """Sheets stacked vertically on one sheet."""
    size = max((sheet.width for sheet in sheets), default=0), sum(sheet.height for sheet in sheets)
    paper = Image.new("RGB", size, PAPER)
    top = 0
    for sheet in sheets:
        paper.paste(sheet, (0, top))
        top += sheet.height
    return paper
