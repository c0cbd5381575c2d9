"""Laws of regions, windows and upsampled maps, against a finely sampled oracle."""

from contextlib import suppress
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.common.regions import Box, Mask, Point, Polygon, Region
from partlens.common.registration import Axis, Registration
from partlens.explainer.errors import RegionError, ShapeError
from partlens.explainer.preprocessing import Preprocessing, Resize
from partlens.explainer.regions import position_weights, window_box
from partlens.explainer.view import View

resizes: st.SearchStrategy[Resize] = st.sampled_from(["stretch", "shortest_side_crop"])
sizes = st.tuples(st.integers(5, 90), st.integers(5, 90))
NOMINAL = Registration.nominal((4, 4))


@st.composite
def axes(draw: st.DrawFn) -> Axis:
    """Cells of any widths, or evenly spread ones."""
    steps = draw(st.lists(st.integers(1, 20), min_size=2, max_size=7))
    if draw(st.booleans()):
        return Axis.nominal(len(steps) - 1)
    return Axis(tuple((np.cumsum(steps)[:-1] / sum(steps)).tolist()))


registrations = st.builds(Registration, axes(), axes())


def model(resize: Resize) -> Preprocessing:
    return Preprocessing(height=64, width=32, resize=resize)


def upsampled(
    values: NDArray[np.floating], size: tuple[int, int], how: Preprocessing, looks: Registration
) -> NDArray[np.float32]:
    return View(size, how, looks).placed(values).upsampled(*size)


