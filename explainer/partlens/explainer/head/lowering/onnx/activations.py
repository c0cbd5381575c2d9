"""Lowers ONNX activations."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.onnx.call import Lowering, OnnxCall


def _same_kind(kind: str) -> Lowering:
    return lambda call: (kind, (call.x,), {})


def _leaky_relu(call: OnnxCall) -> Lowered:
    return "leaky_relu", (call.x,), {"slope": call.attributes.get("alpha", 0.01)}


def _prelu(call: OnnxCall) -> Lowered:
    slope = call.weight(1)
    if slope.numel() not in (1, call.shape[0]):
        raise ValueError("its slope must be one number, or one per channel")
    return "prelu", (call.x, slope.flatten()), {}


def _clip(call: OnnxCall) -> Lowered:
    limits: list[float | None] = []
    for index, name in ((1, "min"), (2, "max")):
        value = call.attributes.get(name)
        value = call.constant(index) if value is None else value
        limits.append(None if value is None else _one_number(name, value))
    return "clamp", (call.x,), {"min": limits[0], "max": limits[1]}


def _one_number(name: str, value: Any) -> float:
    """A limit; converters write it as a scalar or as an array of one number."""
    numbers = np.asarray(value)
    if numbers.size != 1:
        raise ValueError(f"its {name} must be one number, not {numbers.size}")
    return float(numbers.item())


def _hard_sigmoid(call: OnnxCall) -> Lowered:
    alpha, beta = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    if abs(alpha - 1 / 6) > 1e-6 or beta != 0.5:
        raise ValueError(f"only alpha 1/6 and beta 0.5 are supported, not {alpha:g} and {beta:g}")
    return "hardsigmoid", (call.x,), {}


def _gelu(call: OnnxCall) -> Lowered:
    return "gelu", (call.x,), {"approximate": call.attributes.get("approximate", b"none").decode()}


LOWERINGS: Mapping[str, Lowering] = {
    "Relu": _same_kind("relu"),
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Gelu": _gelu,
    "HardSwish": _same_kind("hardswish"),
    "Tanh": _same_kind("tanh"),
    "Clip": _clip,
    "Sigmoid": _same_kind("sigmoid"),
    "HardSigmoid": _hard_sigmoid,
    "Erf": _same_kind("erf"),
}
