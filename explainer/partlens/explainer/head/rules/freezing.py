"""Rules that freeze a number at this image; kinds of several families share them."""

from dataclasses import dataclass

import torch
from torch import Tensor

from partlens.explainer.head.live import Affine, Live, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules.kind import Function, Value, only_first_live


@dataclass(frozen=True)
class Gate:
    """A function with f(0) = 0: multiply by f(v)/v frozen at this image, [N, ...].

    For ReLU this is the exact mask; for pow it is Euler's form, complete because f is homogeneous.

    Attributes:
        evaluate: f.
    """

    evaluate: Function

    def __call__(self, operator: Operator, *inputs: Value) -> Live:
        """The decomposed result; see only_first_live for what it raises."""
        x, others = only_first_live(operator, inputs)
        value = self.evaluate(x.value, *others, **operator.attributes)
        ratio = torch.where(x.value == 0, 0, value / x.value)
        return apply(x, Affine(lambda z: z * ratio, owner=lambda o: o), value)


@dataclass(frozen=True)
class Freeze:
    """A statistic or a gate: its value on this image [N, ...] is a constant from here on.

    This also accepts a Statistic, which is not a sum over positions; `linearise` passes its value.

    Attributes:
        evaluate: computes the value.
    """

    evaluate: Function

    def __call__(self, operator: Operator, *inputs: Value) -> Tensor:
        """The frozen value."""
        plain = [x.value if isinstance(x, Live) else x for x in inputs]
        return self.evaluate(*plain, **operator.attributes)
