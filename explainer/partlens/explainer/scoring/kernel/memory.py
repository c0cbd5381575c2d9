"""What the compiled code reads, and works in, as arrays of numpy."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.kernel.compiling import POSITIONS
from partlens.explainer.scoring.kernel.images import Grid, Results, Source, Work
from partlens.explainer.scoring.kernel.plan import Plan
from partlens.explainer.scoring.part import FloatArray
from partlens.explainer.stored import RowArray, RowNumbers, Stored, is_in_file

KINDS: dict[np.dtype[Any], type[np.generic]] = {
    np.dtype(np.float16): np.uint16,
    np.dtype(np.int8): np.int8,
    np.dtype(np.float32): np.float32,
}
"""Types of stored numbers, and how the compiled code sees them: numba knows no float16."""
_BLOCK_BYTES = 64 * 2**10
"""Size of the images that are read at once: they stay in the cache, and malloc keeps the block."""


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
    bias: RowArray | None,
    rows: RowNumbers,
    plan: Plan,
    grid: tuple[int, int],
    results: Results,
) -> tuple[Source, NDArray[np.int64], Grid, Plan, Work, Results]:
    """The arguments of images.score_rows.

    Args:
        stored: c_q of N images; those that cannot be read in place are copied.
        bias: b of N images; None if no part needs it.
        rows: [M], 0 to N - 1.
        results: zeros.
    """
    factors = [each for each in (stored.scales, bias) if each is not None]
    known = stored.values.dtype in KINDS and all(each.dtype == np.float32 for each in factors)
    if not (known and all(_is_in_place(each) for each in (stored.values, *factors))):
        stored, bias = Stored(stored[rows]), None if bias is None else bias[rows]
        rows = np.arange(len(rows))
    work, places = _work(plan, grid, stored.shape[2])
    source = _source(stored, bias, len(rows))
    return source, readable(rows, np.int64), places, plan, work, results


def _is_in_place(array: RowArray) -> bool:
    return isinstance(array, np.ndarray) or is_in_file(array)


def _source(stored: Stored, bias: RowArray | None, count: int) -> Source:
    _, positions, dimensions = stored.shape
    kind = KINDS[stored.values.dtype]
    step = max(1, min(count, _BLOCK_BYTES // max(1, stored.bytes_per_image)))
    blocks = (
        np.zeros((step, positions, dimensions), kind),
        np.ones((step, positions), np.float32),
        np.zeros((step, dimensions), np.float32),
    )
    files = np.full((3, 4), -1, np.int64)
    places = list[Any]()
    for number, (array, block) in enumerate(
        zip((stored.values, stored.scales, bias), blocks, strict=True)
    ):
        if is_in_file(array):
            files[number] = array.descriptor, array.offset, block[0].nbytes, block.ctypes.data
        in_memory = array if isinstance(array, np.ndarray) else block[:0]
        if number == 0 and isinstance(array, np.ndarray):
            in_memory = np.ascontiguousarray(array).view(kind)
        places.append(readable(in_memory, block.dtype.type))
    values, scales, biases = places
    return Source(values, scales, biases, files, *blocks)


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


def readable(array: NDArray[Any], kind: type[np.generic]) -> NDArray[Any]:
    """An array as one of the type that the compiled code takes, which may not write to it."""
    seen = np.require(array, kind, ["C", "A"]).view()
    seen.flags.writeable = False
    return seen


def _floats(*shape: int) -> FloatArray:
    return np.zeros(shape, np.float32)
