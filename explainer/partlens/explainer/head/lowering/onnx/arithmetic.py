"""Lowers ONNX arithmetic."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.onnx.call import Lowering, OnnxCall, of_two


def _pow(call: OnnxCall) -> Lowered:
    exponent = call.weight(1)
    return "pow", (call.x, float(exponent) if exponent.numel() == 1 else exponent), {}


LOWERINGS: Mapping[str, Lowering] = {
    "Pow": _pow,
    "Sqrt": lambda call: ("pow", (call.x, 0.5), {}),
    "Reciprocal": lambda call: ("pow", (call.x, -1.0), {}),
    "Neg": lambda call: ("mul", (call.x, -1.0), {}),
    "Add": of_two("add"),
    "Sum": of_two("add"),
    "Sub": of_two("sub"),
    "Mul": of_two("mul"),
    "Div": of_two("div"),
}
