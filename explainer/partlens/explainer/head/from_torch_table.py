"""What each ATen operator becomes in the operator list."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from partlens.explainer.head.operators import Attribute, Input


@dataclass(frozen=True)
class Call:
    """One ATen call whose inputs are named; what a lowering is given.

    Attributes:
        arguments: by ATen's own argument names, defaults filled in; a live value is its name.
        shape: of the result, without the axis of images.
    """

    arguments: Mapping[str, Any]
    shape: tuple[int, ...]


Lowered = tuple[str, tuple[Input | Tensor, ...], dict[str, Attribute]]
"""Kind, inputs (names, numbers or constants that become weights), and attributes."""


def _pair(sizes: Any) -> tuple[int, int]:
    sizes = [sizes] if isinstance(sizes, int) else list(sizes)
    return (sizes[0], sizes[0]) if len(sizes) == 1 else (sizes[0], sizes[1])


def _unary(kind: str, **attributes: str) -> Callable[[Call], Lowered]:
    """The operator of one input; attributes: ours -> ATen's name."""

    def lowering(call: Call) -> Lowered:
        given = {ours: call.arguments[theirs] for ours, theirs in attributes.items()}
        return kind, (call.arguments["self"],), given

    return lowering


def _binary(kind: str, sign: bool = False) -> Callable[[Call], Lowered]:
    def lowering(call: Call) -> Lowered:
        if sign and call.arguments.get("alpha", 1) != 1:
            raise ValueError("its alpha must be 1")
        if call.arguments.get("rounding_mode") is not None:
            raise ValueError("rounding is not a sum over positions")
        return kind, (call.arguments["self"], call.arguments["other"]), {}

    return lowering


def _conv(call: Call) -> Lowered:
    given = call.arguments
    if given.get("transposed") or len(given["weight"].shape) != 4:
        raise ValueError("only two-dimensional convolutions that are not transposed")
    if not isinstance(given["padding"], list | tuple | int):
        raise ValueError("its padding must be given in pixels")
    bias = () if given["bias"] is None else (given["bias"],)
    attributes: dict[str, Attribute] = {
        name: _pair(given[name]) for name in ("stride", "padding", "dilation")
    }
    return (
        "conv2d",
        (given["input"], given["weight"], *bias),
        {**attributes, "groups": given["groups"]},
    )


def _linear(call: Call) -> Lowered:
    given = call.arguments
    bias = () if given["bias"] is None else (given["bias"],)
    return "linear", (given["input"], given["weight"], *bias), {}


def _addmm(call: Call) -> Lowered:
    given = call.arguments
    if given["beta"] != 1 or given["alpha"] != 1 or not isinstance(given["mat2"], Tensor):
        raise ValueError("only x @ W + k with constant W and k")
    return "linear", (given["mat1"], given["mat2"].T, given["self"]), {}


def _matmul(second: str) -> Callable[[Call], Lowered]:
    return lambda call: ("matmul", (call.arguments["self"], call.arguments[second]), {})


def _attention(call: Call) -> Lowered:
    given = call.arguments
    query, key, x, mask = (given[name] for name in ("query", "key", "value", "attn_mask"))
    if given["enable_gqa"]:
        raise ValueError("grouped queries are not known")
    if isinstance(mask, str):
        raise ValueError("its mask must not depend on the feature map")
    if mask is not None and mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape).masked_fill(~mask, -torch.inf)
    if mask is not None and not mask.any():
        mask = None  # it lets every token see every other
    attributes: dict[str, Attribute] = {
        "scale": given["scale"],
        "causal": bool(given["is_causal"]),
    }
    return "attention", (query, key, x, *([] if mask is None else [mask])), attributes


def _softmax(call: Call) -> Lowered:
    return "softmax", (call.arguments["self"],), {"axis": call.arguments["dim"]}


def _batch_norm(call: Call) -> Lowered:
    given = call.arguments
    if given.get("training"):
        raise ValueError("the model must be in eval mode")
    mean, variance = given["running_mean"], given["running_var"]
    if mean is None or variance is None:
        raise ValueError("it has no running statistics")
    gain = torch.ones_like(mean) if given["weight"] is None else given["weight"]
    shift = torch.zeros_like(mean) if given["bias"] is None else given["bias"]
    return "batch_norm", (given["input"], gain, shift, mean, variance), {"epsilon": given["eps"]}


