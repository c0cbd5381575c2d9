"""Converts regions to feature-map cells, by the fraction of each that they cover, and back.

The model's registration says which part of the picture each cell stands for.
"""

import math

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole
from partlens.common.registration import Registration, overlap
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.errors import RegionError
from partlens.explainer.preprocessing import Preprocessing

# Scan lines per row of cells; a slanted edge is off by about 1 / (12 * lines**2) of a cell.
_LINES = 64
_MASK_BLOCK = 2**20
"""Pixels of a mask that are weighed at once."""


def position_weights(
    region: Region,
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    registration: Registration,
    require_waiting: RequireWaiting = wait_always,
) -> NDArray[np.float32]:
    """The fraction of each position's cell that a region covers.

    Regions are clipped to the image. A point covers the whole cell that contains it. Where a point
    snaps to depends on the image's contributions: see snapping.region_weights.

    Args:
        region: in pixels of the original upright image.
        image_size: (width, height) of that image.
        preprocessing: the model's preprocessing.
        registration: where the cells of the feature map look.
        require_waiting: called now and then; what it raises ends the work early.

    Returns:
        w_p in 0..1, float32, shape [P], row-major; at least one is above 0.

    Raises:
        RegionError: no area, not a number, outside the image, or only in the part that the model
            crops away; or a point that snaps.
    """
    require_waiting()
    if isinstance(region, Point):
        weights = _point(region, image_size, preprocessing, registration)
    elif isinstance(region, Mask):
        weights = _mask(region, image_size, preprocessing, registration)
    elif isinstance(region, Box):
        weights = _box(region, image_size, preprocessing, registration)
    elif isinstance(region, Whole):
        weights = _box(Box(0, 0, *image_size), image_size, preprocessing, registration)
    else:
        weights = _outline(
            _corners(region), image_size, preprocessing, registration, require_waiting
        )
    # Rounding leaves tiny weights along an outline without area.
    weights = np.where(weights > 1e-9, weights, 0.0)
    shares: NDArray[np.float32] = weights.clip(0, 1).astype(np.float32).reshape(-1)
    if not shares.any():
        raise RegionError(
            "the region has no area in the part that the model sees of this "
            f"{image_size[0]}x{image_size[1]} image (resize: {preprocessing.resize}); "
            "draw it larger or nearer to the middle"
        )
    return shares


def window_box(
    row0: float,
    col0: float,
    row1: float,
    col1: float,
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    registration: Registration,
) -> Box:
    """The pixels of the original image under a window of cells, clipped to the image.

    Args:
        row0, col0, row1, col1: edges of the window in cells; fractions are allowed.
        image_size, preprocessing, registration: as in position_weights.

    Raises:
        RegionError: the window is empty or leaves the grid.
    """
    rows, cols = registration.grid
    if not (0 <= row0 < row1 <= rows and 0 <= col0 < col1 <= cols):
        raise RegionError(
            f"the window of rows {row0:g} to {row1:g}, columns {col0:g} to {col1:g} is not inside"
            f" the {rows}x{cols} grid"
        )
    width, height = image_size
    frame = preprocessing.frame(width, height)
    x = registration.cols.to_places(np.array([col0, col1])) * preprocessing.width
    y = registration.rows.to_places(np.array([row0, row1])) * preprocessing.height
    left, top = frame.to_original(float(x[0]), float(y[0]))
    right, bottom = frame.to_original(float(x[1]), float(y[1]))
    left, right = max(left, 0.0), min(right, float(width))
    top, bottom = max(top, 0.0), min(bottom, float(height))
    return Box(left, top, right - left, bottom - top)


def _point(
    point: Point,
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    registration: Registration,
) -> NDArray[np.float64]:
    if point.snap:
        raise RegionError(
            f"point ({point.x:g}, {point.y:g}) snaps to a part, which takes the contributions of"
            " the image: call snapping.region_weights"
        )
    width, height = image_size
    if not (0 <= point.x <= width and 0 <= point.y <= height):
        raise RegionError(
            f"point ({point.x:g}, {point.y:g}) lies outside the image; "
            f"x must lie in 0..{width} and y in 0..{height}"
        )
    rows, cols = registration.grid
    x, y = preprocessing.frame(width, height).to_input(point.x, point.y)
    weights = np.zeros(registration.grid)
    # The image's far edges belong to the last cell; the tolerance absorbs the frame's rounding.
    slack = 1e-6 * max(preprocessing.width, preprocessing.height)
    if -slack <= x <= preprocessing.width + slack and -slack <= y <= preprocessing.height + slack:
        row = int(registration.rows.to_cells(np.array(y / preprocessing.height)))
        col = int(registration.cols.to_cells(np.array(x / preprocessing.width)))
        row, col = min(max(row, 0), rows - 1), min(max(col, 0), cols - 1)
        weights[row, col] = 1.0
    return weights


