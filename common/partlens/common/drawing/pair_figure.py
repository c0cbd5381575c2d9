"""Figures of maps: a picture under its map, with the sums that give the score and a colour bar."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.bar import with_bar
from partlens.common.drawing.figure import Figure
from partlens.common.drawing.overlay import explained, marked
from partlens.common.drawing.scale import Scale
from partlens.common.drawing.sheet import column, shown_size, side_by_side, stacked
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.drawing.titles import shortened, sum_lines
from partlens.common.explained_pair import ExplainedPair, Side
from partlens.common.regions import Region
from partlens.common.text import visible


@dataclass(frozen=True, eq=False)
class MarkedRegion:
    """A region of a figure.

    Attributes:
        place: None where only the covered cells are known.
        coverage: fraction of each cell that it covers; None to draw only its outline.
    """

    place: Region | None
    coverage: ActivationMap | None = None


@dataclass(frozen=True, eq=False)
class ShownMap:
    """A map of a figure, with what it adds up to.

    Attributes:
        on: "query" or "retrieved".
        map: the map.
        constant: what no position adds.
        total: what the sum of the map and the constant are called.
        region: region of the other image that the map is about; None for the whole of it.
    """

    on: Side
    map: ActivationMap
    constant: float
    total: str
    region: MarkedRegion | None = None


def pair_figure(
    images: dict[Side, ShownImage], maps: Sequence[ShownMap], scale: float | None = None
) -> Figure:
    """Both images of a pair, and maps of them on one colour scale.

    A map about a region follows the image that the region is marked on.

    Args:
        images: the query and the retrieved image.
        maps: at least one.
        scale: the value at which colours are strongest; by default a round number that suits the
            maps.

    Raises:
        FigureError: the scale is not a finite number above 0.
    """
    colours = Scale.numbered(*(one.map for one in maps), strongest=scale)
    rows: list[Image.Image] = []
    overall = [one for one in maps if one.region is None]
    if overall:
        columns: list[Image.Image] = []
        for side, image in images.items():
            columns.append(_plain(side, image))
            columns += [_map(image, one, colours) for one in overall if one.on == side]
        rows.append(side_by_side(columns))
    for one in maps:
        if one.region is not None:
            source: Side = "retrieved" if one.on == "query" else "query"
            marked_there = _plain(source, images[source], one.region)
            rows.append(side_by_side([marked_there, _map(images[one.on], one, colours)]))
    text = "; ".join(_described(one, images) for one in maps)
    return Figure(with_bar(stacked(rows), colours), text)


def explained_figure(
    images: dict[Side, ShownImage],
    pair: ExplainedPair,
    regions: Sequence[MarkedRegion] = (),
    scale: float | None = None,
) -> Figure:
    """The overall maps of a pair if no region is marked, else the partial map of each region.

    Args:
        regions: those of pair.partial_maps, in their order.
        images, scale: as in pair_figure; raises FigureError.
    """
    maps = [
        ShownMap(one.side, one.map, one.constant, "contribution", region)
        for one, region in zip(pair.partial_maps, regions, strict=True)
    ] or [
        ShownMap("query", pair.query_map_with_bias, pair.constant_of("query"), "similarity"),
        ShownMap(
            "retrieved", pair.retrieved_map_with_bias, pair.constant_of("retrieved"), "similarity"
        ),
    ]
    return pair_figure(images, maps, scale)


def overlay_figure(image: ShownImage, map: ActivationMap, scale: float | None = None) -> Figure:
    """One image under any map of it; arguments and errors as in pair_figure."""
    colours = Scale.numbered(map, strongest=scale)
    title = shortened(visible(image.name) or "image", shown_size(image.size)[0])
    under = explained(image.resized, map, image.size, colours)
    sheet = side_by_side([column(title, sum_lines(map), [under])])
    return Figure(with_bar(sheet, colours), f"map of {visible(image.name) or 'an image'}")


def _plain(side: Side, image: ShownImage, region: MarkedRegion | None = None) -> Image.Image:
    picture = image.resized
    if region is not None:
        picture = marked(picture, region.place, region.coverage, image.size)
    return column(_title(side, image), [], [picture])


def _map(image: ShownImage, shown: ShownMap, colours: Scale) -> Image.Image:
    under = explained(image.resized, shown.map, image.size, colours)
    lines = [
        *(["where the region matches"] if shown.region else []),
        *sum_lines(shown.map),
        f"constant {shown.constant:+.4f}",
        f"{shown.total} {shown.map.sums.sum + shown.constant:+.4f}",
    ]
    return column(_title(shown.on, image) if shown.region else "its map", lines, [under])


def _title(side: Side, image: ShownImage) -> str:
    title = f"{side}: {visible(image.name)}" if image.name else side
    return shortened(title, shown_size(image.size)[0])


def _described(shown: ShownMap, images: dict[Side, ShownImage]) -> str:
    name = visible(images[shown.on].name) or shown.on
    about = "a region of the other image" if shown.region else "the other image"
    total = shown.map.sums.sum + shown.constant
    return f"map of {name} for {about}: {shown.total} {total:+.4f}"
