"""The linearised head: what each position adds to the embedding, and what the constants add."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from partlens.explainer.errors import ShapeError, UnsupportedOperatorError
from partlens.explainer.head.live import Live, start
from partlens.explainer.head.operators import FEATURE, Head, Operator
from partlens.explainer.head.rules import RULES, Rule
from partlens.explainer.head.run import FUNCTIONS, Function, evaluate


@torch.no_grad()
def linearise(
    head: Head,
    feature: Tensor,
    rules: Sequence[tuple[str, Rule]] = (),
    functions: Mapping[str, Function] | None = None,
) -> tuple[Tensor, Tensor]:
    """c_p and b with E = sum_p c_p + b (completeness), for a batch of feature maps.

    Every operator is taken as the affine map that it is once its statistics (maxima, gates,
    norms, variances) are frozen at this image.

    Args:
        head: the operator list.
        feature: A, shape [N, C, rows, cols] or tokens [N, T, C].
        rules: (kind, rule) pairs that come before RULES.
        functions: kind -> function for plain evaluation of kinds that FUNCTIONS has not.

    Returns:
        Contributions [N, P, D] and bias [N, D], in the feature's dtype and on its device.

    Raises:
        UnsupportedOperatorError: no rule for an operator, or one that no rule can decompose here.
        ShapeError: the feature or an operator's input has a shape that does not fit, or the
            output is not [N, D].
    """
    if feature.ndim not in (3, 4):
        raise ShapeError(
            f"the feature map has shape {list(feature.shape)}; [N, C, rows, cols] or tokens"
            " [N, T, C] are needed"
        )
    table = dict(reversed((*rules, *RULES)))
    plain = FUNCTIONS if functions is None else {**FUNCTIONS, **functions}
    values: dict[str, Live | Tensor] = {
        name: weight.to(feature.device, feature.dtype) for name, weight in head.weights.items()
    }
    values[FEATURE] = start(feature)
    for operator in head.operators:
        inputs = [values[name] if isinstance(name, str) else name for name in operator.inputs]
        if any(isinstance(value, Live) for value in inputs):
            values[operator.name] = _decompose(operator, inputs, table)
        else:
            constants = [value for value in inputs if not isinstance(value, Live)]
            values[operator.name] = evaluate(operator, constants, plain)
    return _embedding(values[head.output], head, feature)


def _decompose(
    operator: Operator, inputs: Sequence[Live | Tensor | float], table: Mapping[str, Rule]
) -> Live | Tensor:
    if operator.kind not in table:
        raise UnsupportedOperatorError(operator.kind, operator.module_path, table)
    try:
        return table[operator.kind](operator, *inputs)
    except UnsupportedOperatorError:
        raise
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        given = [
            list(x.value.shape if isinstance(x, Live) else x.shape)
            for x in inputs
            if isinstance(x, Live | Tensor)
        ]
        raise ShapeError(
            f"the head's operator {operator.name!r} ({operator.kind}, {operator.module_path}) does"
            f" not take inputs of shape {given}; check the input size that the model was imported"
            f" with: {error}"
        ) from error


def _embedding(output: Live | Tensor, head: Head, feature: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(output, Tensor):
        last = head.operators[-1]
        raise UnsupportedOperatorError(
            last.kind,
            last.module_path,
            why="the embedding would be a frozen statistic, to which no position contributes",
        )
    if output.value.ndim != 2 or len(output.value) != len(feature):
        raise ShapeError(
            f"the head's output has shape {list(output.value.shape)}; one embedding an image,"
            f" [{len(feature)}, D], is needed: end the model in a flatten"
        )
    output = output.by_position()
    return output.contributions.transpose(0, 1), output.bias.expand_as(output.value)
