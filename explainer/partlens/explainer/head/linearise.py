"""Linearises a head: what each position and the constants add to the embedding."""

import math
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.errors import ShapeError, UnsupportedOperatorError
from partlens.explainer.head.live import MOST_NUMBERS, Live, OversizeError, Statistic, start
from partlens.explainer.head.operators import FEATURE, Head, Operator, last_reads
from partlens.explainer.head.rules import KINDS, RULES, Rules
from partlens.explainer.head.rules.freezing import Freeze
from partlens.explainer.head.rules.kind import Function, Rule
from partlens.explainer.head.run import MISFITS, evaluate

_TOKEN_BUDGET = 2**25
"""Maximum numbers in one value of a token head, over all positions of the images in a batch."""

Value = Live | Statistic | Tensor


@torch.no_grad()
def linearise(
    head: Head,
    feature: Tensor,
    rules: Rules = (),
    functions: Mapping[str, Function] | None = None,
    require_waiting: RequireWaiting = wait_always,
) -> tuple[Tensor, Tensor]:
    """c_p and b with E = sum_p c_p + b (completeness), for a batch of feature maps.

    Once its statistics (maxima, gates, norms, variances, attention weights) are frozen at this
    image, every operator is an affine map.

    Args:
        head: the operator list.
        feature: A, shape [N, C, rows, cols] or tokens [N, T, C]; every token is a position.
        rules: (kind, rule) pairs that take precedence over RULES.
        functions: kind -> function, to evaluate kinds that KINDS lacks.
        require_waiting: called before each operator; what it raises ends the work early.

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
        return _in_pieces(head, feature, share, rules, functions, require_waiting)
    try:
        return _at_once(head, feature, rules, functions, require_waiting)
    except OversizeError:  # of several images; of one it is refused
        return _in_pieces(head, feature, len(feature) // 2, rules, functions, require_waiting)


def _in_pieces(
    head: Head,
    feature: Tensor,
    images: int,
    rules: Rules,
    functions: Mapping[str, Function] | None,
    require_waiting: RequireWaiting,
) -> tuple[Tensor, Tensor]:
    pieces = [
        linearise(head, feature[i : i + images], rules, functions, require_waiting)
        for i in range(0, len(feature), images)
    ]
    return torch.cat([c for c, _ in pieces]), torch.cat([b for _, b in pieces])


def _at_once(
    head: Head,
    feature: Tensor,
    rules: Rules,
    functions: Mapping[str, Function] | None,
    require_waiting: RequireWaiting,
) -> tuple[Tensor, Tensor]:
    table, unread = dict(reversed((*rules, *RULES))), last_reads(head)
    values: dict[str, Value] = {
        name: weight.to(feature.device, feature.dtype) for name, weight in head.weights.items()
    }
    values[FEATURE] = start(feature)
    for operator in head.operators:
        require_waiting()
        inputs = [values[name] if isinstance(name, str) else name for name in operator.inputs]
        values[operator.name] = _step(operator, inputs, table, functions)
        for name in unread.get(operator.name, ()):
            del values[name]
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
    except OversizeError as error:
        _require_several(error, operator.kind, operator.module_path)
        raise
    except MISFITS as error:
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
    try:
        output = output.by_position()
    except OversizeError as error:
        _require_several(error, "that gives the embedding", head.output)
        raise
    return output.contributions.transpose(0, 1), output.bias.expand_as(output.value)


def _require_several(error: OversizeError, kind: str, module_path: str) -> None:
    """Refuse a value that is too large for one image; several can be done one by one."""
    images, *sizes = error.shape
    if images > 1:
        return
    numbers = math.prod(sizes)
    needed, most = (4 * count / 2**30 for count in (error.positions * numbers, MOST_NUMBERS))
    raise UnsupportedOperatorError(
        kind,
        module_path,
        why=(
            f"one image would need {needed:.1f} GiB: {error.positions:,} positions x"
            f" {'x'.join(map(str, sizes))} = {numbers:,} outputs x 4 bytes; {most:g} GiB is allowed"
        ),
    ) from error
