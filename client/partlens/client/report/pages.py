"""Self-contained HTML reports."""

from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from typing import Any

import jinja2
from PIL import Image

from partlens.client.answers import ActivationMap, Hit, PairAnswer, Query, SearchAnswer
from partlens.client.questions import GalleryImageId, Mark, QueryId, QueryRegion, Score
from partlens.client.report.overlay import EXCLUDED, MARKED, Scale, explained, outlined
from partlens.client.report.pictures import data_uri, shown_or_blank
from partlens.client.standing import StandingMatch
from partlens.common.bias import bias_warning
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole

_WIDE = 1.6
"""Aspect ratio (width / height) above which two pictures are stacked vertically."""


def search_page(
    answer: SearchAnswer,
    pictures: Sequence[bytes],
    regions: Sequence[QueryRegion],
    score: Score = "default",
    names: Sequence[str] = (),
    marks: Sequence[Mark] = (),
    bias_share: float = 0.0,
) -> str:
    """The report of a search.

    Args:
        answer: the response, with maps and thumbnails.
        pictures: the query images, encoded; b"" if one is not available.
        regions: the regions that were searched for.
        score: the score that ranked the hits.
        names: names of the query images, such as their files; empty for none.
        marks: the feedback that was given.
        bias_share: of the gallery's model; a large one is warned of.
    """
    scale = Scale.of(*(hit.map for hit in answer.hits))
    return _render(
        "search.html.j2",
        bias_share,
        queries=[
            _query(query, data, [one for one in enumerate(regions, 1) if one[1].image == number])
            | {"name": names[number] if names else ""}
            for number, (query, data) in enumerate(zip(answer.queries, pictures, strict=True))
        ],
        hits=[_hit(hit, scale) for hit in answer.hits],
        scale=scale,
        score="whole" if any(isinstance(one.region, Whole) for one in regions) else score,
        whole=len(regions) == 1 and isinstance(regions[0].region, Whole) and not marks,
        marks=[_mark(one) for one in marks],
        gallery_version=answer.gallery_version,
    )


def match_page(match: StandingMatch, thumbnail: bytes, bias_share: float = 0.0) -> str:
    """The report of a match of a standing query.

    Args:
        thumbnail: thumbnail of the image, encoded; b"" if it is not available.
        bias_share: of the gallery's model; a large one is warned of.
    """
    scale = Scale.of(match.hit.map)
    return _render(
        "match.html.j2",
        bias_share,
        name=match.query_name or match.query_id,
        query_id=match.query_id,
        revision=match.revision,
        hit=_hit(replace(match.hit, thumbnail=thumbnail), scale),
        scale=scale,
    )


def pair_page(
    answer: PairAnswer,
    query: bytes,
    retrieved: bytes,
    query_regions: Sequence[Region] = (),
    retrieved_regions: Sequence[Region] = (),
    names: tuple[str, str] = ("", ""),
    bias_share: float = 0.0,
) -> str:
    """The report of an explained pair.

    Args:
        answer: the response; its partial maps follow query_regions, then retrieved_regions.
        query, retrieved: the pictures, encoded; b"" if one is not available.
        names: names of the two images, such as their files; "" for none.
        bias_share: of the gallery's model; a large one is warned of.
    """
    sides = {"query": _Side(answer.query, query), "retrieved": _Side(answer.retrieved, retrieved)}
    sources = [("query", one) for one in query_regions]
    sources += [("retrieved", one) for one in retrieved_regions]
    scale = Scale.of(
        answer.query_map_with_bias,
        answer.retrieved_map_with_bias,
        answer.query_map,
        answer.retrieved_map,
    )
    partial_scale = Scale.of(*(one.map for one in answer.partial_maps))
    return _render(
        "pair.html.j2",
        bias_share,
        similarity=answer.similarity,
        terms=answer.terms,
        scale=scale,
        names=dict(zip(sides, names, strict=True)),
        sides={
            "query": sides["query"].overall(answer.query_map_with_bias, scale),
            "retrieved": sides["retrieved"].overall(answer.retrieved_map_with_bias, scale),
        },
        left_out={
            "query": answer.terms.bias_position + answer.terms.bias_bias,
            "retrieved": answer.terms.position_bias + answer.terms.bias_bias,
        },
        without_bias={
            "query": sides["query"].explained(answer.query_map, scale),
            "retrieved": sides["retrieved"].explained(answer.retrieved_map, scale),
        },
        partial_scale=partial_scale,
        partial=[
            {
                "side": side,
                "other": one.side,
                "region": _described(region),
                "source": sides[side].outlined(region),
                "map": sides[one.side].explained(one.map, partial_scale),
                "constant": one.constant,
            }
            | sums(one.map)
            for (side, region), one in zip(sources, answer.partial_maps, strict=True)
        ],
    )


