"""Lowers ONNX matrix products, attention and softmax."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered, additive
from partlens.explainer.head.lowering.onnx.call import Lowering, OnnxCall, of_two


def _attention(call: OnnxCall) -> Lowered:
    if len(call.shape) != 3:
        raise ValueError("only attention over [N, heads, tokens, channels] is supported")
    if any(one is not None for one in call.inputs[4:]):
        raise ValueError("attention over the keys of earlier calls is not supported")
    mask = () if call.constant(3) is None else (additive(call.weight(3)),)
    scale = call.attributes.get("scale")
    causal = bool(call.attributes.get("is_causal", 0))
    return (
        "attention",
        (*(call.value(i) for i in range(3)), *mask),
        {"scale": scale, "causal": causal},
    )


def _softmax(call: OnnxCall) -> Lowered:
    return "softmax", (call.x,), {"axis": int(call.attributes.get("axis", -1))}


LOWERINGS: Mapping[str, Lowering] = {
    "MatMul": of_two("matmul"),
    "Attention": _attention,
    "Softmax": _softmax,
}
