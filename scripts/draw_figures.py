"""Draws docs/figures/*.jpg: examples of the explainer's maps, on generated pictures only.

Takes a few minutes, since it trains a two-stream network; the figures are the same every time.
"""

import argparse
import sys
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from partlens.client import ActivationMap, Box, Point
from partlens.common.drawing.overlay import explained, outlined
from partlens.common.drawing.palette import colours
from partlens.common.drawing.scale import Scale
from partlens.common.drawing.sheet import column, side_by_side, stacked
from partlens.common.regions import Box as Region
from partlens.common.registration import Registration
from partlens.explainer import COMPARATORS, MetricModel, PairExplanation, Target
from partlens.explainer.evaluation.orientation.network import StreamTraining, train
from partlens.explainer.evaluation.orientation.reading import (
    aerial_bearing,
    error,
    headings,
    panorama_angle,
)
from partlens.explainer.evaluation.orientation.scenes import Pair
from partlens.explainer.evaluation.orientation.scenes import generate as generate_places
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import Picture, generate

FIGURES = Path(__file__).parents[1] / "docs" / "figures"
SEED, QUERY, RETRIEVED, STRANGER = 1, "1-0063-a0", "1-0063-b1", "1-0008-b1"
PARTS = ("hat", "top", "bag", "legwear", "shoes")
_ZOOM = 2

Pixels = NDArray[np.uint8]


@cache
def pictures() -> dict[str, Picture]:
    """Generated people by id."""
    return {one.id: one for one in generate(400, SEED, 4)}


def enlarged(pixels: Pixels) -> Image.Image:
    """A picture, enlarged."""
    picture = Image.fromarray(pixels)
    size = picture.width * _ZOOM, picture.height * _ZOOM
    return picture.resize(size, Image.Resampling.BICUBIC)


def as_map(values: torch.Tensor, pixels: Pixels, looks: Registration) -> ActivationMap:
    """A map that covers a whole picture."""
    return ActivationMap(values.numpy(), Box(0, 0, pixels.shape[1], pixels.shape[0]), looks)


def starter() -> MetricModel:
    """The starter model."""
    return MetricModel.load(model_folder())


def under_maps(
    pixels: Pixels, maps: Mapping[str, torch.Tensor], looks: Registration
) -> list[Image.Image]:
    """One column per map, all on the same colour scale, with the sums of red and blue."""
    drawn = {title: as_map(values, pixels, looks) for title, values in maps.items()}
    scale = Scale.of(*drawn.values())
    size = pixels.shape[1], pixels.shape[0]
    columns = []
    for title, one in drawn.items():
        red, blue = one.values.clip(min=0).sum(), one.values.clip(max=0).sum()
        lines = [f"red {red:+.2f}  blue {blue:+.2f}", f"sum {red + blue:+.3f}"]
        columns.append(column(title, lines, [explained(enlarged(pixels), one, size, scale)]))
    return columns


def plain(title: str, pixels: Pixels, *lines: str) -> Image.Image:
    """A picture without a map."""
    return column(title, lines, [enlarged(pixels)])


def people() -> tuple[MetricModel, Picture, Picture, PairExplanation]:
    """The starter model, two pictures of a person by two cameras, and their explanation."""
    model, known = starter(), pictures()
    query, retrieved = known[QUERY], known[RETRIEVED]
    return model, query, retrieved, model.explain(query.image, retrieved.image)


def box_of(picture: Picture, part: str) -> Region:
    """The box of a part."""
    box = picture.parts[part]
    return Region(box.x, box.y, box.width, box.height)


def overall() -> Image.Image:
    """Both overall maps of a pair of the same person."""
    model, query, retrieved, pair = people()
    looks = model.spec.registration
    columns = [plain("query", query.image, f"similarity {pair.similarity:.3f}")]
    columns += under_maps(query.image, {"its map": pair.query_map(with_bias=False).values}, looks)
    columns.append(plain("retrieved", retrieved.image))
    columns += under_maps(
        retrieved.image, {"its map": pair.retrieved_map(with_bias=False).values}, looks
    )
    return side_by_side(columns)


