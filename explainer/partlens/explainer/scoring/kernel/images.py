"""Scores images one after another: everything about an image while it is in the cache.

The numpy version (scoring.arrays) is the oracle; the order of the steps is the same. Loops are
written out and indices are unsigned where numba would otherwise call for more code than they need.
Axis letters: M images, P positions, D dimensions, Q parts, S searches.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.kernel.compiling import (
    LANES,
    POSITIONS,
    address,
    compiled,
    multiply_one,
    multiply_three,
    multiply_two,
    read_at,
    single,
)
from partlens.explainer.scoring.kernel.plan import PANEL, Plan
from partlens.explainer.scoring.part import CANCELLED, FloatArray

_ROUNDING = np.float32(2.0**-16)
_ATTEMPTS = 3
_CANCELLED = np.float32(CANCELLED)
_TINY = np.float32(np.finfo(np.float32).tiny)


class Results(NamedTuple):
    """What is written: scores [M, S]; and of the only search, where maps are wanted, its maps
    [M, P], constants [M] and windows [M, 4], else arrays of no image."""

    scores: NDArray[np.float64]
    maps: FloatArray
    constants: FloatArray
    windows: NDArray[np.float64]


class Work(NamedTuple):
    """Memory for one image and one batch of parts.

    Attributes:
        image: c_q, [P, D], followed by rows of zeros up to a multiple of POSITIONS.
        products: of an image, [P, columns].
        lengths: |c_q|, [P].
        cells: index of each position in a grid with a margin, [P].
        cosines: of one judged cell in that grid, flat; zero in the margin.
        fits: how well a part fits at each place, upright and mirrored: [2, places].
        apart: factor of each position's cosines, [P].
        laid: sum of contributions, [D].
        own: the map of a part, [P].
    """

    image: FloatArray
    products: FloatArray
    lengths: FloatArray
    cells: NDArray[np.uint64]
    cosines: FloatArray
    fits: FloatArray
    apart: FloatArray
    laid: FloatArray
    own: FloatArray


class Grid(NamedTuple):
    """Rows and columns of maps, and columns of a row of places."""

    rows: int
    cols: int
    stride: int


@compiled("contract", "reassoc")
def _square(vector: FloatArray) -> np.float32:
    total = np.float32(0)
    for d in range(len(vector)):
        total += vector[d] * vector[d]
    return total


@compiled("contract", "reassoc")
def _product(first: FloatArray, second: FloatArray) -> np.float32:
    total = np.float32(0)
    for d in range(len(first)):
        total += first[d] * second[d]
    return total


@compiled()
def _reciprocal(length: np.float32) -> np.float32:
    return np.float32(1) / length if length > _TINY else np.float32(0)


@compiled()
def _length_of_sum(total: FloatArray, terms: np.float32) -> np.float32:
    """See part.lengths_of_sums."""
    length = np.float32(math.sqrt(_square(total)))
    return length if length > _CANCELLED * terms else np.float32(0)


@compiled()
def _clear(values: FloatArray) -> None:
    for i in range(len(values)):
        values[i] = 0


@compiled("contract")
def _add(factor: np.float32, values: FloatArray, total: FloatArray) -> None:
    for i in range(len(total)):
        total[i] += factor * values[i]


@compiled("contract")
def _multiply(image: FloatArray, columns: FloatArray, products: FloatArray, width: int) -> None:
    """Write the products of the positions of an image with a batch's columns."""
    depth, apart = image.shape[1], products.shape[1]
    for first in range(0, width, PANEL * LANES):
        here = min(PANEL * LANES, width - first)
        panel = address(columns, first * depth)
        for position in range(0, len(image), POSITIONS):
            of, to = address(image, position * depth), address(products, position * apart + first)
            if here == 3 * LANES:
                multiply_three(of, depth, panel, to, apart)
            elif here == 2 * LANES:
                multiply_two(of, depth, panel, to, apart)
            else:
                multiply_one(of, depth, panel, to, apart)


