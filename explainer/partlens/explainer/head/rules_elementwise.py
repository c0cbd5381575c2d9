"""Rules for operators that work element by element, and for sums and products of two values."""

from collections.abc import Callable

import torch
from torch import Tensor

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.live import Affine, Live, Statistic, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.run import FUNCTIONS

Value = Live | Tensor | float
"""An input of a rule: live, or a constant (a weight, a number, a frozen statistic)."""


def _same(owner: Tensor) -> Tensor:
    return owner


def only_first_live(operator: Operator, inputs: tuple[Value, ...]) -> tuple[Live, list[Tensor]]:
    """The live first input [N, ...] and the others, constants of any shape.

    Raises:
        UnsupportedOperatorError: another input depends on the feature map.
    """
    x, *others = inputs
    if not isinstance(x, Live) or any(isinstance(other, Live) for other in others):
        raise UnsupportedOperatorError(
            operator.kind,
            operator.module_path,
            why="an input other than its first depends on the feature map",
        )
    return x, others  # type: ignore[return-value]


def gate(operator: Operator, *inputs: Value) -> Live | Tensor:
    """f with f(0) = 0: multiply by f(v)/v frozen, [N, ...].

    The exact mask for ReLU; for pow Euler's form, which adds up as f is homogeneous.
    """
    x, others = only_first_live(operator, inputs)
    if operator.kind == "pow" and bool((torch.as_tensor(others[0]) <= 0).any()):
        return freeze(operator, *inputs)  # 1 / deviation and the like: not 0 at 0, a statistic
    value = FUNCTIONS[operator.kind](x.value, *others, **operator.attributes)
    ratio = torch.where(x.value == 0, 0, value / x.value)
    return apply(x, Affine(lambda z: z * ratio, owner=_same), value)


def clamp(operator: Operator, *inputs: Value) -> Live:
    """Inside the limits nothing changes; outside the value is a constant of the head."""
    x, _ = only_first_live(operator, inputs)
    value = FUNCTIONS["clamp"](x.value, **operator.attributes)
    inside = value == x.value
    return apply(x, Affine(lambda z: z * inside, value * ~inside, _same), value)


def freeze(operator: Operator, *inputs: Value) -> Tensor:
    """A statistic or a gate [N, ...]: its value on this image is a constant from here on."""
    plain = [x.value if isinstance(x, Live) else x for x in inputs]
    return FUNCTIONS[operator.kind](*plain, **operator.attributes)


def add(operator: Operator, x: Value, y: Value) -> Live:
    """x + y or x - y: contributions add up, and a constant goes to the bias.

    Raises:
        UnsupportedOperatorError: neither depends on the feature map.
    """
    function = FUNCTIONS[operator.kind]
    if isinstance(x, Live) and isinstance(y, Live):
        x, y = _alike(x, y)
        return Live(
            function(x.value, y.value),
            function(x.contributions, y.contributions),
            function(x.bias, y.bias),
            x.owner,
            x.grid,
        )
    if isinstance(x, Live):
        shape = function(x.value, y).shape
        return apply(x, Affine(_expand(shape), function(0.0, y), _expand(shape)))
    if not isinstance(y, Live):
        raise UnsupportedOperatorError(operator.kind, operator.module_path, why="it is constant")
    sign = -1.0 if operator.kind == "sub" else 1.0
    shape = function(x, y.value).shape
    return apply(y, Affine(lambda z: sign * z.expand(shape), x, _expand(shape)))


def _alike(x: Live, y: Live) -> tuple[Live, Live]:
    """Two values in one layout and one shape."""
    shape = (x.value + y.value).shape
    x, y = (apply(z, Affine(_expand(shape), owner=_expand(shape))) for z in (x, y))
    if x.owner is not None and y.owner is not None and torch.equal(x.owner, y.owner):
        return x, y
    return x.by_position(), y.by_position()


def _expand(shape: torch.Size) -> Callable[[Tensor], Tensor]:
    return lambda z: z.expand(shape)


def multiply(operator: Operator, x: Value, y: Value) -> Live | Statistic:
    """A live value times a constant; a product of two live values is a statistic.

    Raises:
        UnsupportedOperatorError: neither depends on the feature map.
    """
    if isinstance(x, Live) and isinstance(y, Live):
        why = (
            "a product of two values that depend on the feature map is not a sum over positions,"
            " unless one of them is a gate (sigmoid, hardsigmoid, softmax)"
        )
        return Statistic(x.value * y.value, operator, why)
    live, by = (x, y) if isinstance(x, Live) else (y, x)
    if isinstance(live, Live) and not isinstance(by, Live):
        factor = by
        return _scaled(live, lambda z: z * factor)
    raise UnsupportedOperatorError(operator.kind, operator.module_path, why="it is constant")


def divide(operator: Operator, x: Value, y: Value) -> Live | Tensor:
    """x / y, [N, ...]: y is a constant, or a statistic frozen at this image (a norm, a mass)."""
    by = y.value if isinstance(y, Live) else y
    return _scaled(x, lambda z: z / by) if isinstance(x, Live) else x / torch.as_tensor(by)


def _scaled(x: Live, function: Callable[[Tensor], Tensor]) -> Live:
    return apply(x, Affine(function, owner=_expand(function(x.value).shape)))
