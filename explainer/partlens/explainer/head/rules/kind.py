"""One row of the table of kinds: an operator's inputs, its evaluation and its decomposition."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from torch import Tensor

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.live import Live, Statistic
from partlens.explainer.head.operators import Operator

Value = Live | Tensor | float
"""An input of a rule: live, or a constant (a weight, a number, a frozen statistic)."""

Function = Callable[..., Tensor]
"""Plain evaluation: (*inputs, **attributes), tensors [N, ...], weights or numbers, to [N, ...]."""

Rule = Callable[..., Live | Tensor | Statistic]
"""Decomposition: (operator, *inputs), each input a Value, to the decomposed result."""


@dataclass(frozen=True)
class Signature:
    """Inputs and attributes of one kind of operator.

    Attributes:
        inputs: name of each input, in order; one that ends in "?" may be left out, one that ends in
            "*" stands for any number of inputs. "x", "y", "query" and "key" may depend on the
            feature map; every other input is a weight or a number.
        attributes: name -> type: "int", "float", "bool", "str", "ints", "int?" or "float?"
            (the last two may be None).
    """

    inputs: tuple[str, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)


X = Signature(("x",))
X_AND_Y = Signature(("x", "y"))


@dataclass(frozen=True)
class Kind:
    """A kind of operator.

    Attributes:
        name: as head.json spells it.
        signature: its inputs and attributes.
        evaluate: what it computes.
        rule: how it decomposes.
    """

    name: str
    signature: Signature
    evaluate: Function
    rule: Rule


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
