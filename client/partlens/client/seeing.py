"""Figures of answers. Imports Pillow when a figure is drawn."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from partlens.client import checks, pictures
from partlens.client.errors import RequestError
from partlens.client.pictures import PictureLike
from partlens.client.questions import QueryRegion
from partlens.common.activation_map import ActivationMap
from partlens.common.explained_pair import ExplainedPair
from partlens.common.regions import Box, Region

if TYPE_CHECKING:
    from partlens.common.drawing.figure import Figure
    from partlens.common.drawing.shown_image import ShownImage

Size = tuple[int, int]
"""(width, height) of an image, in pixels."""


class Found(NamedTuple):
    """A hit, as a figure needs it."""

    id: str
    size: Size
    map: ActivationMap | None
    constant: float
    score: float
    box: Box
    thumbnail: bytes


def overlay(
    hit: Found, picture: PictureLike | None, map: ActivationMap | None, scale: float | None
) -> "Figure":
    """A hit's picture under a map; see Hit.overlay."""
    pictures.require_pillow("a figure")
    from partlens.common.drawing.hits_figure import ShownHit, hits_figure
    from partlens.common.drawing.pair_figure import overlay_figure

    image = _shown("picture", hit.id, hit.size, hit.thumbnail if picture is None else picture)
    if map is not None:
        return overlay_figure(image, map, scale)
    if hit.map is None:
        raise RequestError(
            "the hit has no map, as the search asked for none: search with maps=['score'], or give"
            " a map"
        )
    return hits_figure([], [ShownHit(image, hit.map, hit.constant, hit.score, hit.box)], scale)


def search_figure(
    sizes: Sequence[Size],
    hits: Sequence[Found],
    images: Any,
    regions: Any,
    scale: float | None,
) -> "Figure":
    """Query images and hits; see SearchAnswer.figure.

    Args:
        sizes: of the query images.
    """
    pictures.require_pillow("a figure")
    from partlens.common.drawing.hits_figure import ShownHit, hits_figure

    given = [images] if pictures.is_picture(images) else list(checks.several("images", images))
    if given and len(given) != len(sizes):
        raise RequestError(
            f"images has {len(given)} pictures; the search had {len(sizes)} query images", "images"
        )
    marked = [
        (one.region, one.image) if isinstance(one, QueryRegion) else (one, 0)
        for one in _regions("regions", regions)
    ]
    queries = [
        (_shown(f"images[{n}]", "", size, one), [region for region, at in marked if at == n])
        for n, (one, size) in enumerate(zip(given, sizes, strict=False))
    ]
    shown = [
        ShownHit(
            _shown(f"hit {one.id}", one.id, one.size, one.thumbnail),
            one.map,
            one.constant,
            one.score,
            one.box,
        )
        for one in hits
    ]
    return hits_figure(queries, shown, scale)


def pair_figure(
    pair: ExplainedPair,
    sizes: tuple[Size, Size],
    both: tuple[PictureLike, PictureLike],
    regions: tuple[Any, Any],
    scale: float | None,
) -> "Figure":
    """Both images of a pair and its maps; see PairAnswer.figure.

    Args:
        sizes, both, regions: those of the query, then those of the retrieved image.
    """
    pictures.require_pillow("a figure")
    from partlens.common.drawing.pair_figure import MarkedRegion, explained_figure

    places: list[Region | None] = [
        *_regions("query_regions", regions[0]),
        *_regions("retrieved_regions", regions[1]),
    ]
    if places and len(places) != len(pair.partial_maps):
        raise RequestError(
            f"the number of regions is {len(places)}, and that of the answer's partial maps is"
            f" {len(pair.partial_maps)}: give the regions of the call, in their order"
        )
    marked = [MarkedRegion(one) for one in places or [None] * len(pair.partial_maps)]
    query = _shown("query", "", sizes[0], both[0])
    retrieved = _shown("retrieved", "", sizes[1], both[1])
    return explained_figure({"query": query, "retrieved": retrieved}, pair, marked, scale)


def _shown(name: str, title: str, size: Size, picture: PictureLike) -> "ShownImage":
    """A picture of an image; refused if its shape is not that of the image."""
    from partlens.common.drawing.sheet import shown_size
    from partlens.common.drawing.shown_image import ShownImage

    if isinstance(picture, bytes) and not picture:
        raise RequestError(
            f"{name} has no thumbnail: give a picture, or search with thumbnails=True", name
        )
    image = pictures.opened(name, picture, size)
    (width, height), (across, down) = size, image.size
    # A scaled copy is fine; its sides are rounded to whole pixels.
    if abs(width * down - height * across) > max(width, height):
        raise RequestError(
            f"{name} is {across}x{down} pixels, and the image is {width}x{height}: it is another"
            " picture",
            name,
        )
    return ShownImage(image.resized(shown_size(size)), size, title)


def _regions(name: str, given: Any) -> list[Any]:
    single = isinstance(given, QueryRegion | Region)
    return [given] if single else list(checks.several(name, given))
