"""Rules for operators that move elements about and compute nothing."""

import torch
from torch import Tensor

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.live import Affine, Live, Statistic, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules_elementwise import Value, only_first_live
from partlens.explainer.head.run import FUNCTIONS


def move(operator: Operator, *inputs: Value) -> Live | Statistic:
    """Reshape, permute, slice, ...: owners move as their elements do."""
    x, _ = only_first_live(operator, inputs)
    function = FUNCTIONS[operator.kind]
    if operator.kind == "reshape" and operator.integers("shape")[:1] == (-1,):
        why = "it merges the axis of images with another, and no softmax follows"
        return Statistic(function(x.value, **operator.attributes), operator, why)

    def moved(z: Tensor) -> Tensor:
        return function(z, **operator.attributes)

    return apply(x, Affine(moved, owner=moved))


def concat(operator: Operator, *inputs: Value) -> Live:
    """Several values one after the other; a constant among them goes to the bias.

    Raises:
        UnsupportedOperatorError: all of them are constants.
    """
    lives = [x for x in inputs if isinstance(x, Live)]
    if not lives:
        raise UnsupportedOperatorError(operator.kind, operator.module_path, why="it is constant")
    parts = [x if isinstance(x, Live) else _constant(torch.as_tensor(x), lives[0]) for x in inputs]
    axis = operator.integer("axis") % parts[0].value.ndim
    owners = [part.owner for part in parts if part.owner is not None]
    owner = torch.cat(owners, axis) if len(owners) == len(parts) else None
    if owner is None:
        parts = [part.by_position() for part in parts]
    return Live(
        torch.cat([part.value for part in parts], axis),
        torch.cat([part.contributions for part in parts], axis + (owner is None)),
        torch.cat([part.bias for part in parts], axis),
        owner,
        lives[0].grid,
    )


def _constant(value: Tensor, like: Live) -> Live:
    """A constant as a value to which every position adds nothing."""
    value = value.expand(len(like.value), *value.shape[1:])
    nobody = torch.zeros(value.shape, dtype=torch.int32, device=value.device)
    return Live(value, torch.zeros_like(value), value, nobody, like.grid)
