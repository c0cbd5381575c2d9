"""Lowers ONNX convolutions and linear layers."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.onnx.call import Lowering, OnnxCall, window
from partlens.explainer.head.operators import Attribute


def _conv(call: OnnxCall) -> Lowered:
    weight = call.weight(1)
    attributes: dict[str, Attribute] = {**window(call, weight.shape[2:])}
    bias = () if call.constant(2) is None else (call.weight(2),)
    groups = int(call.attributes.get("group", 1))
    return "conv2d", (call.x, weight, *bias), {**attributes, "groups": groups}


def _gemm(call: OnnxCall) -> Lowered:
    given = call.attributes
    if given.get("transA", 0):
        raise ValueError("it transposes the image axis")
    weight = call.weight(1) if given.get("transB", 0) else call.weight(1).T
    bias = () if call.constant(2) is None else (call.weight(2) * given.get("beta", 1.0),)
    return "linear", (call.x, weight * given.get("alpha", 1.0), *bias), {}


LOWERINGS: Mapping[str, Lowering] = {
    "Conv": _conv,
    "Gemm": _gemm,
}
