"""Elementwise powers, sums, differences, products and quotients."""

import operator as arithmetic
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.live import Affine, Live, Statistic, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules.freezing import Freeze, Gate
from partlens.explainer.head.rules.kind import (
    X_AND_Y,
    Function,
    Kind,
    Signature,
    Value,
    only_first_live,
)


def _power(operator: Operator, *inputs: Value) -> Live | Tensor:
    """Euler's form; with an exponent below 0, a statistic (such as 1 / deviation)."""
    _, (exponent, *_) = only_first_live(operator, inputs)
    rule = Freeze(torch.pow) if bool((torch.as_tensor(exponent) <= 0).any()) else Gate(torch.pow)
    return rule(operator, *inputs)


@dataclass(frozen=True)
class _Sum:
    """x + y or x - y: contributions add up, and a constant goes to the bias.

    Attributes:
        evaluate: the sum or the difference.
        sign: of y.
    """

    evaluate: Function
    sign: float

    def __call__(self, operator: Operator, x: Value, y: Value) -> Live:
        """The decomposed result.

        Raises:
            UnsupportedOperatorError: neither depends on the feature map.
        """
        function = self.evaluate
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
            raise _constant(operator)
        shape = function(x, y.value).shape
        return apply(y, Affine(lambda z: self.sign * z.expand(shape), x, _expand(shape)))


def _alike(x: Live, y: Live) -> tuple[Live, Live]:
    """Two values in one layout and one shape."""
    shape = (x.value + y.value).shape
    x, y = (apply(z, Affine(_expand(shape), owner=_expand(shape))) for z in (x, y))
    if x.owner is not None and y.owner is not None and torch.equal(x.owner, y.owner):
        return x, y
    return x.by_position(), y.by_position()


def _product(operator: Operator, x: Value, y: Value) -> Live | Statistic:
    """A live value times a constant; a product of two live values is a statistic.

    Raises:
        UnsupportedOperatorError: neither depends on the feature map.
    """
    if isinstance(x, Live) and isinstance(y, Live):
        why = (
            "a product of two values that depend on the feature map is not a sum over positions"
            " unless one of them is a gate (sigmoid, hardsigmoid, softmax)"
        )
        return Statistic(x.value * y.value, operator, why)
    live, by = (x, y) if isinstance(x, Live) else (y, x)
    if isinstance(live, Live) and not isinstance(by, Live):
        factor = by
        return _scaled(live, lambda z: z * factor)
    raise _constant(operator)


def _quotient(operator: Operator, x: Value, y: Value) -> Live | Tensor:
    """x / y, [N, ...]: y is a constant, or a statistic frozen at this image (a norm, a mass)."""
    by = y.value if isinstance(y, Live) else y
    return _scaled(x, lambda z: z / by) if isinstance(x, Live) else x / torch.as_tensor(by)


def _scaled(x: Live, function: Callable[[Tensor], Tensor]) -> Live:
    return apply(x, Affine(function, owner=_expand(function(x.value).shape)))


def _expand(shape: torch.Size) -> Callable[[Tensor], Tensor]:
    return lambda z: z.expand(shape)


def _constant(operator: Operator) -> UnsupportedOperatorError:
    return UnsupportedOperatorError(operator.kind, operator.module_path, why="it is constant")


KINDS = (
    # The exponent is a number or a weight; below 0 the result is a frozen statistic.
    Kind("pow", Signature(("x", "exponent")), torch.pow, _power),
    Kind("add", X_AND_Y, arithmetic.add, _Sum(arithmetic.add, 1.0)),
    Kind("sub", X_AND_Y, arithmetic.sub, _Sum(arithmetic.sub, -1.0)),
    Kind("mul", X_AND_Y, arithmetic.mul, _product),
    # A denominator that depends on the feature map is a frozen statistic.
    Kind("div", X_AND_Y, arithmetic.truediv, _quotient),
)