def pair_figure() -> Image.Image:
    """The figure of a partial map, as the library draws it."""
    _, query, _, pair = people()
    return pair.partial_map(box_of(query, "hat")).figure().image


def partial() -> Image.Image:
    """Partial maps of the retrieved image for parts of the query."""
    model, query, retrieved, pair = people()
    shared = [part for part in PARTS if part in query.parts and part in retrieved.parts]
    size = query.image.shape[1], query.image.shape[0]
    asked = enlarged(query.image)
    for part in shared:
        box = query.parts[part]
        asked = outlined(asked, Box(box.x, box.y, box.width, box.height), size, part)
    maps = {part: pair.partial_map(box_of(query, part)).values for part in shared}
    drawn = under_maps(retrieved.image, maps, model.spec.registration)
    return side_by_side([column("query", [], [asked]), *drawn])


def registration() -> Image.Image:
    """The same map with evenly spread centres and with measured ones."""
    model, query, retrieved, pair = people()
    part = "hat"
    box, size = query.parts[part], (query.image.shape[1], query.image.shape[0])
    asked = outlined(enlarged(query.image), Box(box.x, box.y, box.width, box.height), size, part)
    values = pair.partial_map(box_of(query, part)).values
    even = Registration.nominal(model.spec.grid)
    return side_by_side(
        [
            column("query", [], [asked]),
            plain("retrieved", retrieved.image),
            *under_maps(retrieved.image, {"evenly spread": values}, even),
            *under_maps(retrieved.image, {"as measured": values}, model.spec.registration),
        ]
    )


def by_sign() -> Image.Image:
    """What makes two different people similar, and what makes them differ."""
    model, known = starter(), pictures()
    query, other = known[QUERY], known[STRANGER]
    pair = model.explain(query.image, other.image)
    signed = pair.retrieved_map()
    without = signed.similarity_without_lowering
    return side_by_side(
        [
            plain("query", query.image, f"similarity {pair.similarity:.3f}"),
            plain("somebody else", other.image, f"{without:.3f} without the blue"),
            *under_maps(
                other.image,
                {"raises": signed.raises, "lowers": signed.lowers},
                model.spec.registration,
            ),
        ]
    )


def comparators() -> Image.Image:
    """Six methods on one image, each on its own colour scale: compare places, not strengths."""
    model, query, retrieved, _ = people()
    feature = model.features(retrieved.image)
    target = Target.images(model.decompose([query.image]))
    columns = [plain("retrieved", retrieved.image)]
    for name, method in COMPARATORS.items():
        maps = {name: method(model.head, feature, target)[0]}
        columns += under_maps(retrieved.image, maps, model.spec.registration)
    return stacked([side_by_side(columns[:4]), side_by_side(columns[4:])])


def regions() -> Image.Image:
    """Parts against parts, as a table in the maps' colours."""
    _, query, retrieved, pair = people()
    shared = [part for part in PARTS if part in query.parts and part in retrieved.parts]
    ours, theirs = ([box_of(one, part) for part in shared] for one in (query, retrieved))
    values = pair.region_matrix(ours, theirs).numpy()
    cell = 76
    tint = Image.fromarray(colours(values, float(np.abs(values).max())))
    table = Image.new("RGBA", (cell * len(shared), cell * len(shared)), "white")
    table.alpha_composite(tint.resize(table.size, Image.Resampling.NEAREST))
    pen = ImageDraw.Draw(table)
    for row, col in np.ndindex(values.shape):
        text = f"{values[row, col]:+.3f}"
        pen.text(((col + 0.5) * cell, (row + 0.5) * cell), text, "black", anchor="mm", font_size=16)
    labels = Image.new("RGB", (cell, table.height), "white")
    for row, part in enumerate(shared):
        at = (cell - 4, (row + 0.5) * cell)
        ImageDraw.Draw(labels).text(at, part, "black", anchor="rm", font_size=16)
    title = "of the query, against " + ", ".join(shared) + " of the retrieved"
    return side_by_side(
        [
            plain("query", query.image),
            plain("retrieved", retrieved.image),
            column(title, [], [labels, table.convert("RGB")]),
        ]
    )


