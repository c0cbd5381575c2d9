"""Normalisation: linear with stored statistics; an image's own statistics are frozen."""

import torch
import torch.nn.functional as F
from torch import Tensor

from partlens.explainer.head.live import Affine, Live, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules.freezing import Freeze
from partlens.explainer.head.rules.kind import Kind, Signature, Value, only_first_live


def _batch_norm(
    x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, variance: Tensor, epsilon: float
) -> Tensor:
    return F.batch_norm(x, mean, variance, weight, bias, False, 0.0, epsilon)


def _channels_scaled(operator: Operator, *inputs: Value) -> Live:
    """gain * x + shift per channel (axis 1), epsilon included."""
    x, (weight, bias, mean, variance) = only_first_live(operator, inputs)
    epsilon = operator.number("epsilon")
    shape = (-1,) + (1,) * (x.value.ndim - 2)
    gain = weight * (variance + epsilon).rsqrt()
    shift = (bias - mean * gain).view(shape)
    return apply(x, Affine(lambda z: z * gain.view(shape), shift, lambda o: o))


def _layer_norm(
    x: Tensor,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    *,
    dims: int,
    epsilon: float,
) -> Tensor:
    if not 1 <= dims < x.ndim:
        raise ValueError(f"dims must be between 1 and {x.ndim - 1}, got {dims}")
    return F.layer_norm(x, x.shape[-dims:], weight, bias, epsilon)


def _variance_frozen(operator: Operator, *inputs: Value) -> Live:
    """The mean is linear; the variance is frozen at this image."""
    x, affine = only_first_live(operator, inputs)
    axes = tuple(range(-operator.integer("dims"), 0))
    variance = x.value.var(axes, unbiased=False, keepdim=True)
    gain = (variance + operator.number("epsilon")).rsqrt()
    if affine:
        gain = gain * affine[0]
    return apply(
        x,
        Affine(
            lambda z: (z - z.mean(axes, keepdim=True)) * gain,
            affine[1] if len(affine) > 1 else 0.0,
            lambda o: o,
            axes,
        ),
    )


def _norm(x: Tensor, axes: tuple[int, ...], keepdim: bool) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(x, dim=axes, keepdim=keepdim)
    return norm


def _l2_normalise(x: Tensor, axes: tuple[int, ...], epsilon: float) -> Tensor:
    return x / _norm(x, axes, True).clamp_min(epsilon)


def _norm_frozen(operator: Operator, *inputs: Value) -> Live:
    """x over its frozen norm; only if other operators follow (the final one belongs to Z)."""
    x, _ = only_first_live(operator, inputs)
    norm = _norm(x.value, operator.integers("axes"), True)
    gain = 1 / norm.clamp_min(operator.number("epsilon"))
    return apply(x, Affine(lambda z: z * gain, owner=lambda o: o))


KINDS = (
    # Over axis 1.
    Kind(
        "batch_norm",
        Signature(("x", "weight", "bias", "mean", "variance"), {"epsilon": "float"}),
        _batch_norm,
        _channels_scaled,
    ),
    # Over the last `dims` axes.
    Kind(
        "layer_norm",
        Signature(("x", "weight?", "bias?"), {"dims": "int", "epsilon": "float"}),
        _layer_norm,
        _variance_frozen,
    ),
    Kind(
        "l2_normalise",
        Signature(("x",), {"axes": "ints", "epsilon": "float"}),
        _l2_normalise,
        _norm_frozen,
    ),
    # Euclidean. A statistic, never the last operator.
    Kind("norm", Signature(("x",), {"axes": "ints", "keepdim": "bool"}), _norm, Freeze(_norm)),
)
