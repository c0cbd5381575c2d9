"""Evaluates a head without decomposing it: the reference for the rules."""

from collections.abc import Mapping, Sequence

from torch import Tensor

from partlens.explainer.errors import ShapeError, UnsupportedOperatorError
from partlens.explainer.head.operators import FEATURE, Head, Operator, last_reads
from partlens.explainer.head.rules import KINDS
from partlens.explainer.head.rules.kind import Function

MISFITS = (
    RuntimeError,
    TypeError,
    ValueError,
    LookupError,
    ArithmeticError,
    AttributeError,
    MemoryError,
)
"""What PyTorch raises for shapes, numbers and types that do not fit an operator."""


def run(head: Head, feature: Tensor, functions: Mapping[str, Function] | None = None) -> Tensor:
    """E = head(A), shape [N, D], in the feature's dtype and on its device.

    Args:
        head: the operator list.
        feature: A, shape [N, C, rows, cols] or tokens [N, T, C].
        functions: kind -> function, to add kinds to KINDS or replace them.

    Raises:
        UnsupportedOperatorError: neither the functions nor KINDS have a kind.
        ShapeError: an operator does not take inputs of the given shape.
    """
    return _values(head, feature, functions, last_reads(head))[head.output]


def run_all(
    head: Head, feature: Tensor, functions: Mapping[str, Function] | None = None
) -> dict[str, Tensor]:
    """Every value [N, ...] and weight of the head by name; arguments and errors as in run."""
    return _values(head, feature, functions, {})


def _values(
    head: Head,
    feature: Tensor,
    functions: Mapping[str, Function] | None,
    unread: Mapping[str, Sequence[str]],
) -> dict[str, Tensor]:
    """Values and weights by name, less those that are unread after an operator."""
    values: dict[str, Tensor] = {
        name: weight.to(feature.device, feature.dtype) for name, weight in head.weights.items()
    }
    values[FEATURE] = feature
    for operator in head.operators:
        inputs = [values[name] if isinstance(name, str) else name for name in operator.inputs]
        values[operator.name] = evaluate(operator, inputs, functions)
        for name in unread.get(operator.name, ()):
            del values[name]
    return values


def evaluate(
    operator: Operator,
    inputs: Sequence[Tensor | float],
    functions: Mapping[str, Function] | None = None,
) -> Tensor:
    """The operator's result on plain tensors [N, ...], weights of any shape, and numbers.

    Args:
        operator: the operator to evaluate.
        inputs: its inputs, in order.
        functions: as in run.

    Raises:
        UnsupportedOperatorError: neither the functions nor KINDS have the kind.
        ShapeError: the operator does not take inputs of these shapes.
    """
    own = functions or {}
    if operator.kind in own:
        function = own[operator.kind]
    elif operator.kind in KINDS:
        function = KINDS[operator.kind].evaluate
    else:
        raise UnsupportedOperatorError(operator.kind, operator.module_path, {**KINDS, **own})
    try:
        return function(*inputs, **operator.attributes)
    except MISFITS as error:
        given = [list(x.shape) if isinstance(x, Tensor) else x for x in inputs]
        raise ShapeError(
            f"the head's operator {operator.name!r} ({operator.kind}, {operator.module_path}) does"
            f" not take inputs of shape {given}; check the input size that the model was imported"
            f" with: {error}"
        ) from error
