"""The operator that one call of another framework becomes."""

import torch
from torch import Tensor

from partlens.explainer.head.operators import Attribute, Input

Lowered = tuple[str, tuple[Input | Tensor, ...], dict[str, Attribute]]
"""Kind, inputs (names, numbers or constants that become weights), and attributes."""


def additive(mask: Tensor) -> Tensor:
    """An attention mask to add to the logits; a boolean mask becomes 0 and -inf; same shape."""
    if mask.dtype != torch.bool:
        return mask
    return torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
