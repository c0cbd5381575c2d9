"""What the compiled code reads, and works in, as arrays of numpy."""

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.kernel.compiling import POSITIONS
from partlens.explainer.scoring.kernel.images import Grid, Results, Source, Work
from partlens.explainer.scoring.kernel.plan import Plan
from partlens.explainer.scoring.part import FloatArray
from partlens.explainer.stored import FileArray, RowArray, RowNumbers, Stored, is_in_file

KINDS: dict[np.dtype[Any], type[np.generic]] = {
    np.dtype(np.float16): np.uint16,
    np.dtype(np.int8): np.int8,
    np.dtype(np.float32): np.float32,
}
"""Types of stored numbers, and how the compiled code sees them: numba knows no float16."""
_BLOCK_BYTES = 256 * 2**10
"""Size of the stored images that the system copies at once; they stay in the cache."""
_MOST_ROWS = 1024
"""IOV_MAX of Linux: rows that one call copies at most."""


def make_results(images: int, grid: tuple[int, int]) -> Results:
    """Zeros for this number of images of a single search."""
    return Results(
        np.zeros((images, 1)),
        np.zeros((images, grid[0] * grid[1]), np.float32),
        np.zeros(images, np.float32),
        np.zeros((images, 4)),
    )


def arguments_of(
    stored: Stored,
    bias: NDArray[Any],
    rows: RowNumbers,
    plan: Plan,
    grid: tuple[int, int],
    results: Results,
) -> tuple[Source, FloatArray, NDArray[np.int64], Grid, Plan, Work, Results]:
    """The arguments of images.score_rows.

    Args:
        stored: c_q of N images; those that cannot be read in place are copied.
        bias: b of the rows, [M, D]; [0, D] if no part needs it.
        rows: [M], 0 to N - 1.
        results: zeros.
    """
    source, numbers = _source(stored, rows)
    work, places = _work(plan, grid, stored.shape[2])
    seen = _readable(bias, np.float32), _readable(numbers, np.int64)
    return source, *seen, places, plan, work, results


def _source(stored: Stored, rows: RowNumbers) -> tuple[Source, RowNumbers]:
    """Contributions where they are, or a copy if they cannot be read there, and their rows."""
    arrays = [stored.values, *([] if stored.scales is None else [stored.scales])]
    guarded = [each for each in arrays if is_in_file(each) and each.guarded]
    if stored.values.dtype in KINDS and len(guarded) == len(arrays):
        return _source_of(stored, guarded, len(rows)), rows
    if stored.values.dtype in KINDS and all(isinstance(each, np.ndarray) for each in arrays):
        return _source_of(stored, [], len(rows)), rows
    return _source_of(Stored(stored[rows]), [], len(rows)), np.arange(len(rows))


def _work(plan: Plan, grid: tuple[int, int], dimensions: int) -> tuple[Work, Grid]:
    """Memory for one image, and what `Work.fits` and `Work.cosines` look like."""
    rows, cols = grid
    positions, places = rows * cols, Grid(rows, cols, cols + int(plan.reach[1]))
    padded = -(-positions // POSITIONS) * POSITIONS
    origin = int(plan.reach[0]) * places.stride + int(plan.reach[1])
    cells = origin + np.add.outer(np.arange(rows) * places.stride, np.arange(cols))
    return Work(
        image=_floats(padded, dimensions),
        products=_floats(padded, int(plan.batches[:, 3].max())),
        lengths=_floats(positions),
        cells=cells.reshape(-1).astype(np.uint64),
        cosines=_floats(rows * places.stride + 2 * origin),
        fits=_floats(2, rows * places.stride),
        apart=_floats(positions),
        laid=_floats(dimensions),
        own=_floats(positions),
    ), places


def _readable(array: RowArray, kind: type[np.generic]) -> NDArray[Any]:
    """An array as one of the type that the compiled code takes, which may not write to it."""
    seen = np.require(array, kind, ["C", "A"]).view()
    seen.flags.writeable = False
    return seen


def _source_of(stored: Stored, guarded: Sequence[FileArray], count: int) -> Source:
    """Contributions in memory, or if these arrays are given, in files."""
    _, positions, dimensions = stored.shape
    kind = KINDS[stored.values.dtype]
    step = max(1, min(count, _MOST_ROWS, _BLOCK_BYTES // max(1, stored.bytes_per_image)))
    block = np.empty((step, positions, dimensions), kind)
    factors = np.ones((step, positions), np.float32)
    values, scales = np.empty((0, positions, dimensions), kind), np.empty((0, positions))
    if not guarded:
        values = _readable(stored.values, stored.values.dtype.type).view(kind)
        scales = scales if stored.scales is None else np.asarray(stored.scales)
    files = [each.address for each in guarded] + [0, 0]
    return Source(
        _readable(values, kind),
        _readable(scales, np.float32),
        os.getpid() if guarded else 0,
        block,
        factors,
        np.empty((step + 1, 2), np.uint64),
        (files[0], files[1], block.ctypes.data, factors.ctypes.data),
    )


def _floats(*shape: int) -> FloatArray:
    return np.zeros(shape, np.float32)
