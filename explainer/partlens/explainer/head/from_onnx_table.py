"""What each ONNX operator becomes in the operator list."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.explainer.head.from_torch_table import Lowered
from partlens.explainer.head.operators import Attribute

Constant = NDArray[Any]


@dataclass(frozen=True)
class OnnxCall:
    """One ONNX node; what a lowering is given.

    Attributes:
        inputs: the name of a live value, a constant, or None where an optional one is left out.
        attributes: as in the file.
        shape: of the result, without the axis of images.
    """

    inputs: Sequence[str | Constant | None]
    attributes: Mapping[str, Any]
    shape: tuple[int, ...]

    @property
    def x(self) -> str:
        """The name of the first input; ValueError where it is not live."""
        if not isinstance(self.inputs[0], str):
            raise ValueError("its first input must depend on the feature map")
        return self.inputs[0]

    def constant(self, index: int) -> Constant | None:
        """An optional input; ValueError where it is not a constant."""
        value = self.inputs[index] if index < len(self.inputs) else None
        if isinstance(value, str):
            raise ValueError(f"input {index} must not depend on the feature map")
        return value

    def weight(self, index: int) -> torch.Tensor:
        """An input as a tensor, in its own shape; ValueError where it is missing or no constant."""
        value = self.constant(index)
        if value is None:
            raise ValueError(f"input {index} is missing")
        return torch.from_numpy(np.array(value))

    def axes(self) -> tuple[int, ...]:
        """From the attribute of older opsets or the input of newer ones, else ValueError."""
        given = self.attributes.get("axes")
        given = self.constant(1) if given is None else given
        if given is None:
            raise ValueError("it must name its axes; without, it mixes the images")
        return tuple(int(axis) for axis in np.atleast_1d(given))


def _same_kind(kind: str) -> Callable[[OnnxCall], Lowered]:
    return lambda call: (kind, (call.x,), {})


def _reshape(call: OnnxCall) -> Lowered:
    return "reshape", (call.x,), {"shape": (0, *call.shape)}


def _expand(call: OnnxCall) -> Lowered:
    return "expand", (call.x,), {"shape": (-1, *call.shape)}


def _global(kind: str) -> Callable[[OnnxCall], Lowered]:
    axes: dict[str, Attribute] = {"axes": (2, 3), "keepdim": True}
    return lambda call: (kind, (call.x,), dict(axes))


def _reduce(kind: str) -> Callable[[OnnxCall], Lowered]:
    def lowering(call: OnnxCall) -> Lowered:
        keepdim = bool(call.attributes.get("keepdims", 1))
        return kind, (call.x,), {"axes": call.axes(), "keepdim": keepdim}

    return lowering


def _window(call: OnnxCall, kernel: Sequence[int]) -> dict[str, tuple[int, ...]]:
    given = call.attributes
    if given.get("auto_pad", b"NOTSET") not in (b"NOTSET", b"VALID"):
        raise ValueError("its padding must be given in pixels, not by auto_pad")
    pads = tuple(given.get("pads", (0, 0, 0, 0)))
    if len(kernel) != 2 or len(pads) != 4 or pads[:2] != pads[2:]:
        raise ValueError("only two-dimensional windows, padded alike at both ends")
    return {
        "stride": tuple(given.get("strides", (1, 1))),
        "padding": pads[:2],
        "dilation": tuple(given.get("dilations", (1, 1))),
    }


def _pool(kind: str) -> Callable[[OnnxCall], Lowered]:
    def lowering(call: OnnxCall) -> Lowered:
        kernel = tuple(call.attributes["kernel_shape"])
        window = _window(call, kernel)
        dilation = window.pop("dilation")
        attributes: dict[str, Attribute] = {
            **window,
            "kernel": kernel,
            "ceil_mode": bool(call.attributes.get("ceil_mode", 0)),
        }
        if kind == "max_pool2d":
            return kind, (call.x,), {**attributes, "dilation": dilation}
        if dilation != (1, 1):
            raise ValueError("an average pool must not be dilated")
        counted = bool(call.attributes.get("count_include_pad", 0))
        return kind, (call.x,), {**attributes, "count_include_pad": counted}

    return lowering


def _conv(call: OnnxCall) -> Lowered:
    weight = call.weight(1)
    attributes: dict[str, Attribute] = {**_window(call, weight.shape[2:])}
    bias = () if call.constant(2) is None else (call.weight(2),)
    groups = int(call.attributes.get("group", 1))
    return "conv2d", (call.x, weight, *bias), {**attributes, "groups": groups}


def _gemm(call: OnnxCall) -> Lowered:
    given = call.attributes
    if given.get("transA", 0):
        raise ValueError("it transposes the images")
    weight = call.weight(1) if given.get("transB", 0) else call.weight(1).T
    bias = () if call.constant(2) is None else (call.weight(2) * given.get("beta", 1.0),)
    return "linear", (call.x, weight * given.get("alpha", 1.0), *bias), {}


def _batch_norm(call: OnnxCall) -> Lowered:
    if call.attributes.get("training_mode", 0):
        raise ValueError("the model must be in eval mode")
    weights = tuple(call.weight(index) for index in range(1, 5))
    return "batch_norm", (call.x, *weights), {"epsilon": call.attributes.get("epsilon", 1e-5)}


def _layer_norm(call: OnnxCall) -> Lowered:
    axis, ndim = int(call.attributes.get("axis", -1)), 1 + len(call.shape)
    bias = () if call.constant(2) is None else (call.weight(2),)
    attributes: dict[str, Attribute] = {
        "dims": ndim - axis % ndim,
        "epsilon": call.attributes.get("epsilon", 1e-5),
    }
    return "layer_norm", (call.x, call.weight(1), *bias), attributes


def _leaky_relu(call: OnnxCall) -> Lowered:
    return "leaky_relu", (call.x,), {"slope": call.attributes.get("alpha", 0.01)}


def _prelu(call: OnnxCall) -> Lowered:
    slope = call.weight(1)
    if slope.numel() not in (1, call.shape[0]):
        raise ValueError("its slope must be one number, or one a channel")
    return "prelu", (call.x, slope.flatten()), {}


def _clip(call: OnnxCall) -> Lowered:
    limits: list[float | None] = []
    for index, name in ((1, "min"), (2, "max")):
        value = call.attributes.get(name)
        value = call.constant(index) if value is None else value
        limits.append(None if value is None else float(value))
    return "clamp", (call.x,), {"min": limits[0], "max": limits[1]}


def _hard_sigmoid(call: OnnxCall) -> Lowered:
    alpha, beta = call.attributes.get("alpha", 0.2), call.attributes.get("beta", 0.5)
    if abs(alpha - 1 / 6) > 1e-6 or beta != 0.5:
        raise ValueError(f"only alpha 1/6 and beta 0.5 are known, not {alpha:g} and {beta:g}")
    return "hardsigmoid", (call.x,), {}


def _attention(call: OnnxCall) -> Lowered:
    if len(call.shape) != 3:
        raise ValueError("only attention over [N, heads, tokens, channels] is known")
    if any(one is not None for one in call.inputs[4:]):
        raise ValueError("attention over the keys of earlier calls is not known")
    query, key, x = (
        one if isinstance(one, str) else call.weight(i) for i, one in enumerate(call.inputs[:3])
    )
    mask = call.constant(3)
    inputs: list[str | torch.Tensor] = [query, key, x]
    if mask is not None:
        allowed = torch.from_numpy(np.array(mask))
        if allowed.dtype == torch.bool:
            allowed = torch.zeros(allowed.shape).masked_fill(~allowed, -torch.inf)
        inputs.append(allowed)
    scale = call.attributes.get("scale")
    causal = bool(call.attributes.get("is_causal", 0))
    return "attention", tuple(inputs), {"scale": scale, "causal": causal}


def _softmax(call: OnnxCall) -> Lowered:
    return "softmax", (call.x,), {"axis": int(call.attributes.get("axis", -1))}


def _gelu(call: OnnxCall) -> Lowered:
    return "gelu", (call.x,), {"approximate": call.attributes.get("approximate", b"none").decode()}


def _pow(call: OnnxCall) -> Lowered:
    exponent = call.weight(1)
    return "pow", (call.x, float(exponent) if exponent.numel() == 1 else exponent), {}


def _two(kind: str) -> Callable[[OnnxCall], Lowered]:
    def lowering(call: OnnxCall) -> Lowered:
        if len(call.inputs) != 2:
            raise ValueError("only sums of two are known")
        x, y = (
            one if isinstance(one, str) else call.weight(i) for i, one in enumerate(call.inputs)
        )
        return kind, (x, y), {}

    return lowering


def _transpose(call: OnnxCall) -> Lowered:
    axes = call.attributes.get("perm", tuple(reversed(range(1 + len(call.shape)))))
    return "permute", (call.x,), {"axes": tuple(axes)}


def _concat(call: OnnxCall) -> Lowered:
    inputs = tuple(
        one if isinstance(one, str) else call.weight(i) for i, one in enumerate(call.inputs)
    )
    return "concat", inputs, {"axis": int(call.attributes["axis"])}


def _slice(call: OnnxCall) -> Lowered:
    named = [call.attributes.get(name) for name in ("starts", "ends", "axes", "steps")]
    given = [call.constant(i) if value is None else value for i, value in enumerate(named, 1)]
    start, stop, axis, step = (1 if value is None else np.atleast_1d(value) for value in given)
    if isinstance(start, int) or isinstance(stop, int) or isinstance(axis, int) or len(axis) != 1:
        raise ValueError("only a slice along one named axis is known")
    stride = 1 if isinstance(step, int) else int(step[0])
    attributes: dict[str, Attribute] = {"axis": int(axis[0]), "start": int(start[0])}
    # ONNX writes "to the end" as a huge number.
    end = None if int(stop[0]) >= 2**31 - 1 else int(stop[0])
    return "slice", (call.x,), {**attributes, "stop": end, "step": stride}


def _gather(call: OnnxCall) -> Lowered:
    index = call.weight(1)
    if index.ndim:
        raise ValueError("only one place can be gathered, not several")
    axis = int(call.attributes.get("axis", 0))
    return "select", (call.x,), {"axis": axis, "index": int(index)}


def _lp_normalise(call: OnnxCall) -> Lowered:
    if call.attributes.get("p", 2) != 2:
        raise ValueError("only the Euclidean norm is known")
    axis = int(call.attributes.get("axis", -1))
    return "l2_normalise", (call.x,), {"axes": (axis,), "epsilon": 1e-12}


LOWERINGS: Mapping[str, Callable[[OnnxCall], Lowered]] = {
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _two("matmul"),
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_normalise,
    "Relu": _same_kind("relu"),
    "LeakyRelu": _leaky_relu,
    "PRelu": _prelu,
    "Gelu": _gelu,
    "HardSwish": _same_kind("hardswish"),
    "Tanh": _same_kind("tanh"),
    "Sigmoid": _same_kind("sigmoid"),
    "HardSigmoid": _hard_sigmoid,
    "Erf": _same_kind("erf"),
    "Softmax": _softmax,
    "Attention": _attention,
    "Clip": _clip,
    "Pow": _pow,
    "Sqrt": lambda call: ("pow", (call.x, 0.5), {}),
    "Reciprocal": lambda call: ("pow", (call.x, -1.0), {}),
    "Neg": lambda call: ("mul", (call.x, -1.0), {}),
    "Add": _two("add"),
    "Sum": _two("add"),
    "Sub": _two("sub"),
    "Mul": _two("mul"),
    "Div": _two("div"),
    "AveragePool": _pool("avg_pool2d"),
    "MaxPool": _pool("max_pool2d"),
    "GlobalAveragePool": _global("mean"),
    "GlobalMaxPool": _global("amax"),
    "ReduceMean": _reduce("mean"),
    "ReduceSum": _reduce("sum"),
    "ReduceMax": _reduce("amax"),
    "ReduceL2": _reduce("norm"),
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Expand": _expand,
    "Transpose": _transpose,
    "Slice": _slice,
    "Gather": _gather,
    "Concat": _concat,
}
"""ONNX operator -> what it becomes. A ValueError from a lowering says why this use has none."""

SAME = frozenset({"Identity", "Dropout", "Cast"})
"""Operators whose result is their first input (a cast of a float map to float)."""