@compiled("contract")
def _separate(along: FloatArray, lengths: FloatArray, apart: FloatArray) -> None:
    """Write 1 / the length of what positions have beyond a direction; see part.beyond."""
    for p in range(len(apart)):
        squared = lengths[p] * lengths[p]
        beyond = squared - along[p] * along[p]
        apart[p] = _reciprocal(np.float32(math.sqrt(beyond))) if beyond > _ROUNDING * squared else 0


@compiled("contract")
def _fit(judged: NDArray[np.int64], products: FloatArray, work: Work, stride: int) -> None:
    """Write how well judged cells fit at each place; see placement.place.

    Args:
        judged: (rows, cols) from the anchor, [K, 2].
        products: with the direction of each, [P, at least K].
    """
    upright, mirrored, cosines = work.fits[0], work.fits[1], work.cosines
    _clear(upright)
    _clear(mirrored)
    size, origin = len(upright), np.int64(work.cells[0])
    for k in range(len(judged)):
        column = products[:, k]
        for p in range(len(work.apart)):
            cosines[work.cells[p]] = column[p] * work.apart[p]
        down = origin + judged[k, 0] * stride
        here = cosines[down + judged[k, 1] :]
        back = cosines[down - judged[k, 1] :]
        for place in range(size):
            upright[place] += here[place]
        for place in range(size):
            mirrored[place] += back[place]


@compiled()
def _best_place(fits: FloatArray, grid: Grid) -> tuple[int, int, int]:
    """Side, row and col of the first largest fit; see placement.first_largest."""
    most = fits[0, 0]
    for side in range(2):
        for row in range(grid.rows):
            for col in range(grid.cols):
                fit = fits[side, row * grid.stride + col]
                if fit > most:
                    most = fit
    least = most - _ROUNDING * abs(most)
    for side in range(2):
        for row in range(grid.rows):
            for col in range(grid.cols):
                if fits[side, row * grid.stride + col] >= least:
                    return side, row, col
    return 0, 0, 0


@compiled()
def _best_position(values: FloatArray) -> int:
    """The first largest value; see placement.first_largest."""
    most = values[0]
    for p in range(len(values)):
        if values[p] > most:
            most = values[p]
    least = most - _ROUNDING * abs(most)
    for p in range(len(values)):
        if values[p] >= least:
            return p
    return 0


@compiled("contract")
def _lay(
    place: tuple[int, int, int],
    covered: NDArray[np.int64],
    weights: FloatArray,
    scale: np.float32,
    length: np.float32,
    column: int,
    work: Work,
    grid: Grid,
) -> None:
    """Add PART's map of a part that is laid at a place.

    Args:
        covered: (rows, cols) from the anchor, [C, 2].
        weights: of each, [C].
        scale: of the map.
        length: |f|.
        column: of the products with f.
    """
    side, anchor_row, anchor_col = place
    turned, terms = 1 - 2 * side, np.float32(0)
    _clear(work.laid)
    for c in range(len(covered)):
        row, col = anchor_row + covered[c, 0], anchor_col + turned * covered[c, 1]
        if 0 <= row < grid.rows and 0 <= col < grid.cols:
            p = row * grid.cols + col
            _add(weights[c], work.image[p], work.laid)
            terms += weights[c] * work.lengths[p]
    scale *= _reciprocal(length * _length_of_sum(work.laid, terms))
    for c in range(len(covered)):
        row, col = anchor_row + covered[c, 0], anchor_col + turned * covered[c, 1]
        if 0 <= row < grid.rows and 0 <= col < grid.cols:
            p = row * grid.cols + col
            work.own[p] += weights[c] * work.products[p, column] * scale


@compiled()
def _vertex(fit: FloatArray, at: int, step: int) -> float:
    """See placement._vertex."""
    before, top, after = np.float64(fit[at - step]), np.float64(fit[at]), np.float64(fit[at + step])
    bend = before - 2 * top + after
    return min(max(0.5 * (before - after) / bend, -0.5), 0.5) if bend < 0 else 0.0


