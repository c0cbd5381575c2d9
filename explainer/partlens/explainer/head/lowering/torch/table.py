"""The lowering of each ATen operator, family by family."""

from collections.abc import Mapping
from typing import Any

from partlens.explainer.head.lowering.torch import (
    activations,
    arithmetic,
    attention,
    normalisation,
    pooling,
    shape,
    weighted,
)
from partlens.explainer.head.lowering.torch.call import Lowering

LOWERINGS: Mapping[str, Lowering] = {
    **weighted.LOWERINGS,
    **attention.LOWERINGS,
    **normalisation.LOWERINGS,
    **activations.LOWERINGS,
    **arithmetic.LOWERINGS,
    **pooling.LOWERINGS,
    **shape.LOWERINGS,
}
"""ATen operator -> its lowering, which raises ValueError, with the reason, for unsupported uses."""

SAME = frozenset(
    {
        "aten.clone.default",
        "aten.alias.default",
        "aten.contiguous.default",
        "aten.detach.default",
        "aten.dropout.default",
        "aten.lift_fresh_copy.default",
        "aten._to_copy.default",
        "aten.to.dtype",
    }
)
"""Operators that return their first input."""


def keeps_all(arguments: Mapping[str, Any]) -> bool:
    """Whether a slice keeps everything, like that of the first axis in x[:, 0]."""
    last = arguments["end"]
    return arguments["start"] in (None, 0) and arguments["step"] == 1 and last in (None, 2**63 - 1)


SPLITS = frozenset({"aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default"})
"""Operators that return a list of slices."""
