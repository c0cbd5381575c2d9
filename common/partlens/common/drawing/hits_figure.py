"""Figures of a search: its query images, and the hits under their maps."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.bar import with_bar
from partlens.common.drawing.figure import Figure
from partlens.common.drawing.overlay import explained, outlined
from partlens.common.drawing.scale import Scale
from partlens.common.drawing.sheet import column, shown_size, side_by_side, stacked
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.drawing.titles import shortened, sum_lines
from partlens.common.regions import Box, Region
from partlens.common.text import visible

_IN_A_ROW = 5


@dataclass(frozen=True, eq=False)
class ShownHit:
    """A hit of a figure.

    Attributes:
        image: its image.
        map: what each position adds to the score; None for none.
        constant: what no position adds.
        score: what the map and the constant add up to.
        box: where it matched; None to draw none.
    """

    image: ShownImage
    map: ActivationMap | None
    constant: float
    score: float
    box: Box | None


def hits_figure(
    queries: Sequence[tuple[ShownImage, Sequence[Region]]],
    hits: Sequence[ShownHit],
    scale: float | None = None,
) -> Figure:
    """The query images with their regions, then the hits, five in a row, on one colour scale.

    Args:
        queries: each query image, and the regions on it.
        hits: in their order.
        scale: the value at which colours are strongest; by default a round number that suits the
            maps.

    Raises:
        FigureError: the scale is not a finite number above 0.
    """
    colours = Scale.numbered(*(one.map for one in hits if one.map is not None), strongest=scale)
    columns = [_query(image, regions) for image, regions in queries]
    columns += [_hit(one, colours) for one in hits]
    rows = [columns[at : at + _IN_A_ROW] for at in range(0, len(columns), _IN_A_ROW)]
    sheet = stacked([side_by_side(row) for row in rows])
    text = "; ".join(f"{visible(one.image.name)}: score {one.score:.4f}" for one in hits)
    return Figure(with_bar(sheet, colours), text or "no hits")


def _query(image: ShownImage, regions: Sequence[Region]) -> Image.Image:
    picture = image.resized
    for region in regions:
        picture = outlined(picture, region, image.size)
    return column(_title("query", image), [], [picture])


def _hit(hit: ShownHit, colours: Scale) -> Image.Image:
    picture, lines = hit.image.resized, [f"score {hit.score:+.4f}"]
    if hit.map is not None:
        picture = explained(picture, hit.map, hit.image.size, colours)
        lines = [*sum_lines(hit.map), f"constant {hit.constant:+.4f}", *lines]
    if hit.box is not None:
        picture = outlined(picture, hit.box, hit.image.size)
    return column(_title("hit", hit.image), lines, [picture])


def _title(what: str, image: ShownImage) -> str:
    return shortened(visible(image.name) or what, shown_size(image.size)[0])
