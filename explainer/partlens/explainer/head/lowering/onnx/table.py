"""The lowering of each ONNX operator, family by family."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.onnx import (
    activations,
    arithmetic,
    attention,
    normalisation,
    pooling,
    shape,
    weighted,
)
from partlens.explainer.head.lowering.onnx.call import Lowering

LOWERINGS: Mapping[str, Lowering] = {
    **weighted.LOWERINGS,
    **attention.LOWERINGS,
    **normalisation.LOWERINGS,
    **activations.LOWERINGS,
    **arithmetic.LOWERINGS,
    **pooling.LOWERINGS,
    **shape.LOWERINGS,
}
"""ONNX operator -> its lowering, which raises ValueError, with the reason, for unsupported uses."""

SAME = frozenset({"Identity", "Dropout", "Cast"})
"""Operators that return their first input (a cast of a float map to float)."""
