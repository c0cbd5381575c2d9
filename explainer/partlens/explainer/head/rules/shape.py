"""Operators that move elements and compute nothing.

Negative axes count from the end. In a shape -1 is inferred (reshape) or kept (expand), and 0
copies that axis of the input. A reshape that begins with -1 merges the image axis with another; it
is allowed only if a softmax follows.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.live import Affine, Live, Statistic, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules.kind import Function, Kind, Signature, Value, only_first_live


@dataclass(frozen=True)
class _Move:
    """Permute, slice, ...: owners move as their elements do.

    Attributes:
        evaluate: the move.
    """

    evaluate: Function

    def __call__(self, operator: Operator, *inputs: Value) -> Live:
        """The decomposed result; see only_first_live for what it raises."""
        x, _ = only_first_live(operator, inputs)

        def moved(z: Tensor) -> Tensor:
            return self.evaluate(z, **operator.attributes)

        return apply(x, Affine(moved, owner=moved))


def _reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)])


def _reshaped(operator: Operator, *inputs: Value) -> Live | Statistic:
    """A move; a statistic if it merges the image axis with another."""
    x, _ = only_first_live(operator, inputs)
    shape = operator.integers("shape")
    if shape[:1] == (-1,):
        why = "it merges the image axis with another, and no softmax follows"
        return Statistic(_reshape(x.value, shape), operator, why)
    return _Move(_reshape)(operator, *inputs)


def _permute(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.permute(axes)


def _unsqueeze(x: Tensor, axis: int) -> Tensor:
    return x.unsqueeze(axis)


def _squeeze(x: Tensor, axes: tuple[int, ...]) -> Tensor:
    return x.squeeze(axes)


def _expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.expand(*shape)


def _slice(x: Tensor, axis: int, start: int | None, stop: int | None, step: int) -> Tensor:
    axis %= x.ndim
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def _select(x: Tensor, axis: int, index: int) -> Tensor:
    return x.select(axis, index)


def _concat(*parts: Tensor, axis: int) -> Tensor:
    images = max(len(part) for part in parts)
    return torch.cat([p.expand(images, *p.shape[1:]) if len(p) == 1 else p for p in parts], axis)


def _concatenated(operator: Operator, *inputs: Value) -> Live:
    """Concatenated values; a constant among them goes to the bias.

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
    """A constant as a live value to which no position contributes."""
    value = value.expand(len(like.value), *value.shape[1:])
    nobody = torch.zeros(value.shape, dtype=torch.int32, device=value.device)
    return Live(value, torch.zeros_like(value), value, nobody, like.grid)


_SHAPE = Signature(("x",), {"shape": "ints"})
_AXIS = Signature(("x",), {"axis": "int"})
_AXES = Signature(("x",), {"axes": "ints"})
_SLICE = Signature(("x",), {"axis": "int", "start": "int?", "stop": "int?", "step": "int"})

KINDS = (
    Kind("reshape", _SHAPE, _reshape, _reshaped),
    Kind("permute", _AXES, _permute, _Move(_permute)),
    Kind("unsqueeze", _AXIS, _unsqueeze, _Move(_unsqueeze)),
    Kind("squeeze", _AXES, _squeeze, _Move(_squeeze)),
    Kind("expand", _SHAPE, _expand, _Move(_expand)),
    Kind("slice", _SLICE, _slice, _Move(_slice)),
    Kind("select", Signature(("x",), {"axis": "int", "index": "int"}), _select, _Move(_select)),
    Kind("concat", Signature(("x*",), {"axis": "int"}), _concat, _concatenated),
)