def _layer_norm(call: Call) -> Lowered:
    given = call.arguments
    affine = [given["weight"], given["bias"]]
    if affine[0] is None and affine[1] is not None:
        affine[0] = torch.ones_like(affine[1])
    affine = [value for value in affine if value is not None]
    attributes: dict[str, Attribute] = {
        "dims": len(given["normalized_shape"]),
        "epsilon": given["eps"],
    }
    return "layer_norm", (given["input"], *affine), attributes


def _clamp(call: Call) -> Lowered:
    given = call.arguments
    low, high = given.get("min", given.get("min_val")), given.get("max", given.get("max_val"))
    if isinstance(low, Tensor | str) or isinstance(high, Tensor | str):
        raise ValueError("its limits must be numbers")
    return "clamp", (given["self"],), {"min": low, "max": high}


def _pow(call: Call) -> Lowered:
    return "pow", (call.arguments["self"], call.arguments["exponent"]), {}


def _window(call: Call, *names: str) -> dict[str, Attribute]:
    given = call.arguments
    attributes: dict[str, Attribute] = {
        "kernel": _pair(given["kernel_size"]),
        "stride": _pair(given["stride"] or given["kernel_size"]),
        "padding": _pair(given["padding"]),
        "ceil_mode": given["ceil_mode"],
    }
    return attributes | {
        name: given[name] if isinstance(given[name], bool) else _pair(given[name]) for name in names
    }


def _avg_pool(call: Call) -> Lowered:
    if call.arguments["divisor_override"] is not None:
        raise ValueError("divisor_override is not supported")
    return "avg_pool2d", (call.arguments["self"],), _window(call, "count_include_pad")


def _max_pool(call: Call) -> Lowered:
    return "max_pool2d", (call.arguments["self"],), _window(call, "dilation")


def _adaptive(kind: str) -> Callable[[Call], Lowered]:
    def lowering(call: Call) -> Lowered:
        return kind, (call.arguments["self"],), {"size": _pair(call.arguments["output_size"])}

    return lowering


def _reduce(kind: str) -> Callable[[Call], Lowered]:
    def lowering(call: Call) -> Lowered:
        given = call.arguments
        axes = given["dim"]
        axes = [axes] if isinstance(axes, int) else axes
        if not axes:
            raise ValueError("it must name its axes; without, it mixes the images")
        if given.get("ord", 2) != 2 or given.get("p", 2) != 2:
            raise ValueError("only the Euclidean norm is known")
        return kind, (given["self"],), {"axes": tuple(axes), "keepdim": bool(given["keepdim"])}

    return lowering


def _reshape(call: Call) -> Lowered:
    return "reshape", (call.arguments["self"],), {"shape": (0, *call.shape)}


def _expand(call: Call) -> Lowered:
    return "expand", (call.arguments["self"],), {"shape": (-1, *call.shape)}


def _permute(call: Call) -> Lowered:
    return "permute", (call.arguments["self"],), {"axes": tuple(call.arguments["dims"])}


def _transpose(call: Call) -> Lowered:
    axes = list(range(1 + len(call.shape)))
    first, second = call.arguments["dim0"], call.arguments["dim1"]
    axes[first], axes[second] = axes[second], axes[first]
    return "permute", (call.arguments["self"],), {"axes": tuple(axes)}


def _slice(call: Call) -> Lowered:
    given = call.arguments
    attributes = {"axis": given["dim"], "start": given["start"], "stop": given["end"]}
    return "slice", (given["self"],), {**attributes, "step": given["step"]}


def _cat(call: Call) -> Lowered:
    return "concat", tuple(call.arguments["tensors"]), {"axis": call.arguments["dim"]}


def _negative(call: Call) -> Lowered:
    return "mul", (call.arguments["self"], -1.0), {}


def _power(exponent: float) -> Callable[[Call], Lowered]:
    return lambda call: ("pow", (call.arguments["self"], exponent), {})


