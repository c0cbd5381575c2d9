"""Titles and lines of text of figures."""

from PIL import ImageFont

from partlens.common.activation_map import ActivationMap

_NAME_FONT = 20


def sum_lines(map: ActivationMap) -> list[str]:
    """What a map adds up to, by colour."""
    sums = map.sums
    return [f"red {sums.red:+.4f}", f"blue {sums.blue:+.4f}"]


def shortened(title: str, width: int) -> str:
    """A title that fits, cut in its middle."""
    font = ImageFont.load_default(_NAME_FONT)
    kept = len(title)
    short = title
    while font.getlength(short) > max(width, 120) and kept > 4:
        kept -= 1
        short = f"{title[: kept - kept // 2]}...{title[len(title) - kept // 2 :]}"
    return short
