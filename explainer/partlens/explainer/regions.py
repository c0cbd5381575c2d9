"""Converts regions to feature-map cells, by the fraction of each that they cover, and back."""

import math

import numpy as np
from numpy.typing import NDArray

from partlens.common.regions import Box, Mask, Point, Polygon, Region, Whole
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.errors import RegionError
from partlens.explainer.preprocessing import Preprocessing

# Scan lines per row of cells; a slanted edge is off by about 1 / (12 * lines**2) of a cell.
_LINES = 64
_MASK_BLOCK = 2**20
"""Pixels of a mask that are weighed at once."""
Grid = tuple[int, int]


def position_weights(
    region: Region,
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    grid: Grid,
    require_waiting: RequireWaiting = wait_always,
) -> NDArray[np.float32]:
    """The fraction of each position's cell that a region covers.

    Regions are clipped to the image. A point covers the whole cell that contains it. Where a point
    snaps to depends on the image's contributions: see snapping.region_weights.

    Args:
        region: in pixels of the original upright image.
        image_size: (width, height) of that image.
        preprocessing: the model's preprocessing.
        grid: (rows, cols) of the feature map.
        require_waiting: called now and then; what it raises ends the work early.

    Returns:
        w_p in 0..1, float32, shape [P], row-major; at least one is above 0.

    Raises:
        RegionError: no area, not a number, outside the image, or only in the part that the model
            crops away; or a point that snaps.
    """
    require_waiting()
    if isinstance(region, Point):
        weights = _point(region, image_size, preprocessing, grid)
    elif isinstance(region, Mask):
        weights = _mask(region, image_size, preprocessing, grid)
    elif isinstance(region, Box):
        weights = _box(region, image_size, preprocessing, grid)
    elif isinstance(region, Whole):
        weights = _box(Box(0, 0, *image_size), image_size, preprocessing, grid)
    else:
        weights = _outline(_corners(region), image_size, preprocessing, grid, require_waiting)
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
    grid: Grid,
) -> Box:
    """The pixels of the original image under a window of cells, clipped to the image.

    Args:
        row0, col0, row1, col1: edges of the window in cells; fractions are allowed.
        image_size, preprocessing, grid: as in position_weights.

    Raises:
        RegionError: the window is empty or leaves the grid.
    """
    rows, cols = grid
    if not (0 <= row0 < row1 <= rows and 0 <= col0 < col1 <= cols):
        raise RegionError(
            f"the window of rows {row0:g} to {row1:g}, columns {col0:g} to {col1:g} is not inside"
            f" the {rows}x{cols} grid"
        )
    width, height = image_size
    frame = preprocessing.frame(width, height)
    cell_w, cell_h = preprocessing.width / cols, preprocessing.height / rows
    left, top = frame.to_original(col0 * cell_w, row0 * cell_h)
    right, bottom = frame.to_original(col1 * cell_w, row1 * cell_h)
    left, right = max(left, 0.0), min(right, float(width))
    top, bottom = max(top, 0.0), min(bottom, float(height))
    return Box(left, top, right - left, bottom - top)


def overlap(edges: NDArray[np.float64], cells: int) -> NDArray[np.float64]:
    """Length of the overlap of each interval between edges with each cell, [cells, edges - 1].

    Args:
        edges: ascending, in units of cells.
    """
    cell = np.arange(cells, dtype=np.float64)[:, None]
    inside = np.minimum(edges[1:], cell + 1) - np.maximum(edges[:-1], cell)
    lengths: NDArray[np.float64] = np.maximum(inside, 0.0)
    return lengths


def _point(
    point: Point, image_size: tuple[int, int], preprocessing: Preprocessing, grid: Grid
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
    rows, cols = grid
    x, y = preprocessing.frame(width, height).to_input(point.x, point.y)
    weights = np.zeros(grid)
    # The image's far edges belong to the last cell; the tolerance absorbs the frame's rounding.
    slack = 1e-6 * max(preprocessing.width, preprocessing.height)
    if -slack <= x <= preprocessing.width + slack and -slack <= y <= preprocessing.height + slack:
        row = min(max(int(y * rows / preprocessing.height), 0), rows - 1)
        col = min(max(int(x * cols / preprocessing.width), 0), cols - 1)
        weights[row, col] = 1.0
    return weights


def _mask(
    mask: Mask, image_size: tuple[int, int], preprocessing: Preprocessing, grid: Grid
) -> NDArray[np.float64]:
    width, height = image_size
    if mask.array.shape != (height, width) or mask.array.dtype != np.bool_:
        raise RegionError(
            f"the mask is {mask.array.dtype} {mask.array.shape}; this image needs bool "
            f"({height}, {width})"
        )
    frame, (rows, cols) = preprocessing.frame(width, height), grid
    x = (np.arange(width + 1) * frame.scale_x + frame.offset_x) * cols / preprocessing.width
    y = (np.arange(height + 1) * frame.scale_y + frame.offset_y) * rows / preprocessing.height
    down, across = overlap(y, rows), overlap(x, cols)
    # In blocks, as a product converts the mask to numbers of eight bytes.
    step = max(1, _MASK_BLOCK // width)
    covered = np.zeros((rows, width))
    for top in range(0, height, step):
        covered += down[:, top : top + step] @ mask.array[top : top + step]
    return np.asarray(covered @ across.T, np.float64)


def _box(
    box: Box, image_size: tuple[int, int], preprocessing: Preprocessing, grid: Grid
) -> NDArray[np.float64]:
    if not all(map(math.isfinite, (box.x, box.y, box.width, box.height))):
        raise RegionError(f"box {box} must be made of finite numbers")
    if not (box.width > 0 and box.height > 0):
        raise RegionError(f"box {box} has no area; width and height must be above 0")
    corners = np.array([[box.x, box.y], [box.x + box.width, box.y + box.height]])
    (x, y), (rows, cols) = _on_grid(corners, image_size, preprocessing, grid).T, grid
    return overlap(y, rows) @ overlap(x, cols).T


def _on_grid(
    corners: NDArray[np.float64],
    image_size: tuple[int, int],
    preprocessing: Preprocessing,
    grid: Grid,
) -> NDArray[np.float64]:
    """Corners (x, y) in pixels of the image, shape [n, 2], as (column, row) in cells.

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
    frame, (rows, cols) = preprocessing.frame(width, height), grid
    at = np.array([frame.to_input(float(x), float(y)) for x, y in corners])
    return np.asarray(at * [cols / preprocessing.width, rows / preprocessing.height])


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
    grid: Grid,
    require_waiting: RequireWaiting,
) -> NDArray[np.float64]:
    """Exact along x, _LINES midpoints along y in each row."""
    rows, cols = grid
    at = _on_grid(np.array(corners), image_size, preprocessing, grid)
    following = np.roll(at, -1, axis=0)
    covered = np.zeros(grid)
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