def orientation() -> Image.Image:
    """Places where the overall peaks show different things and the partial map's peak is right."""
    panorama_model, aerial_model = train(list(generate_places(2000, SEED)), StreamTraining())
    sheets: list[Image.Image] = []
    for pair in generate_places(100, SEED + 1):
        street = panorama_model.decompose([pair.panorama])[0]
        above = aerial_model.decompose([pair.aerial])[0]
        errors = {m: error(found, pair.heading) for m, found in headings(street, above).items()}
        if errors["overall"] > 60 and errors["partial"] < 4:
            sheets.append(_place(pair, PairExplanation(street, above), errors["overall"]))
        if len(sheets) == 2:
            return stacked(sheets)
    raise RuntimeError("no suitable place was generated")


def _place(pair: Pair, explanation: PairExplanation, overall_error: float) -> Image.Image:
    seen = explanation.query_map(with_bias=False).values
    point = torch.zeros(seen.numel())
    point[seen.argmax()] = 1
    partial_map = explanation.partial_map(point).values
    overall_map = explanation.retrieved_map(with_bias=False).values
    angle = panorama_angle(seen.numpy())
    row = int(seen.argmax()) // seen.shape[1]
    peak = Point(angle / 360 * pair.panorama.shape[1], (row + 0.5) * 4)
    off = error(aerial_bearing(partial_map.numpy()) - angle, pair.heading)
    above = [
        column(f"{name} peak", [f"off by {degrees:.1f} degrees"], [_aerial(pair, values)])
        for name, values, degrees in (
            ("overall", overall_map, overall_error),
            ("partial", partial_map, off),
        )
    ]
    around = _with_peak(pair.panorama, seen, peak)
    street = stacked([plain("panorama", pair.panorama), column("its map", [], [around])])
    return side_by_side([street, plain("aerial", pair.aerial), *above])


def _aerial(pair: Pair, values: torch.Tensor) -> Image.Image:
    index = int(values.argmax())
    row, col = divmod(index, values.shape[1])
    cell = pair.aerial.shape[0] / values.shape[0]
    return _with_peak(pair.aerial, values, Point((col + 0.5) * cell, (row + 0.5) * cell))


def _with_peak(pixels: Pixels, values: torch.Tensor, peak: Point) -> Image.Image:
    looks = Registration.nominal((values.shape[0], values.shape[1]))
    one, size = as_map(values, pixels, looks), (pixels.shape[1], pixels.shape[0])
    return outlined(explained(enlarged(pixels), one, size, Scale.of(one)), peak, size)


DRAWN: Mapping[str, Callable[[], Image.Image]] = {
    "overall": overall,
    "pair": pair_figure,
    "partial": partial,
    "registration": registration,
    "by_sign": by_sign,
    "comparators": comparators,
    "regions": regions,
    "orientation": orientation,
}


def main() -> int:
    """Draw the named figures, or all; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(DRAWN)}")
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder to draw into")
    given = parser.parse_args()
    if strange := set(given.names) - set(DRAWN):
        parser.error(
            f"unknown figures {', '.join(sorted(strange))}; choose from {', '.join(DRAWN)}"
        )
    torch.set_num_threads(1)  # sums of floats depend on the number of threads
    given.out.mkdir(exist_ok=True)
    for name in given.names or DRAWN:
        path = given.out / f"{name}.jpg"
        DRAWN[name]().save(path, quality=85, optimize=True)
        print(f"{path}: {path.stat().st_size} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
