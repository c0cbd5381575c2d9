"""Operators with their statistics frozen, for forward-mode derivatives: the oracle of the rules.

The derivative of the frozen head at A in the direction of A masked to one position is that
position's contribution. No code is shared with the rules.
"""

import torch
from torch import Tensor

from partlens.explainer.head.operators import Attribute, Head
from partlens.explainer.head.rules import KINDS
from partlens.explainer.head.run import run


def _ratio(kind: str):  # type: ignore[no-untyped-def]
    def frozen(x: Tensor, *more: Tensor, **attributes: Attribute) -> Tensor:
        return x * (KINDS[kind].evaluate(x, *more, **attributes) / x).detach()

    return frozen


def _frozen_layer_norm(x: Tensor, w: Tensor, k: Tensor, dims: int, epsilon: float) -> Tensor:
    deviation = (x.var(-1, unbiased=False, keepdim=True) + epsilon).sqrt().detach()
    return (x - x.mean(-1, keepdim=True)) / deviation * w + k


def _frozen_power(x: Tensor, exponent: float) -> Tensor:
    power = x.pow(exponent)
    return x * (power / x).detach() if exponent > 0 else power.detach()


def _frozen_attention(q: Tensor, k: Tensor, x: Tensor, *mask: Tensor, **how: Attribute) -> Tensor:
    """Attention with frozen weights: plain attention of an identity matrix gives the weights."""
    one = torch.eye(x.shape[-2], dtype=x.dtype).expand(*x.shape[:-1], -1)
    return KINDS["attention"].evaluate(q, k, one, *mask, **how).detach() @ x


FROZEN = {
    **{kind: _ratio(kind) for kind in ("gelu", "silu", "hardswish", "tanh")},
    "pow": _frozen_power,
    "div": lambda x, y: x / torch.as_tensor(y).detach(),
    "erf": lambda x: x.erf().detach(),
    "softmax": lambda x, axis: x.softmax(axis).detach(),
    "attention": _frozen_attention,
    "layer_norm": _frozen_layer_norm,
    "sigmoid": lambda x: x.sigmoid().detach(),
    "hardsigmoid": lambda x: ((x + 3).clamp(0, 6) / 6).detach(),
    "norm": lambda x, axes, keepdim: x.norm(dim=axes, keepdim=keepdim).detach(),
    "l2_normalise": lambda x, axes, epsilon: x / x.norm(dim=axes, keepdim=True).detach(),
}


def derivatives(head: Head, feature: Tensor) -> Tensor:
    """Contributions [N, P, D] of a feature map or of tokens, one position at a time."""
    tokens = feature.ndim == 3
    flat = feature.mT if tokens else feature.flatten(2)
    found = []
    for position in range(flat.shape[2]):
        masked = torch.zeros_like(flat)
        masked[..., position] = flat[..., position]
        direction = masked.mT if tokens else masked.view(feature.shape)
        derivative = torch.func.jvp(lambda a: run(head, a, FROZEN), (feature,), (direction,))[1]
        found.append(derivative)
    return torch.stack(found, 1)
