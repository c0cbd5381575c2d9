"""Self-contained HTML pages: everything they show is inside the file."""

import io
from collections.abc import Sequence
from importlib.resources import files

import jinja2
from PIL import Image, ImageOps

from partlens.client.answers import ActivationMap, Hit, PairAnswer, SearchAnswer
from partlens.client.questions import QueryRegion, Region
from partlens.client.report.overlay import data_uri, explained, outlined, scale_of

_SIDE = 420


def search_page(
    answer: SearchAnswer, pictures: Sequence[bytes], regions: Sequence[QueryRegion]
) -> str:
    """The page of a search.

    Args:
        answer: with maps and thumbnails.
        pictures: the query images as they were sent.
        regions: those that were searched for.
    """
    queries = []
    for number, (query, data) in enumerate(zip(answer.queries, pictures, strict=True)):
        shown, size = _open(data), (query.width, query.height)
        for one in regions:
            if one.image == number:
                shown = outlined(shown, one.region, size)
        queries.append(data_uri(shown))
    scale = scale_of(*(hit.map for hit in answer.hits))
    return _render(
        "search.html.j2",
        queries=queries,
        regions=regions,
        hits=[_hit(hit, scale) for hit in answer.hits],
        scale=scale,
        gallery_version=answer.gallery_version,
    )


def pair_page(
    answer: PairAnswer,
    query: bytes,
    retrieved: bytes,
    query_regions: Sequence[Region] = (),
    retrieved_regions: Sequence[Region] = (),
) -> str:
    """The page of an explained pair; regions in the order of answer.partial_maps."""
    sizes = {
        "query": (answer.query.width, answer.query.height),
        "retrieved": (answer.retrieved.width, answer.retrieved.height),
    }
    pictures = {"query": _open(query), "retrieved": _open(retrieved)}

    def shown(side: str, map: ActivationMap, scale: float) -> str:
        return data_uri(explained(pictures[side], map, sizes[side], scale))

    overall = scale_of(answer.query_map, answer.retrieved_map)
    with_bias = scale_of(answer.query_map_with_bias, answer.retrieved_map_with_bias)
    sources = [("query", one) for one in query_regions]
    sources += [("retrieved", one) for one in retrieved_regions]
    partial = []
    for (side, region), one in zip(sources, answer.partial_maps, strict=True):
        scale = scale_of(one.map)
        partial.append(
            {
                "side": side,
                "source": data_uri(outlined(pictures[side], region, sizes[side])),
                "map": shown(one.side, one.map, scale),
                "sum": float(one.map.values.sum()),
                "constant": one.constant,
                "scale": scale,
            }
        )
    return _render(
        "pair.html.j2",
        similarity=answer.similarity,
        terms=answer.terms,
        plain={side: data_uri(picture) for side, picture in pictures.items()},
        maps=[
            ("Positions with positions", "position_position", overall,
             shown("query", answer.query_map, overall),
             shown("retrieved", answer.retrieved_map, overall),
             float(answer.query_map.values.sum()), float(answer.retrieved_map.values.sum())),
            ("With the other image's bias", "with bias", with_bias,
             shown("query", answer.query_map_with_bias, with_bias),
             shown("retrieved", answer.retrieved_map_with_bias, with_bias),
             float(answer.query_map_with_bias.values.sum()),
             float(answer.retrieved_map_with_bias.values.sum())),
        ],
        partial=partial,
    )  # fmt: skip


def _hit(hit: Hit, scale: float) -> dict[str, object]:
    size = (hit.image.width, hit.image.height)
    picture = _open(hit.thumbnail)
    return {
        "id": hit.id,
        "score": hit.score,
        "sum": None if hit.map is None else float(hit.map.values.sum()),
        "constant": hit.constant,
        "picture": data_uri(outlined(picture, hit.box, size)),
        "map": None if hit.map is None else data_uri(explained(picture, hit.map, size, scale)),
        "metadata": hit.image.metadata,
    }


def _open(data: bytes) -> Image.Image:
    """A picture as it is shown: upright, RGB, its longest side _SIDE pixels."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    shrink = _SIDE / max(picture.size)
    size = max(1, round(picture.width * shrink)), max(1, round(picture.height * shrink))
    return picture.resize(size, Image.Resampling.BICUBIC)


def _render(template: str, **values: object) -> str:
    def load(name: str) -> str:
        return (files("partlens.client.report") / "templates" / name).read_text(encoding="utf-8")

    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(load), autoescape=True, undefined=jinja2.StrictUndefined
    )
    return environment.get_template(template).render(**values)
