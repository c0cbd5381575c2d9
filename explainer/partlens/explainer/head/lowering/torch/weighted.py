"""Lowers ATen convolutions and linear layers."""

from collections.abc import Mapping

from torch import Tensor

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch.call import Call, Lowering, pair
from partlens.explainer.head.operators import Attribute


def _conv(call: Call) -> Lowered:
    given = call.arguments
    if given.get("transposed") or len(given["weight"].shape) != 4:
        raise ValueError("only two-dimensional convolutions, not transposed, are supported")
    if not isinstance(given["padding"], list | tuple | int):
        raise ValueError("its padding must be given in pixels")
    bias = () if given["bias"] is None else (given["bias"],)
    attributes: dict[str, Attribute] = {
        name: pair(given[name]) for name in ("stride", "padding", "dilation")
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
        raise ValueError("only x @ W + k with constant W and k is supported")
    return "linear", (given["mat1"], given["mat2"].T, given["self"]), {}


LOWERINGS: Mapping[str, Lowering] = {
    "aten.conv2d.default": _conv,
    "aten.convolution.default": _conv,
    "aten.linear.default": _linear,
    "aten.addmm.default": _addmm,
}
