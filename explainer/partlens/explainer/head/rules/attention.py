"""Products of matrices, and attention with its weights frozen at this image."""

import torch
from torch import Tensor

from partlens.explainer.errors import UnsupportedOperatorError
from partlens.explainer.head.live import Affine, Live, Statistic, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules.freezing import Freeze
from partlens.explainer.head.rules.kind import X_AND_Y, Kind, Signature, Value
from partlens.explainer.head.rules.weighted import weighted


def _product(operator: Operator, x: Value, y: Value) -> Live | Statistic:
    """x @ y, [..., a, b] @ [..., b, c]; a statistic unless one side is a constant.

    Raises:
        UnsupportedOperatorError: neither depends on the feature map.
    """
    if isinstance(x, Live) and isinstance(y, Live):
        why = (
            "a matrix product of two values that depend on the feature map is not a sum over"
            " positions unless a softmax follows and turns it into attention weights"
        )
        return Statistic(x.value @ y.value, operator, why)
    if isinstance(x, Live) and isinstance(y, Tensor):
        right = y
        return weighted(x, y.T) if y.ndim == 2 else apply(x, Affine(lambda z: z @ right))
    if isinstance(y, Live) and isinstance(x, Tensor):
        return _mixed(x, y)
    raise UnsupportedOperatorError(operator.kind, operator.module_path, why="it is constant")


def _weights(
    query: Tensor, key: Tensor, mask: Tensor | None, scale: float | None, causal: bool
) -> Tensor:
    """softmax(scale * query @ key^T + mask), shape [..., queries, keys]; see KINDS."""
    logits = (query.shape[-1] ** -0.5 if scale is None else scale) * (query @ key.mT)
    if causal:
        later = torch.ones(logits.shape[-2:], dtype=torch.bool, device=logits.device).triu(1)
        logits = logits.masked_fill(later, -torch.inf)
    return (logits if mask is None else logits + mask).softmax(-1)


def _attention(
    query: Tensor,
    key: Tensor,
    x: Tensor,
    mask: Tensor | None = None,
    *,
    scale: float | None,
    causal: bool,
) -> Tensor:
    return _weights(query, key, mask, scale, causal) @ x


def _attention_frozen(
    operator: Operator, query: Value, key: Value, x: Value, mask: Tensor | None = None
) -> Live | Tensor:
    """softmax(scale q k^T + mask) x: the weights are frozen, so the result is linear in x.

    Args:
        operator: has `scale` (None: 1 / sqrt(d)) and `causal`.
        query, key, x: [..., queries, d], [..., keys, d] and [..., keys, channels].
        mask: added to the logits [..., queries, keys].
    """
    plain = [torch.as_tensor(z.value if isinstance(z, Live) else z) for z in (query, key)]
    scale = None if operator.attributes["scale"] is None else operator.number("scale")
    causal = operator.attributes["causal"] is True
    weights = _weights(plain[0], plain[1], mask, scale, causal)
    return _mixed(weights, x) if isinstance(x, Live) else weights @ torch.as_tensor(x)


def _mixed(weights: Tensor, x: Live) -> Live:
    """weights @ x; if row p of x belongs to position p, it is multiplied only by column p."""

    def fast(live: Live) -> Tensor | None:
        missing = live.value.ndim - weights.ndim
        if missing < 0 or not live.rows_are_positions():
            return None
        columns = weights[(None,) * missing].movedim(-1, 0).unsqueeze(-1)
        return columns * live.contributions.movedim(-2, 0).unsqueeze(-2)

    return apply(x, Affine(lambda z: weights @ z, fast=fast))


def _softmax(x: Tensor, axis: int) -> Tensor:
    return x.softmax(axis)


KINDS = (
    # Two values that depend on the feature map are allowed only if a softmax follows.
    Kind("matmul", X_AND_Y, torch.matmul, _product),
    # softmax(scale * query @ key^T + mask) @ x over [N, heads, tokens, channels]; scale None is
    # channels ** -0.5, a boolean mask is stored as 0 and -inf.
    Kind(
        "attention",
        Signature(("query", "key", "x", "mask?"), {"scale": "float?", "causal": "bool"}),
        _attention,
        _attention_frozen,
    ),
    # Attention weights: a statistic, never the last operator.
    Kind("softmax", Signature(("x",), {"axis": "int"}), _softmax, Freeze(_softmax)),
)
