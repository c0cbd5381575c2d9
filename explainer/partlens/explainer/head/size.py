"""How large the values of a head are, found without computing any of them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.operators import FEATURE, Head, Operator
from partlens.explainer.head.run import evaluate

_MOST_NUMBERS = 2**26
"""Of one value of one image: 256 MiB as float32."""
IMAGES = 2
"""One could be mistaken for an axis that broadcasts."""


@dataclass(frozen=True)
class Step:
    """One operator with tensors that have shapes but no numbers.

    Attributes:
        operator: the operator.
        inputs: values [2, ...] and weights of any shape; numbers as scalars.
        value: its result, [2, ...].
    """

    operator: Operator
    inputs: tuple[Tensor, ...]
    value: Tensor


def steps(head: Head, feature: tuple[int, ...]) -> Iterator[Step]:
    """The operators of a head in order, with the shapes that they see for two images.

    Args:
        head: of kinds in KINDS.
        feature: shape of a feature map, [C, rows, cols] or [T, C].

    Raises:
        UnsupportedOperatorError: a value would be too large.
        ShapeError: an operator does not take what it is given.
    """
    values: dict[str, Tensor] = {
        name: torch.empty(weight.shape, device="meta") for name, weight in head.weights.items()
    }
    values[FEATURE] = torch.empty((IMAGES, *feature), device="meta")
    for operator in head.operators:
        inputs = [values[name] if isinstance(name, str) else name for name in operator.inputs]
        value = evaluate(operator, inputs)
        if value.numel() > IMAGES * _MOST_NUMBERS:
            raise UnsupportedOperatorError(
                operator.kind,
                operator.module_path,
                why=f"its result {list(value.shape[1:])} has more than {_MOST_NUMBERS:,} numbers",
            )
        values[operator.name] = value
        yield Step(operator, tuple(map(torch.as_tensor, inputs)), value)


def output_shape(head: Head, feature: tuple[int, ...]) -> tuple[int, ...]:
    """Shape of what a head gives for one image, without the axis of images.

    Arguments and errors as in steps.
    """
    shapes = {step.operator.name: tuple(step.value.shape[1:]) for step in steps(head, feature)}
    return {FEATURE: feature, **shapes}[head.output]
