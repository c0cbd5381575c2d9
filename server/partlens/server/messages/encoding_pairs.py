"""Encodes pairs of positions in half precision."""

import math

import numpy as np
from numpy.typing import NDArray

from partlens.server.requests.answers import ExplainedPairs
from partlens.v1 import part_search_service_pb2 as search_pb

SIDES = {"query": search_pb.PAIR_SIDE_QUERY, "retrieved": search_pb.PAIR_SIDE_RETRIEVED}


def pair_matrix(explained: ExplainedPairs) -> search_pb.PairMatrix:
    """What pairs of positions add to a similarity."""
    pairs, rows = explained.pairs, explained.rows
    values, scale = half_precision(pairs.values.numpy())
    return search_pb.PairMatrix(
        side=SIDES[rows.side],
        positions=rows.positions,
        values=values,
        scale=scale,
        bias=pairs.bias.tolist(),
        other_bias=pairs.other_bias.tolist(),
    )


def half_precision(values: NDArray[np.float32]) -> tuple[bytes, float]:
    """Numbers as float16, little-endian, row-major, and what to multiply them by.

    The largest of them becomes 2**14 to 2**15, so none overflows, and each is off by at most
    2**-11 of itself, or by 2**-39 of the largest if that is more. The scale is a power of two, so
    that multiplying by it is exact.

    >>> sent, scale = half_precision(np.array([3e-9, -1.5e-9], np.float32))
    >>> (np.frombuffer(sent, "<f2").astype(np.float64) * scale).round(11).tolist()
    [3e-09, -1.5e-09]
    """
    largest = float(np.abs(values).max(initial=0.0))
    scale = math.ldexp(1.0, math.frexp(largest)[1] - 15)
    return (values.astype(np.float64) / scale).astype("<f2").tobytes(), scale