class _Side:
    """One of the two images of a pair, as the page shows it."""

    def __init__(self, image: Query, data: bytes) -> None:
        self._size = image.width, image.height
        self._picture, self._missing = shown_or_blank(data, self._size)

    def overall(self, map: ActivationMap, scale: Scale) -> dict[str, Any]:
        return {
            "picture": data_uri(self._picture),
            "missing": self._missing,
            "map": self.explained(map, scale),
        } | sums(map)

    def explained(self, map: ActivationMap, scale: Scale) -> str:
        return data_uri(explained(self._picture, map, self._size, scale))

    def outlined(self, region: Region) -> str:
        return data_uri(outlined(self._picture, region, self._size))


def _query(
    query: Query, data: bytes, regions: Sequence[tuple[int, QueryRegion]]
) -> dict[str, object]:
    size = query.width, query.height
    picture, missing = shown_or_blank(data, size)
    for number, one in regions:
        colour = EXCLUDED if one.exclude else MARKED
        picture = outlined(picture, one.region, size, str(number), colour)
    return {
        "picture": data_uri(picture),
        "missing": missing,
        "regions": [
            {
                "number": number,
                "what": _described(one.region),
                "weight": one.weight,
                "exclude": one.exclude,
            }
            for number, one in regions
        ],
    }


def _mark(mark: Mark) -> str:
    image = mark.image.id if isinstance(mark.image, GalleryImageId | QueryId) else "a picture"
    place = "" if mark.region is None else f", {_described(mark.region)}"
    weight = "" if mark.weight is None else f", weight {mark.weight:g}"
    return f"{'less' if mark.unlike else 'more'} like {image}{place}{weight}"


def _hit(hit: Hit, scale: Scale) -> dict[str, object]:
    size = hit.image.width, hit.image.height
    picture, missing = shown_or_blank(hit.thumbnail, size)

    def marked(image: Image.Image) -> str:
        return data_uri(outlined(image, hit.box, size))

    return {
        "id": hit.id,
        "score": hit.score,
        "constant": hit.constant,
        "sums": None if hit.map is None else sums(hit.map),
        "picture": marked(picture),
        "missing": missing,
        "map": None if hit.map is None else marked(explained(picture, hit.map, size, scale)),
        "wide": size[0] > _WIDE * size[1],
        "metadata": hit.image.metadata,
        "uri": hit.image.uri,
    }


def sums(map: ActivationMap) -> dict[str, float]:
    """Sums over all positions, over the red (positive) ones and over the blue (negative) ones."""
    values = map.values.astype(float)
    return {
        "sum": values.sum(),
        "red": values[values > 0].sum(),
        "blue": values[values < 0].sum(),
    }


def _described(region: Region) -> str:
    match region:
        case Box(x, y, width, height):
            return f"box at {x:g}, {y:g}, {width:g} wide and {height:g} high"
        case Point(x, y, snap):
            return f"the {'part' if snap else 'cell'} at point {x:g}, {y:g}"
        case Polygon(points):
            return f"polygon of {len(points)} corners"
        case Mask(array):
            return f"mask of {int(array.sum())} pixels"
        case Whole():
            return "the whole image"


def _render(template: str, bias_share: float, **values: object) -> str:
    def load(name: str) -> str:
        return (files("partlens.client.report") / "templates" / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    warning = bias_warning(bias_share)
    return environment.get_template(template).render(warning=warning, **values)
