"""Linearises a head: what each position and the constants add to the embedding."""

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from partlens.explainer.errors import ShapeError, UnsupportedOperatorError
from partlens.explainer.head.live import Live, Statistic, start
from partlens.explainer.head.operators import FEATURE, Head, Operator
from partlens.explainer.head.rules import KINDS, RULES, Rules
from partlens.explainer.head.rules.freezing import Freeze
from partlens.explainer.head.rules.kind import Function, Rule
from partlens.explainer.head.run import evaluate

_TOKEN_BUDGET = 2**25
"""Maximum numbers in one value of a token head, over all positions of the images in a batch."""

Value = Live | Statistic | Tensor


@torch.no_grad()
def linearise(
    head: Head,
    feature: Tensor,
    rules: Rules = (),
    functions: Mapping[str, Function] | None = None,
) -> tuple[Tensor, Tensor]:
    """c_p and b with E = sum_p c_p + b (completeness), for a batch of feature maps.

    Once its statistics (maxima, gates, norms, variances, attention weights) are frozen at this
    image, every operator is an affine map.

    Args:
        head: the operator list.
        feature: A, shape [N, C, rows, cols] or tokens [N, T, C]; every token is a position.
        rules: (kind, rule) pairs that take precedence over RULES.
        functions: kind -> function, to evaluate kinds that KINDS lacks.

    Returns:
        Contributions [N, P, D] and bias [N, D], in the feature's dtype and on its device.

    Raises:
        UnsupportedOperatorError: an operator has no rule, or its rule cannot decompose this use.
        ShapeError: the shape of the feature or of an operator's input does not fit, or the output
            is not [N, D].
    """
    if feature.ndim not in (3, 4):
        raise ShapeError(
            f"the feature map has shape {list(feature.shape)}; it must be [N, C, rows, cols] or"
            " tokens [N, T, C]"
        )
    # After attention every token depends on every other: T * T * C numbers per image.
    share = max(1, _TOKEN_BUDGET // (feature[0].numel() * feature.shape[1])) if len(feature) else 1
    if feature.ndim == 3 and len(feature) > share:
        starts = range(0, len(feature), share)
        pieces = [linearise(head, feature[i : i + share], rules, functions) for i in starts]
        return torch.cat([c for c, _ in pieces]), torch.cat([b for _, b in pieces])
    table = dict(reversed((*rules, *RULES)))
    values: dict[str, Value] = {
        name: weight.to(feature.device, feature.dtype) for name, weight in head.weights.items()
    }
    values[FEATURE] = start(feature)
    for operator in head.operators:
        inputs = [values[name] if isinstance(name, str) else name for name in operator.inputs]
        values[operator.name] = _step(operator, inputs, table, functions)
    return _embedding(values[head.output], head, feature)


def _step(
    operator: Operator,
    inputs: Sequence[Value | float],
    table: Mapping[str, Rule],
    functions: Mapping[str, Function] | None,
) -> Value:
    statistic = next((x for x in inputs if isinstance(x, Statistic)), None)
    if statistic is None and any(isinstance(x, Live) for x in inputs):
        known = [x for x in inputs if not isinstance(x, Statistic)]
        return _decompose(operator, known, table)
    plain = [x.value if isinstance(x, Live | Statistic) else x for x in inputs]
    value = evaluate(operator, plain, functions)
    if statistic is None or _freezes(operator.kind):
        return value
    return Statistic(value, statistic.operator, statistic.why)


def _freezes(kind: str) -> bool:
    """Whether the kind freezes even an input that is not a sum over positions."""
    return kind in KINDS and isinstance(KINDS[kind].rule, Freeze)


def _decompose(
    operator: Operator, inputs: Sequence[Live | Tensor | float], table: Mapping[str, Rule]
) -> Value:
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


def _embedding(output: Value, head: Head, feature: Tensor) -> tuple[Tensor, Tensor]:
    if isinstance(output, Statistic):
        where = output.operator
        raise UnsupportedOperatorError(where.kind, where.module_path, why=output.why)
    if isinstance(output, Tensor):
        last = head.operators[-1]
        raise UnsupportedOperatorError(
            last.kind,
            last.module_path,
            why="the embedding would be a frozen statistic, to which no position contributes",
        )
    if output.value.ndim != 2 or len(output.value) != len(feature):
        raise ShapeError(
            f"the head's output has shape {list(output.value.shape)}; one embedding per image,"
            f" [{len(feature)}, D], is needed: end the model in a flatten"
        )
    output = output.by_position()
    return output.contributions.transpose(0, 1), output.bias.expand_as(output.value)
