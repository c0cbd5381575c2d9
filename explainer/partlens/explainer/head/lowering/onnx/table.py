"""What each ONNX operator becomes in the operator list, family by family."""

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
"""ONNX operator -> what it becomes. A ValueError from a lowering says why this use has none."""

SAME = frozenset({"Identity", "Dropout", "Cast"})
"""Operators that return their first input (a cast of a float map to float)."""
