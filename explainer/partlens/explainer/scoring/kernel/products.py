"""Products of rows of an array with a vector, without a copy of the rows."""

import numpy as np

from partlens.explainer.scoring.kernel.compiling import single


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