def _mask(
    mask: Mask,
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    registration: Registration,
) -> NDArray[np.float64]:
    width, height = image_size
    if mask.array.shape != (height, width) or mask.array.dtype != np.bool_:
        raise RegionError(
            f"the mask is {mask.array.dtype} {mask.array.shape}; this image needs bool "
            f"({height}, {width})"
        )
    frame, (rows, cols) = preprocessing.frame(width, height), registration.grid
    x = (np.arange(width + 1) * frame.scale_x + frame.offset_x) / preprocessing.width
    y = (np.arange(height + 1) * frame.scale_y + frame.offset_y) / preprocessing.height
    down = overlap(registration.rows.to_cells(y), rows)
    across = overlap(registration.cols.to_cells(x), cols)
    # In blocks, as a product converts the mask to numbers of eight bytes.
    step = max(1, _MASK_BLOCK // width)
    covered = np.zeros((rows, width))
    for top in range(0, height, step):
        covered += down[:, top : top + step] @ mask.array[top : top + step]
    return np.asarray(covered @ across.T, np.float64)


def _box(
    box: Box, image_size: tuple[int, int], preprocessing: Preprocessing, registration: Registration
) -> NDArray[np.float64]:
    if not all(map(math.isfinite, (box.x, box.y, box.width, box.height))):
        raise RegionError(f"box {box} must be made of finite numbers")
    if not (box.width > 0 and box.height > 0):
        raise RegionError(f"box {box} has no area; width and height must be above 0")
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    x, y = _on_input(corners, image_size, preprocessing).T
    rows, cols = registration.grid
    down = overlap(registration.rows.to_cells(y), rows)
    return down @ overlap(registration.cols.to_cells(x), cols).T


def _on_input(
    corners: NDArray[np.float64], image_size: tuple[int, int], preprocessing: Preprocessing
) -> NDArray[np.float64]:
    """Corners (x, y) in pixels of the image, shape [n, 2], as fractions of the model's input.

    Raises:
        RegionError: the corners span no area inside the image.
    """
    width, height = image_size
    (left, top), (right, bottom) = corners.min(0), corners.max(0)
    if left >= width or right <= 0 or top >= height or bottom <= 0:
        raise RegionError(
            f"the region spans x {left:g}..{right:g}, y {top:g}..{bottom:g}, outside "
            f"the {width}x{height} image, or has no area; draw it inside"
        )
    frame = preprocessing.frame(width, height)
    at = np.array([frame.to_input(float(x), float(y)) for x, y in corners])
    return np.asarray(at / [preprocessing.width, preprocessing.height])


def _corners(polygon: Polygon) -> list[tuple[float, float]]:
    if len(polygon.points) < 3:
        raise RegionError(f"a polygon needs at least 3 points, got {len(polygon.points)}")
    if not all(math.isfinite(value) for point in polygon.points for value in point):
        raise RegionError("a polygon's points must be finite numbers")
    return list(polygon.points)


def _outline(
    corners: list[tuple[float, float]],
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    registration: Registration,
    require_waiting: RequireWaiting,
) -> NDArray[np.float64]:
    """Exact along x, _LINES midpoints along y in each row."""
    rows, cols = registration.grid
    places = _on_input(np.array(corners), image_size, preprocessing)
    # An edge that is straight in the picture has a bend in cells wherever their width changes.
    for axis, side in enumerate((registration.cols, registration.rows)):
        for bend in side.bends():
            require_waiting()
            places = _with_corners_at(places, axis, float(bend))
    x, y = places.T
    at = np.stack([registration.cols.to_cells(x), registration.rows.to_cells(y)], 1)
    following = np.roll(at, -1, axis=0)
    covered = np.zeros(registration.grid)
    for row in range(rows):
        top, bottom = max(float(row), at[:, 1].min()), min(row + 1.0, at[:, 1].max())
        if bottom <= top:
            continue
        step = (bottom - top) / _LINES
        for line in top + step * (np.arange(_LINES) + 0.5):
            require_waiting()
            cuts = (at[:, 1] <= line) != (following[:, 1] <= line)
            start, end = at[cuts], following[cuts]
            along = (line - start[:, 1]) / (end[:, 1] - start[:, 1])
            crossings = np.sort(start[:, 0] + along * (end[:, 0] - start[:, 0]))
            if crossings.size:
                covered[row] += step * overlap(crossings, cols)[:, ::2].sum(1)
    return covered


def _with_corners_at(corners: NDArray[np.float64], axis: int, place: float) -> NDArray[np.float64]:
    """A closed outline with a corner wherever one of its edges crosses a place on an axis."""
    following = np.roll(corners, -1, axis=0)
    crosses = (corners[:, axis] < place) != (following[:, axis] < place)
    start, end = corners[crosses], following[crosses]
    along = (place - start[:, axis]) / (end[:, axis] - start[:, axis])
    added = start + along[:, None] * (end - start)
    return np.insert(corners, np.flatnonzero(crosses) + 1, added, axis=0)
