"""A point snaps to the positions around it that the model sees alike."""

from collections import deque

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.common.regions import Box, Point, Whole
from partlens.common.registration import Registration
from partlens.explainer.errors import RegionError
from partlens.explainer.preprocessing import Preprocessing, Resize
from partlens.explainer.regions import position_weights
from partlens.explainer.snapping import ALIKE, region_weights, snapped

PREPROCESSING, SIZE = Preprocessing(height=40, width=60), (120, 80)
REGISTRATION = Registration.nominal((2, 3))


def naive(contributions: NDArray[np.float32], seed: int, grid: tuple[int, int]) -> list[float]:
    """Weights by a queue of cells, one at a time, in float64."""
    rows, cols = grid
    own = contributions.astype(np.float64)
    lengths = np.linalg.norm(own, axis=1)
    weights, queue = [0.0] * len(own), deque([seed])
    weights[seed] = 1.0
    while queue:
        row, col = divmod(queue.popleft(), cols)
        for down, across in ((1, 0), (-1, 0), (0, 1), (0, -1)):
            if not (0 <= row + down < rows and 0 <= col + across < cols):
                continue
            p = (row + down) * cols + col + across
            cosine = own[p] @ own[seed] / (lengths[p] * lengths[seed]) if lengths[p] else 0.0
            if cosine >= ALIKE and not weights[p]:
                weights[p] = cosine
                queue.append(p)
    return weights


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 2**16))
def test_weights_grow_over_adjacent_positions_that_are_alike(
    rows: int, cols: int, seed: int
) -> None:
    random = np.random.default_rng(seed)
    own = random.standard_normal((rows * cols, 3)).astype(np.float32)
    own *= random.random((rows * cols, 1)) < 0.9
    start = int(random.integers(rows * cols))
    own[start] = random.standard_normal(3)
    found = snapped(own, start, (rows, cols))
    np.testing.assert_allclose(found, naive(own, start, (rows, cols)), atol=1e-5)
    assert found.dtype == np.float32 and found[start] == 1
    assert (found <= 1).all()


def test_a_part_ends_where_another_begins_and_does_not_jump_over_it() -> None:
    hat, coat = [1.0, 0.1], [0.1, 1.0]
    row = np.array([hat, hat, coat, hat], np.float32)
    assert (snapped(row, 0, (1, 4)) > 0).tolist() == [True, True, False, False]
    assert (snapped(row, 2, (1, 4)) > 0).tolist() == [False, False, True, False]
    square = np.array([hat, coat, coat, hat], np.float32)
    assert (snapped(square, 0, (2, 2)) > 0).tolist() == [True, False, False, False]


def test_a_point_where_the_model_sees_nothing_is_refused() -> None:
    own = np.zeros((6, 2), np.float32)
    with pytest.raises(RegionError, match="sees nothing at this point"):
        region_weights(Point(10, 10, snap=True), own, SIZE, PREPROCESSING, REGISTRATION)


def test_a_point_snaps_from_its_own_cell_and_other_regions_do_not_look_at_the_image() -> None:
    own = np.random.default_rng(0).standard_normal((6, 4)).astype(np.float32)
    for x, y in ((10.0, 10.0), (100.0, 60.0), (119.0, 79.0)):
        cell = position_weights(Point(x, y), SIZE, PREPROCESSING, REGISTRATION)
        seen = region_weights(Point(x, y, snap=True), own, SIZE, PREPROCESSING, REGISTRATION)
        np.testing.assert_array_equal(seen, snapped(own, int(cell.argmax()), (2, 3)))
    for region in (Point(10, 10), Box(0, 0, 30, 50), Whole()):
        np.testing.assert_array_equal(
            region_weights(region, own, SIZE, PREPROCESSING, REGISTRATION),
            position_weights(region, SIZE, PREPROCESSING, REGISTRATION),
        )


def test_a_point_that_snaps_is_not_weighed_without_the_image() -> None:
    with pytest.raises(RegionError, match=r"snapping\.region_weights"):
        position_weights(Point(10, 10, snap=True), SIZE, PREPROCESSING, REGISTRATION)


@pytest.mark.parametrize("resize", ["stretch", "shortest_side_crop"])
@pytest.mark.parametrize("size", [SIZE, (80, 120)])
def test_a_whole_picture_covers_every_cell(resize: Resize, size: tuple[int, int]) -> None:
    spec = Preprocessing(height=40, width=60, resize=resize)
    np.testing.assert_allclose(position_weights(Whole(), size, spec, REGISTRATION), 1)
