"""Plain evaluation of a head: the reference that the rules are measured against."""

import operator as arithmetic
from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from partlens.explainer.errors import ShapeError, UnsupportedOperatorError
from partlens.explainer.head.operators import FEATURE, Head, Operator

Function = Callable[..., Tensor]


def run(head: Head, feature: Tensor, functions: Mapping[str, Function] | None = None) -> Tensor:
    """E = head(A), shape [N, D], in the feature's dtype and on its device.

    Args:
        head: the operator list.
        feature: A, shape [N, C, rows, cols] or tokens [N, T, C].
        functions: kind -> function for kinds that FUNCTIONS has not, or to replace its own.

    Raises:
        UnsupportedOperatorError: a kind that neither table has.
        ShapeError: an operator does not take the shape that it is given.
    """
    return run_all(head, feature, functions)[head.output]


def run_all(
    head: Head, feature: Tensor, functions: Mapping[str, Function] | None = None
) -> dict[str, Tensor]:
    """Every value [N, ...] and weight of the head by name; see run for the rest."""
    table = FUNCTIONS if functions is None else {**FUNCTIONS, **functions}
    values: dict[str, Tensor] = {
        name: weight.to(feature.device, feature.dtype) for name, weight in head.weights.items()
    }
    values[FEATURE] = feature
    for operator in head.operators:
        inputs = [values[name] if isinstance(name, str) else name for name in operator.inputs]
        values[operator.name] = evaluate(operator, inputs, table)
    return values


def evaluate(
    operator: Operator, inputs: Sequence[Tensor | float], table: Mapping[str, Function]
) -> Tensor:
    """The operator's result on plain tensors [N, ...], weights of any shape, and numbers.

    Raises:
        UnsupportedOperatorError: a kind that the table has not.
        ShapeError: the operator does not take inputs of these shapes.
    """
    if operator.kind not in table:
        raise UnsupportedOperatorError(operator.kind, operator.module_path, table)
    try:
        return table[operator.kind](*inputs, **operator.attributes)
    except (RuntimeError, TypeError, ValueError, IndexError) as error:
        given = [list(x.shape) if isinstance(x, Tensor) else x for x in inputs]
        raise ShapeError(
            f"the head's operator {operator.name!r} ({operator.kind}, {operator.module_path}) does"
            f" not take inputs of shape {given}; check the input size that the model was imported"
            f" with: {error}"
        ) from error


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x in the shape, where 0 copies that axis of x and -1 is inferred."""
    return x.reshape([x.shape[axis] if size == 0 else size for axis, size in enumerate(shape)])


def expand(x: Tensor, shape: Sequence[int]) -> Tensor:
    """x broadcast to the shape, where -1 keeps that axis."""
    return x.expand(*shape)


def slice_axis(x: Tensor, axis: int, start: int | None, stop: int | None, step: int) -> Tensor:
    """x[start:stop:step] along one axis."""
    axis %= x.ndim
    return x[(slice(None),) * axis + (slice(start, stop, step),)]


def _batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> Tensor:
    return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, epsilon)


def _layer_norm(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    dims: int,
    epsilon: float,
) -> Tensor:
    return F.layer_norm(x, x.shape[-dims:], weight, bias, epsilon)


def _l2_normalise(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, dim=axes, keepdim=True)
    return x / norm.clamp_min(epsilon)


def _avg_pool2d(
    x: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    ceil_mode: bool,
    count_include_pad: bool,
) -> Tensor:
    pooled: Tensor = F.avg_pool2d(x, kernel, stride, padding, ceil_mode, count_include_pad)
    return pooled


def max_pool2d_with_indices(
    x: Tensor,
    kernel: list[int],
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    ceil_mode: bool,
) -> tuple[Tensor, Tensor]:
    """The maxima [N, C, rows, cols] and the index of each in rows * cols; ties go to the first."""
    return F.max_pool2d_with_indices(x, kernel, stride, padding, dilation, ceil_mode)


def attention_weights(
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
    return attention_weights(query, key, mask, scale, causal) @ x


def _concat(*parts: Tensor, axis: int) -> Tensor:
    images = max(len(part) for part in parts)
    return torch.cat([p.expand(images, *p.shape[1:]) if len(p) == 1 else p for p in parts], axis)


FUNCTIONS: Mapping[str, Function] = {
    "conv2d": F.conv2d,
    "linear": F.linear,
    "matmul": torch.matmul,
    "attention": _attention,
    "batch_norm": _batch_norm,
    "layer_norm": _layer_norm,
    "l2_normalise": _l2_normalise,
    "norm": lambda x, axes, keepdim: torch.linalg.vector_norm(x, dim=axes, keepdim=keepdim),
    "relu": F.relu,
    "leaky_relu": lambda x, slope: F.leaky_relu(x, slope),
    "prelu": F.prelu,
    "gelu": F.gelu,
    "silu": F.silu,
    "hardswish": F.hardswish,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hardsigmoid": F.hardsigmoid,
    "erf": torch.erf,
    "softmax": lambda x, axis: x.softmax(axis),
    "clamp": torch.clamp,
    "pow": torch.pow,
    "add": arithmetic.add,
    "sub": arithmetic.sub,
    "mul": arithmetic.mul,
    "div": arithmetic.truediv,
    "avg_pool2d": _avg_pool2d,
    "adaptive_avg_pool2d": lambda x, size: F.adaptive_avg_pool2d(x, size),
    "max_pool2d": lambda *x, **window: max_pool2d_with_indices(*x, **window)[0],
    "adaptive_max_pool2d": lambda x, size: F.adaptive_max_pool2d(x, size),
    "mean": lambda x, axes, keepdim: x.mean(axes, keepdim),
    "sum": lambda x, axes, keepdim: x.sum(axes, keepdim),
    "amax": lambda x, axes, keepdim: x.amax(axes, keepdim),
    "reshape": reshape,
    "permute": lambda x, axes: x.permute(axes),
    "unsqueeze": lambda x, axis: x.unsqueeze(axis),
    "squeeze": lambda x, axes: x.squeeze(axes),
    "expand": expand,
    "slice": slice_axis,
    "select": lambda x, axis, index: x.select(axis, index),
    "concat": _concat,
}
"""What each kind computes; the linear rules use the same functions."""
