"""ATen operators that are written out in simpler ones before a module is cut."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

_aten: Any = torch.ops.aten


def _rms_norm(
    x: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None = None,
    eps: float | None = None,
) -> Tensor:
    """x / sqrt(mean(x^2) + eps): the norm below the fraction is a statistic to freeze."""
    axes = list(range(-len(normalized_shape), 0))
    epsilon = torch.finfo(x.dtype).eps if eps is None else eps
    normalised = x / (x.pow(2).mean(axes, keepdim=True) + epsilon).sqrt()
    return normalised if weight is None else normalised * weight


def _variance(
    x: Tensor,
    dim: Sequence[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Tensor:
    axes = list(range(x.ndim)) if dim is None else list(dim)
    count = 1
    for axis in axes:
        count *= x.shape[axis]
    squares = (x - x.mean(axes, keepdim=True)).pow(2)
    left = count - (1 if correction is None else correction)
    return squares.sum(axes, keepdim=keepdim) / left


def _variance_of_axes(
    x: Tensor, dim: Sequence[int] | None, unbiased: bool = True, keepdim: bool = False
) -> Tensor:
    return _variance(x, dim, correction=int(unbiased), keepdim=keepdim)


def _variance_and_mean(
    x: Tensor,
    dim: Sequence[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> tuple[Tensor, Tensor]:
    axes = list(range(x.ndim)) if dim is None else list(dim)
    return _variance(x, axes, correction=correction, keepdim=keepdim), x.mean(axes, keepdim)


def _deviation_of_axes(
    x: Tensor, dim: Sequence[int] | None, unbiased: bool = True, keepdim: bool = False
) -> Tensor:
    return _variance_of_axes(x, dim, unbiased, keepdim).sqrt()


def _deviation(
    x: Tensor,
    dim: Sequence[int] | None = None,
    *,
    correction: float | None = None,
    keepdim: bool = False,
) -> Tensor:
    return _variance(x, dim, correction=correction, keepdim=keepdim).sqrt()


def _convolution_of_a_row(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Sequence[int] = (1,),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    groups: int = 1,
) -> Tensor:
    """A convolution over one axis, as one over a map of one row."""
    row: Tensor = torch.nn.functional.conv2d(
        x.unsqueeze(2),
        weight.unsqueeze(2),
        bias,
        (1, *stride),
        (0, *padding),
        (1, *dilation),
        groups,
    )
    return row.squeeze(2)


DECOMPOSITIONS: Mapping[Any, Callable[..., Any]] = {
    _aten.rms_norm.default: _rms_norm,
    _aten.conv1d.default: _convolution_of_a_row,
    _aten.var.dim: _variance_of_axes,
    _aten.var.correction: _variance,
    _aten.var_mean.correction: _variance_and_mean,
    _aten.std.dim: _deviation_of_axes,
    _aten.std.correction: _deviation,
}
"""ATen operator -> the same in operators that the head's table has."""
