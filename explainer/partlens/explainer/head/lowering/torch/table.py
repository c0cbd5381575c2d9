"""What each ATen operator becomes in the operator list, family by family."""

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
"""ATen operator -> what it becomes. A ValueError from a lowering says why this use has none."""

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
    """Whether a slice leaves nothing out, as x[:, 0] makes one of its first axis."""
    last = arguments["end"]
    return arguments["start"] in (None, 0) and arguments["step"] == 1 and last in (None, 2**63 - 1)


SPLITS = frozenset({"aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default"})
"""Operators that give a list of slices."""
