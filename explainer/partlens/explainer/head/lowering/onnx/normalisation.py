"""Lowers ONNX normalisations and norms."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.onnx.call import Lowering, OnnxCall, reduced
from partlens.explainer.head.operators import Attribute


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


def _lp_normalise(call: OnnxCall) -> Lowered:
    if call.attributes.get("p", 2) != 2:
        raise ValueError("only the Euclidean norm is supported")
    axis = int(call.attributes.get("axis", -1))
    return "l2_normalise", (call.x,), {"axes": (axis,), "epsilon": 1e-12}


LOWERINGS: Mapping[str, Lowering] = {
    "BatchNormalization": _batch_norm,
    "LayerNormalization": _layer_norm,
    "LpNormalization": _lp_normalise,
    "ReduceL2": reduced("norm"),
}
