"""The browser's geometry is the server's: what a region covers, and how a map is drawn."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from page_modules import Ask, answering

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing import palette
from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole
from partlens.common.registration import Axis, Registration
from partlens.explainer.errors import RegionError
from partlens.explainer.preprocessing import Preprocessing, Resize
from partlens.explainer.regions import position_weights, window_box


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Asks one question of the page's own modules."""
    with answering(Path(__file__).with_name("geometry.ts")) as asked:
        yield asked


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    cells = draw(st.integers(1, 6))
    if draw(st.booleans()):
        return Axis.nominal(cells)
    steps = draw(st.lists(st.floats(0.2, 3), min_size=cells + 1, max_size=cells + 1))
    places = np.cumsum(steps)[:-1] / sum(steps)
    # Centres are sent as 32-bit floats.
    return Axis(tuple(places.astype(np.float32).tolist()))


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Preprocessing, Registration, tuple[int, int]]:
    """A model's preprocessing and grid, and the size of an image."""
    sides = st.integers(2, 60)
    resize: Resize = draw(st.sampled_from(get_args(Resize)))
    preprocessing = Preprocessing(draw(sides), draw(sides), resize=resize)
    return preprocessing, Registration(draw(axes()), draw(axes())), (draw(sides), draw(sides))


@st.composite
def regions(draw: st.DrawFn, size: tuple[int, int]) -> Region:
    """Any shape, partly outside too; polygons cross themselves as they like."""
    width, height = size
    x, y = st.floats(-width, 2 * width), st.floats(-height, 2 * height)
    kind = draw(st.sampled_from(["box", "polygon", "point", "mask", "whole"]))
    if kind == "box":
        across, down = st.floats(0.1, 2 * width), st.floats(0.1, 2 * height)
        return Box(draw(x), draw(y), draw(across), draw(down))
    if kind == "polygon":
        return Polygon(tuple(draw(st.lists(st.tuples(x, y), min_size=3, max_size=8))))
    if kind == "point":
        return Point(draw(st.floats(0, width)), draw(st.floats(0, height)))
    if kind == "mask":
        random = np.random.default_rng(draw(st.integers(0, 2**32)))
        return Mask(random.random((height, width)) < draw(st.floats(0, 1)))
    return Whole()


def described(
    preprocessing: Preprocessing, registration: Registration, size: tuple[int, int]
) -> dict[str, Any]:
    """What the server says of an image of a size."""
    rows, cols = registration.grid
    extent = window_box(0, 0, rows, cols, size, preprocessing, registration)
    return {
        "grid": {
            "rows": rows,
            "cols": cols,
            "rowCentres": registration.rows.centres,
            "colCentres": registration.cols.centres,
            "extent": vars(extent),
        },
        "image": {"width": size[0], "height": size[1]},
        "strongest": 1,
    }


def shape(region: Region) -> dict[str, Any]:
    """A region as the page writes it."""
    match region:
        case Box():
            return {"region": {"kind": "box", **vars(region)}}
        case Polygon(points):
            return {"region": {"kind": "polygon", "points": [{"x": x, "y": y} for x, y in points]}}
        case Point():
            return {"region": {"kind": "point", **vars(region)}}
        case Mask(array):
            return {"pixels": array.ravel().astype(int).tolist()}
        case Whole():
            return {"region": {"kind": "whole"}}


def near_a_line(point: Point, scene: tuple[Preprocessing, Registration, tuple[int, int]]) -> bool:
    """Whether rounding decides in which cell a point lies, or whether the model sees it at all."""
    preprocessing, registration, size = scene
    frame = preprocessing.frame(*size)
    x, y = frame.to_input(point.x, point.y)
    at = (
        registration.cols.to_cells(np.array(x / preprocessing.width)),
        registration.rows.to_cells(np.array(y / preprocessing.height)),
    )
    return any(abs(value - round(float(value))) < 1e-5 for value in at)


@given(st.data())
def test_a_region_covers_the_same_in_the_browser_as_on_the_server(
    ask: Ask, data: st.DataObject
) -> None:
    scene = data.draw(scenes())
    preprocessing, registration, size = scene
    region = data.draw(regions(size))
    assume(not (isinstance(region, Point) and near_a_line(region, scene)))
    found = np.array(ask(described(*scene) | shape(region)))
    try:
        expected = position_weights(region, size, preprocessing, registration)
    except RegionError:
        expected = np.zeros(found.shape, np.float32)
    np.testing.assert_allclose(found, expected, atol=1e-4)


@given(st.data())
def test_the_edges_of_an_image_belong_to_its_last_cells(ask: Ask, data: st.DataObject) -> None:
    sides = st.integers(2, 5000)
    preprocessing = Preprocessing(data.draw(st.integers(2, 400)), data.draw(st.integers(2, 400)))
    registration = Registration(data.draw(axes()), data.draw(axes()))
    size = data.draw(sides), data.draw(sides)
    region = Point(*data.draw(st.sampled_from([(0, 0), (size[0], 0), (0, size[1]), size])))
    found = ask(described(preprocessing, registration, size) | shape(region))
    expected = position_weights(region, size, preprocessing, registration)
    np.testing.assert_array_equal(found, expected)


@given(st.data())
def test_a_map_is_drawn_the_same_as_in_reports(ask: Ask, data: st.DataObject) -> None:
    preprocessing, registration, size = scene = data.draw(scenes())
    rows, cols = registration.grid
    seed, strongest = data.draw(st.integers(0, 2**32)), data.draw(st.just(0) | st.floats(0.01, 2))
    values = np.random.default_rng(seed).standard_normal((rows, cols)).astype(np.float32)
    question = described(*scene) | {"values": values.ravel().tolist(), "strongest": strongest}
    found = ask(question)
    extent = window_box(0, 0, rows, cols, size, preprocessing, registration)
    drawn = ActivationMap(values, extent, registration).upsampled(*size)
    np.testing.assert_allclose(np.reshape(found["drawn"], drawn.shape), drawn, atol=1e-4)
    rgba = np.reshape(found["rgba"], (*drawn.shape, 4)).astype(int)
    expected = palette.colours(drawn, strongest).astype(int)
    # Where nothing is drawn, a colour has no meaning; near zero, rounding decides its side.
    seen = (expected[..., 3] > 1) & (np.abs(drawn) > 1e-4)
    np.testing.assert_allclose(rgba[..., 3], expected[..., 3], atol=1)
    np.testing.assert_array_equal(rgba[seen, :3], expected[seen, :3])
