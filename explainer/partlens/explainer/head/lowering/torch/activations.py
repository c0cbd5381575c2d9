"""Lowers ATen activations."""

from collections.abc import Mapping

from torch import Tensor

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch.call import Call, Lowering, unary


def _clamp(call: Call) -> Lowered:
    given = call.arguments
    low, high = given.get("min", given.get("min_val")), given.get("max", given.get("max_val"))
    if isinstance(low, Tensor | str) or isinstance(high, Tensor | str):
        raise ValueError("its limits must be numbers")
    return "clamp", (given["self"],), {"min": low, "max": high}


LOWERINGS: Mapping[str, Lowering] = {
    "aten.relu.default": unary("relu"),
    "aten.leaky_relu.default": unary("leaky_relu", slope="negative_slope"),
    "aten.prelu.default": lambda c: ("prelu", (c.arguments["self"], c.arguments["weight"]), {}),
    "aten.gelu.default": unary("gelu", approximate="approximate"),
    "aten.silu.default": unary("silu"),
    "aten.hardswish.default": unary("hardswish"),
    "aten.tanh.default": unary("tanh"),
    "aten.clamp.default": _clamp,
    "aten.clamp_min.default": _clamp,
    "aten.clamp_max.default": _clamp,
    "aten.hardtanh.default": _clamp,
    "aten.relu6.default": lambda c: ("clamp", (c.arguments["self"],), {"min": 0.0, "max": 6.0}),
    "aten.sigmoid.default": unary("sigmoid"),
    "aten.hardsigmoid.default": unary("hardsigmoid"),
    "aten.erf.default": unary("erf"),
}
