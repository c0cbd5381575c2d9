"""Lowers ATen arithmetic."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch.call import Call, Lowering


def _pow(call: Call) -> Lowered:
    return "pow", (call.arguments["self"], call.arguments["exponent"]), {}


def _power(exponent: float) -> Lowering:
    return lambda call: ("pow", (call.arguments["self"], exponent), {})


def _negative(call: Call) -> Lowered:
    return "mul", (call.arguments["self"], -1.0), {}


def _binary(kind: str, sign: bool = False) -> Lowering:
    def lowering(call: Call) -> Lowered:
        if sign and call.arguments.get("alpha", 1) != 1:
            raise ValueError("its alpha must be 1")
        if call.arguments.get("rounding_mode") is not None:
            raise ValueError("rounding is not a sum over positions")
        return kind, (call.arguments["self"], call.arguments["other"]), {}

    return lowering


LOWERINGS: Mapping[str, Lowering] = {
    "aten.pow.Tensor_Scalar": _pow,
    "aten.pow.Tensor_Tensor": _pow,
    "aten.sqrt.default": _power(0.5),
    "aten.rsqrt.default": _power(-0.5),
    "aten.reciprocal.default": _power(-1.0),
    "aten.neg.default": _negative,
    "aten.add.Tensor": _binary("add", sign=True),
    "aten.add.Scalar": _binary("add", sign=True),
    "aten.sub.Tensor": _binary("sub", sign=True),
    "aten.sub.Scalar": _binary("sub", sign=True),
    "aten.mul.Tensor": _binary("mul"),
    "aten.mul.Scalar": _binary("mul"),
    "aten.div.Tensor": _binary("div"),
    "aten.div.Scalar": _binary("div"),
}