def sampled(inside: NDArray[np.bool_], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Cell averages of a finely sampled region, bool [samples, samples], evenly in cells."""
    rows, cols = grid
    fine = inside.reshape(rows, inside.shape[0] // rows, cols, inside.shape[1] // cols)
    means: NDArray[np.float64] = fine.mean((1, 3)).reshape(-1)
    return means


@given(sizes, registrations, resizes)
def test_a_region_that_covers_all_weighs_one_everywhere(
    size: tuple[int, int], looks: Registration, resize: Resize
) -> None:
    width, height = size
    everything: list[Region] = [
        Box(-1, -1, width + 2, height + 2),
        Polygon(((0, 0), (width, 0), (width, height), (0, height))),
        Mask(np.ones((height, width), dtype=np.bool_)),
    ]
    for region in everything:
        weights = position_weights(region, size, model(resize), looks)
        np.testing.assert_allclose(weights, 1, atol=1e-5)


@given(sizes, registrations, resizes, st.lists(st.floats(0.05, 0.95), min_size=6, max_size=6))
def test_coverage_equals_a_finely_sampled_oracle(
    size: tuple[int, int], looks: Registration, resize: Resize, at: list[float]
) -> None:
    width, height = size
    corners = np.array(at).reshape(3, 2) * size
    frame = model(resize).frame(width, height)
    samples = 60
    y, x = (
        side
        * np.interp(
            (np.arange(samples * len(axis)) + 0.5) / samples,
            [0, *(np.arange(len(axis)) + 0.5), len(axis)],
            [0, *axis.centres, 1],
        )
        for side, axis in ((64, looks.rows), (32, looks.cols))
    )
    xs, ys = np.meshgrid((x - frame.offset_x) / frame.scale_x, (y - frame.offset_y) / frame.scale_y)
    sides = []
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        sides.append((x1 - x0) * (ys - y0) - (y1 - y0) * (xs - x0))
    inside = np.all(np.array(sides) > 0, axis=0) | np.all(np.array(sides) < 0, axis=0)
    oracle = sampled(inside, looks.grid)
    if oracle.max() < 0.05:
        return
    triangle = Polygon(tuple((float(a), float(b)) for a, b in corners))
    weights = position_weights(triangle, size, model(resize), looks)
    np.testing.assert_allclose(weights, oracle, atol=0.06)


@given(sizes, registrations, resizes, st.data())
def test_a_mask_and_the_box_of_the_same_pixels_agree(
    size: tuple[int, int], looks: Registration, resize: Resize, data: st.DataObject
) -> None:
    width, height = size
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    pixels = np.zeros((height, width), dtype=np.bool_)
    pixels[y0:y1, x0:x1] = True
    try:
        box = position_weights(Box(x0, y0, x1 - x0, y1 - y0), size, model(resize), looks)
    except RegionError:
        return  # All of it is cropped away.
    np.testing.assert_allclose(
        box, position_weights(Mask(pixels), size, model(resize), looks), atol=1e-5
    )


@given(sizes, registrations, resizes, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_and_the_polygon_of_its_corners_agree(
    size: tuple[int, int], looks: Registration, resize: Resize, at: list[float]
) -> None:
    (x0, x1), (y0, y1) = (
        sorted(share * side for share in pair)
        for pair, side in zip((at[:2], at[2:]), size, strict=True)
    )
    box = Box(x0, y0, x1 - x0, y1 - y0)
    polygon = Polygon(((x1, y0), (x1, y1), (x0, y1), (x0, y0)))
    try:
        weights = position_weights(box, size, model(resize), looks)
    except RegionError:
        with pytest.raises(RegionError):
            position_weights(polygon, size, model(resize), looks)
        return
    np.testing.assert_allclose(
        weights, position_weights(polygon, size, model(resize), looks), atol=1e-6
    )


cuts = st.lists(st.floats(0, 1), max_size=4)


@given(sizes, registrations, resizes, cuts, cuts)
def test_the_boxes_that_an_image_is_cut_into_add_up_to_one_in_every_cell(
    size: tuple[int, int],
    looks: Registration,
    resize: Resize,
    across: list[float],
    down: list[float],
) -> None:
    x, y = (
        np.unique([0.0, *(cut * side for cut in cuts), side])
        for cuts, side in zip((across, down), size, strict=True)
    )
    total = np.zeros(looks.grid[0] * looks.grid[1])
    for (left, right), (top, bottom) in product(pairwise(x), pairwise(y)):
        box = Box(float(left), float(top), float(right - left), float(bottom - top))
        with suppress(RegionError):  # All of it is cropped away, or thinner than rounding.
            total += position_weights(box, size, model(resize), looks)
    np.testing.assert_allclose(total, 1, atol=1e-4)


@given(sizes, registrations, resizes, st.data())
def test_the_box_of_a_window_covers_exactly_its_cells(
    size: tuple[int, int], looks: Registration, resize: Resize, data: st.DataObject
) -> None:
    rows, cols = looks.grid
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    row1, col1 = data.draw(st.integers(row + 1, rows)), data.draw(st.integers(col + 1, cols))
    box = window_box(row, col, row1, col1, size, model(resize), looks)
    expected = np.zeros(looks.grid)
    expected[row:row1, col:col1] = 1
    weights = position_weights(box, size, model(resize), looks)
    np.testing.assert_allclose(weights.reshape(looks.grid), expected, atol=1e-4)


@given(sizes, registrations, resizes)
def test_a_point_is_the_one_cell_whose_box_holds_it(
    size: tuple[int, int], looks: Registration, resize: Resize
) -> None:
    point = Point(size[0] / 2, size[1] / 2)
    weights = position_weights(point, size, model(resize), looks)
    assert sorted(weights)[-1] == 1 and weights.sum() == 1
    row, col = divmod(int(weights.argmax()), looks.grid[1])
    box = window_box(row, col, row + 1, col + 1, size, model(resize), looks)
    assert box.x - 1e-6 <= point.x <= box.x + box.width + 1e-6
    assert box.y - 1e-6 <= point.y <= box.y + box.height + 1e-6


@pytest.mark.parametrize(
    "region",
    [
        Box(10, 10, 0, 5),
        Box(10, 10, -3, 5),
        Box(float("nan"), 0, 5, 5),
        Box(200, 10, 5, 5),
        Box(-9, 10, 5, 5),
        Point(-1, 5),
        Point(101, 5),
        Point(float("nan"), 5),
        Polygon(((0, 0), (5, 5))),
        Polygon(((1, 1), (5, 5), (9, 9))),
        Polygon(((0, 0), (float("inf"), 5), (5, 5))),
        Mask(np.zeros((50, 100), dtype=np.bool_)),
        Mask(np.ones((100, 50), dtype=np.bool_)),
    ],
)
def test_a_region_outside_the_image_or_of_no_area_is_refused(region: Region) -> None:
    with pytest.raises(RegionError):
        position_weights(region, (100, 50), model("stretch"), NOMINAL)


def test_what_the_model_crops_away_is_refused_and_gets_nothing() -> None:
    with pytest.raises(RegionError, match="sees"):
        position_weights(Box(0, 0, 3, 50), (100, 50), model("shortest_side_crop"), NOMINAL)
    assert (
        upsampled(np.ones((4, 4)), (100, 50), model("shortest_side_crop"), NOMINAL)[:, :30].max()
        == 0
    )


@given(sizes, registrations, st.floats(-5, 5))
def test_upsampling_keeps_a_constant_and_stays_between_its_extremes(
    size: tuple[int, int], looks: Registration, level: float
) -> None:
    width, height = size
    grid = looks.grid
    flat = upsampled(np.full(grid, level), size, model("stretch"), looks)
    assert flat.shape == (height, width)
    np.testing.assert_allclose(flat, level, atol=1e-5)
    ramp = np.arange(grid[0] * grid[1], dtype=np.float64).reshape(grid) - 3
    large = upsampled(ramp, size, model("stretch"), looks)
    assert large.min() >= ramp.min() - 1e-4 and large.max() <= ramp.max() + 1e-4


@given(registrations)
def test_a_map_has_each_cells_value_at_the_cells_centre(looks: Registration) -> None:
    grid = looks.grid
    values = np.random.default_rng(0).random(grid)
    size = (3200, 6400)
    rows, cols = (
        np.clip(np.round(np.array(axis.centres) * side - 0.5).astype(int), 0, side - 1)
        for axis, side in ((looks.rows, size[1]), (looks.cols, size[0]))
    )
    large = upsampled(values, size, model("stretch"), looks)
    np.testing.assert_allclose(large[np.ix_(rows, cols)], values, atol=0.02)


def test_a_map_of_another_grid_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"\(3, 4\).*\(4, 4\)"):
        upsampled(np.ones((3, 4)), (10, 10), model("stretch"), NOMINAL)
