"""Lowers ONNX pools and reductions."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.onnx.call import Lowering, OnnxCall, reduced, window
from partlens.explainer.head.operators import Attribute


def _global(kind: str) -> Lowering:
    axes: dict[str, Attribute] = {"axes": (2, 3), "keepdim": True}
    return lambda call: (kind, (call.x,), dict(axes))


def _pool(kind: str) -> Lowering:
    def lowering(call: OnnxCall) -> Lowered:
        kernel = tuple(call.attributes["kernel_shape"])
        placed = window(call, kernel)
        dilation = placed.pop("dilation")
        attributes: dict[str, Attribute] = {
            **placed,
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


LOWERINGS: Mapping[str, Lowering] = {
    "AveragePool": _pool("avg_pool2d"),
    "MaxPool": _pool("max_pool2d"),
    "GlobalAveragePool": _global("mean"),
    "GlobalMaxPool": _global("amax"),
    "ReduceMean": reduced("mean"),
    "ReduceSum": reduced("sum"),
    "ReduceMax": reduced("amax"),
}
