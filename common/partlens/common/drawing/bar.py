"""The numbered bar that shows a colour scale."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from partlens.common.drawing.palette import colours
from partlens.common.drawing.scale import Scale
from partlens.common.drawing.sheet import GAP, INK, PAPER, QUIET

_BAR, _TICK, _TEXT, _MARGIN = (300, 14), 5, 14, 30
_TICKS = (-1.0, -0.5, 0.0, 0.5, 1.0)


def bar(scale: Scale) -> Image.Image:
    """The colours from -strongest to +strongest, with numbers, and a note on what exceeds them."""
    width, height = _BAR
    font = ImageFont.load_default(_TEXT)
    note = (
        f"the largest value is {scale.largest:.3g}; beyond {scale.strongest:g} the colour stays"
        if scale.largest > scale.strongest
        else ""
    )
    wide = max(width + 2 * _MARGIN, int(font.getlength(note)) + 2)
    paper = Image.new("RGB", (wide, height + _TICK + 2 * _TEXT + 12), PAPER)
    pen = ImageDraw.Draw(paper)
    if not scale.strongest:
        pen.text((0, 0), "no position adds anything: all values are 0", QUIET, font)
        return paper
    shades = np.linspace(-scale.strongest, scale.strongest, width, dtype=np.float32)
    strip = Image.fromarray(colours(np.repeat(shades[None], height, 0), scale.strongest))
    paper.paste(strip, (_MARGIN, 0), strip)
    pen.rectangle((_MARGIN, 0, _MARGIN + width - 1, height), outline=QUIET)
    for tick in _TICKS:
        x = _MARGIN + (tick + 1) / 2 * (width - 1)
        pen.line((x, height, x, height + _TICK), QUIET)
        label = f"{tick * scale.strongest:+g}" if tick else "0"
        pen.text((x, height + _TICK + 2), label, INK, font, anchor="mt")
    pen.text((0, height + _TICK + _TEXT + 6), note, QUIET, font)
    return paper


def with_bar(sheet: Image.Image, colours: Scale) -> Image.Image:
    """A sheet with the bar of its colours below."""
    numbers = bar(colours)
    size = max(sheet.width, numbers.width + 2 * GAP), sheet.height + numbers.height + GAP
    paper = Image.new("RGB", size, PAPER)
    paper.paste(sheet, (0, 0))
    paper.paste(numbers, (GAP, sheet.height))
    return paper
