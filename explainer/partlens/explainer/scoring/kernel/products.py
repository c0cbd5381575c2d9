"""Products of rows of an array with a vector, without a copy of the rows."""

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.kernel.compiling import single
from partlens.explainer.scoring.kernel.memory import readable
from partlens.explainer.scoring.part import FloatArray


def multiply_rows(bits, rows, vector, products):  # type: ignore[no-untyped-def]
    """Write values[rows] @ vector.

    Args:
        bits: the float16 values as uint16, [N, D].
        rows: int64 [M], 0 to N - 1.
        vector: float32 [D].
        products: float32 [M].
    """
    for i in range(len(rows)):
        row, total = rows[i], np.float32(0)
        for d in range(len(vector)):
            total += single(bits[row, d]) * vector[d]
        products[i] = total


def arguments_of_product(
    values: NDArray[np.float16], rows: NDArray[np.int64], vector: FloatArray
) -> tuple[NDArray[np.uint16], NDArray[np.int64], FloatArray, FloatArray]:
    """The arguments of multiply_rows; the last is what it writes."""
    return (
        readable(values.view(np.uint16), np.uint16),
        readable(rows, np.int64),
        readable(vector, np.float32),
        np.empty(len(rows), np.float32),
    )
