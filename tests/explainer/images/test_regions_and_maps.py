"""Laws of regions, windows and upsampled maps, against a finely sampled oracle."""

from contextlib import suppress
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.common.regions import Box, Mask, Point, Polygon, Region
from partlens.explainer.errors import RegionError
from partlens.explainer.maps import upsample
from partlens.explainer.preprocessing import Preprocessing, Resize
from partlens.explainer.regions import position_weights, window_box

resizes: st.SearchStrategy[Resize] = st.sampled_from(["stretch", "shortest_side_crop"])
sizes = st.tuples(st.integers(5, 90), st.integers(5, 90))
grids = st.tuples(st.integers(1, 6), st.integers(1, 6))


def model(resize: Resize) -> Preprocessing:
    return Preprocessing(height=64, width=32, resize=resize)


def sampled(
    inside: NDArray[np.bool_], size: tuple[int, int], grid: tuple[int, int], resize: Resize
) -> NDArray[np.float64]:
    """Cell averages of a finely sampled region, bool [samples, samples] over the input."""
    rows, cols = grid
    fine = inside.reshape(rows, inside.shape[0] // rows, cols, inside.shape[1] // cols)
    means: NDArray[np.float64] = fine.mean((1, 3)).reshape(-1)
    return means


@given(sizes, grids, resizes)
def test_a_region_that_covers_all_weighs_one_everywhere(
    size: tuple[int, int], grid: tuple[int, int], resize: Resize
) -> None:
    width, height = size
    everything: list[Region] = [
        Box(-1, -1, width + 2, height + 2),
        Polygon(((0, 0), (width, 0), (width, height), (0, height))),
        Mask(np.ones((height, width), dtype=np.bool_)),
    ]
    for region in everything:
        weights = position_weights(region, size, model(resize), grid)
        np.testing.assert_allclose(weights, np.ones(grid[0] * grid[1]), atol=1e-5)


@given(sizes, grids, resizes, st.lists(st.floats(0.05, 0.95), min_size=6, max_size=6))
def test_coverage_equals_a_finely_sampled_oracle(
    size: tuple[int, int], grid: tuple[int, int], resize: Resize, at: list[float]
) -> None:
    width, height = size
    corners = np.array(at).reshape(3, 2) * size
    frame = model(resize).frame(width, height)
    samples = 60
    y = (np.arange(samples * grid[0]) + 0.5) / (samples * grid[0]) * 64
    x = (np.arange(samples * grid[1]) + 0.5) / (samples * grid[1]) * 32
    xs, ys = np.meshgrid((x - frame.offset_x) / frame.scale_x, (y - frame.offset_y) / frame.scale_y)
    sides = []
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        sides.append((x1 - x0) * (ys - y0) - (y1 - y0) * (xs - x0))
    inside = np.all(np.array(sides) > 0, axis=0) | np.all(np.array(sides) < 0, axis=0)
    oracle = sampled(inside, size, grid, resize)
    if oracle.max() < 0.05:
        return
    triangle = Polygon(tuple((float(a), float(b)) for a, b in corners))
    weights = position_weights(triangle, size, model(resize), grid)
    np.testing.assert_allclose(weights, oracle, atol=0.06)


@given(sizes, grids, resizes, st.data())
def test_a_mask_and_the_box_of_the_same_pixels_agree(
    size: tuple[int, int], grid: tuple[int, int], resize: Resize, data: st.DataObject
) -> None:
    width, height = size
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    pixels = np.zeros((height, width), dtype=np.bool_)
    pixels[y0:y1, x0:x1] = True
    try:
        box = position_weights(Box(x0, y0, x1 - x0, y1 - y0), size, model(resize), grid)
    except RegionError:
        return  # All of it is cropped away.
    np.testing.assert_allclose(
        box, position_weights(Mask(pixels), size, model(resize), grid), atol=1e-5
    )


@given(sizes, grids, resizes, st.lists(st.floats(0, 1), min_size=4, max_size=4))
def test_a_box_and_the_polygon_of_its_corners_agree(
    size: tuple[int, int], grid: tuple[int, int], resize: Resize, at: list[float]
) -> None:
    (x0, x1), (y0, y1) = (
        sorted(share * side for share in pair)
        for pair, side in zip((at[:2], at[2:]), size, strict=True)
    )
    box = Box(x0, y0, x1 - x0, y1 - y0)
    polygon = Polygon(((x1, y0), (x1, y1), (x0, y1), (x0, y0)))
    try:
        weights = position_weights(box, size, model(resize), grid)
    except RegionError:
        with pytest.raises(RegionError):
            position_weights(polygon, size, model(resize), grid)
        return
    np.testing.assert_allclose(
        weights, position_weights(polygon, size, model(resize), grid), atol=1e-6
    )


cuts = st.lists(st.floats(0, 1), max_size=4)


@given(sizes, grids, resizes, cuts, cuts)
def test_the_boxes_that_an_image_is_cut_into_add_up_to_one_in_every_cell(
    size: tuple[int, int],
    grid: tuple[int, int],
    resize: Resize,
    across: list[float],
    down: list[float],
) -> None:
    x, y = (
        np.unique([0.0, *(cut * side for cut in cuts), side])
        for cuts, side in zip((across, down), size, strict=True)
    )
    total = np.zeros(grid[0] * grid[1])
    for (left, right), (top, bottom) in product(pairwise(x), pairwise(y)):
        box = Box(float(left), float(top), float(right - left), float(bottom - top))
        with suppress(RegionError):  # All of it is cropped away, or thinner than rounding.
            total += position_weights(box, size, model(resize), grid)
    np.testing.assert_allclose(total, 1, atol=1e-4)


@given(sizes, grids, resizes, st.data())
def test_the_box_of_a_window_covers_exactly_its_cells(
    size: tuple[int, int], grid: tuple[int, int], resize: Resize, data: st.DataObject
) -> None:
    rows, cols = grid
    row, col = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, cols - 1))
    row1, col1 = data.draw(st.integers(row + 1, rows)), data.draw(st.integers(col + 1, cols))
    box = window_box(row, col, row1, col1, size, model(resize), grid)
    expected = np.zeros(grid)
    expected[row:row1, col:col1] = 1
    weights = position_weights(box, size, model(resize), grid)
    np.testing.assert_allclose(weights.reshape(grid), expected, atol=1e-4)