ACTIVATIONS: Mapping[str, Callable[[Call], Lowered]] = {
    "aten.relu.default": _unary("relu"),
    "aten.leaky_relu.default": _unary("leaky_relu", slope="negative_slope"),
    "aten.prelu.default": lambda c: ("prelu", (c.arguments["self"], c.arguments["weight"]), {}),
    "aten.gelu.default": _unary("gelu", approximate="approximate"),
    "aten.silu.default": _unary("silu"),
    "aten.hardswish.default": _unary("hardswish"),
    "aten.tanh.default": _unary("tanh"),
    "aten.sigmoid.default": _unary("sigmoid"),
    "aten.hardsigmoid.default": _unary("hardsigmoid"),
    "aten.erf.default": _unary("erf"),
    "aten.softmax.int": _softmax,
    "aten._softmax.default": _softmax,
    "aten.clamp.default": _clamp,
    "aten.clamp_min.default": _clamp,
    "aten.clamp_max.default": _clamp,
    "aten.hardtanh.default": _clamp,
    "aten.relu6.default": lambda c: ("clamp", (c.arguments["self"],), {"min": 0.0, "max": 6.0}),
    "aten.pow.Tensor_Scalar": _pow,
    "aten.pow.Tensor_Tensor": _pow,
    "aten.sqrt.default": _power(0.5),
    "aten.rsqrt.default": _power(-0.5),
    "aten.reciprocal.default": _power(-1.0),
    "aten.neg.default": _negative,
}

LOWERINGS: Mapping[str, Callable[[Call], Lowered]] = {
    **ACTIVATIONS,
    "aten.conv2d.default": _conv,
    "aten.convolution.default": _conv,
    "aten.linear.default": _linear,
    "aten.addmm.default": _addmm,
    "aten.mm.default": _matmul("mat2"),
    "aten.bmm.default": _matmul("mat2"),
    "aten.matmul.default": _matmul("other"),
    "aten.scaled_dot_product_attention.default": _attention,
    "aten.batch_norm.default": _batch_norm,
    "aten._native_batch_norm_legit_no_training.default": _batch_norm,
    "aten.layer_norm.default": _layer_norm,
    "aten.native_layer_norm.default": _layer_norm,
    "aten.add.Tensor": _binary("add", sign=True),
    "aten.add.Scalar": _binary("add", sign=True),
    "aten.sub.Tensor": _binary("sub", sign=True),
    "aten.sub.Scalar": _binary("sub", sign=True),
    "aten.mul.Tensor": _binary("mul"),
    "aten.mul.Scalar": _binary("mul"),
    "aten.div.Tensor": _binary("div"),
    "aten.div.Scalar": _binary("div"),
    "aten.avg_pool2d.default": _avg_pool,
    "aten.adaptive_avg_pool2d.default": _adaptive("adaptive_avg_pool2d"),
    "aten._adaptive_avg_pool2d.default": _adaptive("adaptive_avg_pool2d"),
    "aten.max_pool2d.default": _max_pool,
    "aten.max_pool2d_with_indices.default": _max_pool,
    "aten.adaptive_max_pool2d.default": _adaptive("adaptive_max_pool2d"),
    "aten.mean.dim": _reduce("mean"),
    "aten.sum.dim_IntList": _reduce("sum"),
    "aten.amax.default": _reduce("amax"),
    "aten.max.dim": _reduce("amax"),
    "aten.linalg_vector_norm.default": _reduce("norm"),
    "aten.norm.ScalarOpt_dim": _reduce("norm"),
    "aten.view.default": _reshape,
    "aten._unsafe_view.default": _reshape,
    "aten.reshape.default": _reshape,
    "aten.flatten.using_ints": _reshape,
    "aten.squeeze.default": _reshape,
    "aten.squeeze.dim": _reshape,
    "aten.squeeze.dims": _reshape,
    "aten.unsqueeze.default": _reshape,
    "aten.expand.default": _expand,
    "aten.permute.default": _permute,
    "aten.transpose.int": _transpose,
    "aten.slice.Tensor": _slice,
    "aten.select.int": _unary("select", axis="dim", index="index"),
    "aten.cat.default": _cat,
}
"""ATen operator -> what it becomes. A ValueError from a lowering says why this use has none."""

SAME = frozenset(
    {
        "aten.clone.default",
        "aten.alias.default",
        "aten.contiguous.default",
        "aten.detach.default",
        "aten.dropout.default",
        "aten.lift_fresh_copy.default",
        "aten._to_copy.default",
        "aten.to.dtype",
    }
)
"""Operators whose result is their first input."""


def keeps_all(arguments: Mapping[str, Any]) -> bool:
    """Whether a slice leaves nothing out, as x[:, 0] makes one of its first axis."""
    last = arguments["end"]
    return arguments["start"] in (None, 0) and arguments["step"] == 1 and last in (None, 2**63 - 1)


SPLITS = frozenset({"aten.split.Tensor", "aten.split_with_sizes.default", "aten.chunk.default"})
"""Operators that give a list of slices."""