@compiled()
def _place_window(
    place: tuple[int, int, int],
    fits: FloatArray,
    extent: NDArray[np.float64],
    anchor: NDArray[np.int64],
    grid: Grid,
    window: NDArray[np.float64],
) -> None:
    """Write where a part lies that is laid at a place; see placement.Placement.windows."""
    side, row, col = place
    at, fit = row * grid.stride + col, fits[side]
    down = _vertex(fit, at, grid.stride) if 0 < row < grid.rows - 1 else 0.0
    right = _vertex(fit, at, 1) if 0 < col < grid.cols - 1 else 0.0
    first, end = extent[1] - anchor[1], extent[3] - anchor[1]
    left = first if side == 0 else 1 - end
    window[0] = row + down + extent[0] - anchor[0]
    window[1] = col + right + left
    window[2] = row + down + extent[2] - anchor[0]
    window[3] = col + right + left + end - first


@compiled()
def _peak_window(
    peak: int, extent: NDArray[np.float64], grid: Grid, window: NDArray[np.float64]
) -> None:
    """Write the window around WHOLE's largest position; see arrays._linear."""
    for axis in range(2):
        size = grid.rows if axis == 0 else grid.cols
        at = peak // grid.cols if axis == 0 else peak % grid.cols
        side = extent[2 + axis] - extent[axis]
        middle = at + 0.5 if side < size else (extent[axis] + extent[2 + axis]) / 2
        window[axis] = middle - side / 2
        window[2 + axis] = middle + side / 2


@compiled("contract")
def _score_part(
    q: int,
    plan: Plan,
    bias: FloatArray,
    total: np.float32,
    embedding: np.float32,
    work: Work,
    grid: Grid,
    window: NDArray[np.float64],
) -> np.float32:
    """Write the map of a part, and its window if that is wanted; its constant is returned.

    Args:
        total: |sum_q c_q|.
        embedding: |E_r|.
        window: shape [4], or [0] if none is wanted.
    """
    feature, around, rest = plan.own[q, 1], plan.own[q, 2], plan.own[q, 3]
    whole, part, surroundings = plan.shares[q, 0], plan.shares[q, 1], plan.shares[q, 2]
    constant, wanted = np.float32(0), plan.own[q, 4] == 1 and len(window) > 0
    _clear(work.own)
    if feature >= 0 and rest < 0:
        scale = _reciprocal(embedding * plan.lengths[q, 0])
        _add(scale, work.products[:, feature], work.own)
        if wanted:
            _peak_window(_best_position(work.own), plan.extents[q], grid, window)
        for p in range(len(work.own)):
            work.own[p] *= whole
        constant = whole * _product(plan.features[q], bias) * scale
    if around >= 0:
        scale = surroundings * _reciprocal(total * plan.lengths[q, 2])
        _add(scale, work.products[:, around], work.own)
    if rest >= 0:
        _separate(work.products[:, rest], work.lengths, work.apart)
        judged = plan.judged[plan.ends[q, 0] : plan.ends[q + 1, 0]]
        _fit(judged, work.products[:, rest + 1 :], work, grid.stride)
        place = _best_place(work.fits, grid)
        first, end = plan.ends[q, 1], plan.ends[q + 1, 1]
        covered, weights = plan.covered[first:end], plan.weights[first:end]
        _lay(place, covered, weights, part, plan.lengths[q, 1], feature, work, grid)
        if wanted:
            _place_window(place, work.fits, plan.extents[q], plan.anchors[q], grid, window)
    return constant