@given(sizes, grids, resizes)
def test_a_point_is_the_one_cell_whose_box_holds_it(
    size: tuple[int, int], grid: tuple[int, int], resize: Resize
) -> None:
    point = Point(size[0] / 2, size[1] / 2)
    weights = position_weights(point, size, model(resize), grid)
    assert sorted(weights)[-1] == 1 and weights.sum() == 1
    row, col = divmod(int(weights.argmax()), grid[1])
    box = window_box(row, col, row + 1, col + 1, size, model(resize), grid)
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
        position_weights(region, (100, 50), model("stretch"), (4, 4))


def test_what_the_model_crops_away_is_refused_and_gets_nothing() -> None:
    with pytest.raises(RegionError, match="sees"):
        position_weights(Box(0, 0, 3, 50), (100, 50), model("shortest_side_crop"), (4, 4))
    assert upsample(np.ones((4, 4)), (100, 50), model("shortest_side_crop"))[:, :30].max() == 0


@given(sizes, grids, st.floats(-5, 5))
def test_upsampling_keeps_a_constant_and_stays_between_its_extremes(
    size: tuple[int, int], grid: tuple[int, int], level: float
) -> None:
    width, height = size
    flat = upsample(np.full(grid, level), size, model("stretch"))
    assert flat.shape == (height, width)
    np.testing.assert_allclose(flat, level, atol=1e-5)
    ramp = np.arange(grid[0] * grid[1], dtype=np.float64).reshape(grid) - 3
    large = upsample(ramp, size, model("stretch"))
    assert large.min() >= ramp.min() - 1e-4 and large.max() <= ramp.max() + 1e-4
