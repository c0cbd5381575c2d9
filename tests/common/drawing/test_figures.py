"""Figures: colours mean the numbers of their scale, and the numbers add up."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.bar import bar
from partlens.common.drawing.errors import FigureError
from partlens.common.drawing.figure import FORMATS, Figure
from partlens.common.drawing.pair_figure import MarkedRegion, ShownMap, overlay_figure, pair_figure
from partlens.common.drawing.palette import NEGATIVE, POSITIVE, colours
from partlens.common.drawing.scale import Scale
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.explained_pair import Side
from partlens.common.regions import Box
from partlens.common.registration import Registration

GRID, SIZE = (4, 3), (300, 400)
grids = st.lists(
    st.floats(-2, 2, width=32), min_size=GRID[0] * GRID[1], max_size=GRID[0] * GRID[1]
).map(lambda numbers: np.array(numbers, np.float32).reshape(GRID))


def placed(values: NDArray[np.float32]) -> ActivationMap:
    return ActivationMap(values, Box(0, 0, *SIZE), Registration.nominal(GRID))


def image(name: str = "") -> ShownImage:
    return ShownImage(Image.new("RGB", SIZE, "white"), SIZE, name)


IMAGES: dict[Side, ShownImage] = {"query": image("a.jpg"), "retrieved": image("b.jpg")}


@given(grids, st.floats(-1, 1))
@settings(max_examples=10)
def test_the_number_that_a_figure_names_is_the_sum_of_its_map_and_its_constant(
    values: NDArray[np.float32], constant: float
) -> None:
    shown = ShownMap("retrieved", placed(values), constant, "contribution", MarkedRegion(None))
    text = pair_figure(IMAGES, [shown]).text
    (number,) = re.findall(r"contribution ([-+]\d+\.\d{4})", text)
    assert float(number) == pytest.approx(values.astype(float).sum() + constant, abs=6e-5)
    sums = shown.map.sums
    assert sums.red + sums.blue == pytest.approx(sums.sum, abs=1e-5)
    assert sums.red >= 0 >= sums.blue


@given(grids)
@settings(max_examples=10)
def test_numpy_takes_a_map_as_its_values(values: NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(np.asarray(placed(values)), values)
    assert np.asarray(placed(values), np.float64).dtype == np.float64


@given(grids, st.floats(0.01, 3))
@settings(max_examples=10)
def test_a_colour_of_a_figure_is_that_of_the_bar_for_the_same_number(
    values: NDArray[np.float32], strongest: float
) -> None:
    figure = overlay_figure(image(), placed(values), strongest)
    drawn = np.asarray(figure.image).astype(int)
    # The picture, 315x420, lies below its title; the centre of each cell keeps the cell's value.
    rows = 12 + 30 + ((np.arange(GRID[0]) + 0.5) * 420 / GRID[0]).astype(int)
    cols = 12 + ((np.arange(GRID[1]) + 0.5) * 315 / GRID[1]).astype(int)
    rgba = colours(values, strongest).astype(float)
    expected = 255 + (rgba[..., :3] - 255) * rgba[..., 3:] / 255
    # Centres lie between pixels, up to half a pixel of which the neighbours' colours reach.
    reach = 255 * 2 * (0.5 / 105) * 4 / strongest + 2
    assert np.abs(drawn[np.ix_(rows, cols)] - expected).max() <= reach


@given(st.floats(0.001, 100))
@settings(max_examples=20)
def test_the_bar_runs_from_the_strongest_blue_to_the_strongest_red(strongest: float) -> None:
    drawn = np.asarray(bar(Scale(strongest, strongest))).astype(int)[5]
    coloured = np.flatnonzero((drawn != 255).any(1))
    ends = drawn[coloured[2]], drawn[coloured[-3]]
    for found, colour in zip(ends, (NEGATIVE, POSITIVE), strict=True):
        expected = 255 + (np.array(colour) - 255) * 0.85
        np.testing.assert_allclose(found, expected, atol=5)


def test_figures_with_the_same_given_scale_have_the_same_bar() -> None:
    random = np.random.default_rng(0)
    drawn = [
        overlay_figure(image(), placed(random.random(GRID).astype(np.float32) * 0.1), 0.5).image
        for _ in range(2)
    ]
    bars = [np.asarray(one)[-60:] for one in drawn]
    np.testing.assert_array_equal(bars[0], bars[1])
    assert (np.asarray(drawn[0]) != np.asarray(drawn[1])).any()


@given(grids)
def test_a_scale_ends_at_a_round_number_that_most_values_are_below(
    values: NDArray[np.float32],
) -> None:
    map = placed(values)
    scale = Scale.numbered(map)
    assert scale.largest == np.abs(values).max()
    if not values.any():
        assert scale.strongest == 0
        return
    assert f"{scale.strongest:e}"[0] in "125" and float(f"{scale.strongest:.0e}") == scale.strongest
    close = Scale.of(map).strongest
    assert close * (1 - 1e-5) <= scale.strongest <= 2.5 * close * (1 + 1e-5)
    assert Scale.numbered(map, strongest=0.3) == Scale(0.3, scale.largest)


def test_a_map_of_zeros_is_drawn_and_says_so() -> None:
    zeros = placed(np.zeros(GRID, np.float32))
    assert overlay_figure(image(), zeros).image.size > (315, 420)
    assert (np.asarray(bar(Scale(0.0, 0.0))) < 128).any()


@pytest.mark.parametrize("suffix", [*FORMATS, ".PNG"])
def test_a_figure_is_saved_by_the_extension_of_its_file(tmp_path: Path, suffix: str) -> None:
    figure = Figure(Image.new("RGB", (20, 10), "red"), "red")
    path = tmp_path / f"a{suffix}"
    figure.save(path)
    figure.save(str(path))
    with Image.open(path) as saved:
        assert (saved.format, saved.size) == (FORMATS[suffix.lower()], (20, 10))


def test_a_figure_of_another_format_is_refused_and_nothing_is_written(tmp_path: Path) -> None:
    figure = Figure(Image.new("RGB", (20, 10)), "black")
    for name in ("a.pdf", "a", "a.npy"):
        with pytest.raises(FigureError, match=r"must be one of \.png, \.jpg"):
            figure.save(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_long_names_are_cut_in_their_middle() -> None:
    long = {"query": image("a" * 300 + ".jpg"), "retrieved": image("\x1b[2J.jpg")}
    shown = ShownMap("retrieved", placed(np.ones(GRID, np.float32)), 0.0, "contribution")
    figure = pair_figure(long, [shown])  # type: ignore[arg-type]
    assert figure.image.width < 1200 and "\x1b" not in figure.text