@compiled("contract")
def _score_image(
    m: int, plan: Plan, bias: FloatArray, work: Work, grid: Grid, results: Results
) -> None:
    """Write the scores of an image, and add to its map.

    Args:
        bias: b, [D]; zeros if no part needs it.
    """
    image, depth = work.image, work.image.shape[1]
    terms = np.float32(0)
    _clear(work.laid)
    for p in range(len(work.lengths)):
        work.lengths[p] = math.sqrt(_square(image[p]))
        terms += work.lengths[p]
        _add(np.float32(1), image[p], work.laid)
    total = _length_of_sum(work.laid, terms)
    for d in range(len(bias)):
        work.laid[d] += bias[d]
    embedding = _length_of_sum(work.laid, terms + np.float32(math.sqrt(_square(bias))))
    window = results.windows.reshape(-1)[4 * m : 4 * m + 4]
    for batch in range(len(plan.batches)):
        first, end = plan.batches[batch, 0], plan.batches[batch, 1]
        columns = plan.columns[plan.batches[batch, 2] * depth :]
        _multiply(image, columns, work.products, plan.batches[batch, 3])
        for q in range(first, end):
            constant = _score_part(q, plan, bias, total, embedding, work, grid, window)
            score = np.float64(constant)
            for p in range(len(work.own)):
                score += work.own[p]
            results.scores[m, plan.own[q, 0]] += score
            if len(results.maps):
                results.constants[m] += constant
                _add(np.float32(1), work.own, results.maps[m])


@compiled()
def _is_read(descriptor: int, to: int, size: int, offset: int) -> bool:
    """Whether the system could read a part of a file to an address."""
    failures = 0
    while size > 0:
        count = read_at(descriptor, to, size, offset)
        # A signal may interrupt a file of a network.
        failures = failures + 1 if count < 0 else 0
        if count == 0 or failures > _ATTEMPTS:
            return False
        if count > 0:
            to, size, offset = to + count, size - count, offset + count
    return True


@compiled()
def _are_read(descriptor: int, offset: int, size: int, rows: NDArray[np.int64], to: int) -> bool:
    """Whether rows of a file could be read to an address, those that follow each other at once.

    Args:
        offset: of row 0.
        size: bytes of a row.
    """
    start = 0
    while start < len(rows):
        end = start + 1
        while end < len(rows) and rows[end] == rows[end - 1] + 1:
            end += 1
        at = offset + rows[start] * size
        if not _is_read(descriptor, to + start * size, (end - start) * size, at):
            return False
        start = end
    return True


class Source(NamedTuple):
    """What is stored of N images, in memory or in files.

    Attributes:
        values: uint16 (the bits of float16), int8 or float32, [N, P, D]; [0, P, D] if in a file.
        scales: of int8 values, float32 [N, P]; [0, P] if in a file or if there are none.
        bias: float32 [N, D]; [0, D] if in a file or if no part needs it.
        files: of values, scales and bias: descriptor, or -1 if it is in no file; offset of row 0;
            bytes of a row; address of its block; [3, 4].
        some_values, some_scales, some_bias: blocks, which rows of files are read to: [B, P, D],
            ones [B, P] and zeros [B, D].
    """

    values: NDArray[np.generic]
    scales: FloatArray
    bias: FloatArray
    files: NDArray[np.int64]
    some_values: NDArray[np.generic]
    some_scales: FloatArray
    some_bias: FloatArray


def score_rows(
    source: Source,
    rows: NDArray[np.int64],
    grid: Grid,
    plan: Plan,
    work: Work,
    results: Results,
) -> int:
    """Score rows; 0, or 1, 2 or 3 if values, scales or bias could not be read.

    Args:
        rows: [M], 0 to N - 1.
        results: zeros.
    """
    step, positions, depth = source.some_values.shape
    files = source.files
    for start in range(0, len(rows), step):
        some = rows[start : start + step]
        for number in range(len(files)):
            descriptor, offset, size, to = files[number]
            if descriptor >= 0 and not _are_read(descriptor, offset, size, some, to):
                return number + 1
        for i in range(len(some)):
            row = some[i]
            values = source.some_values[i] if files[0, 0] >= 0 else source.values[row]
            scales = source.scales[row] if len(source.scales) else source.some_scales[i]
            bias = source.bias[row] if len(source.bias) else source.some_bias[i]
            for p in range(positions):
                for d in range(depth):
                    work.image[p, d] = single(values[p, d]) * scales[p]
            _score_image(start + i, plan, bias, work, grid, results)
    return 0
