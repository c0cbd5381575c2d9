"""Lowers ATen pools and reductions."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch.call import Call, Lowering, pair, reduced
from partlens.explainer.head.operators import Attribute


def _window(call: Call, *names: str) -> dict[str, Attribute]:
    given = call.arguments
    attributes: dict[str, Attribute] = {
        "kernel": pair(given["kernel_size"]),
        "stride": pair(given["stride"] or given["kernel_size"]),
        "padding": pair(given["padding"]),
        "ceil_mode": given["ceil_mode"],
    }
    return attributes | {
        name: given[name] if isinstance(given[name], bool) else pair(given[name]) for name in names
    }


def _avg_pool(call: Call) -> Lowered:
    if call.arguments["divisor_override"] is not None:
        raise ValueError("divisor_override is not supported")
    return "avg_pool2d", (call.arguments["self"],), _window(call, "count_include_pad")


def _max_pool(call: Call) -> Lowered:
    return "max_pool2d", (call.arguments["self"],), _window(call, "dilation")


def _adaptive(kind: str) -> Lowering:
    def lowering(call: Call) -> Lowered:
        return kind, (call.arguments["self"],), {"size": pair(call.arguments["output_size"])}

    return lowering


LOWERINGS: Mapping[str, Lowering] = {
    "aten.avg_pool2d.default": _avg_pool,
    "aten.adaptive_avg_pool2d.default": _adaptive("adaptive_avg_pool2d"),
    "aten._adaptive_avg_pool2d.default": _adaptive("adaptive_avg_pool2d"),
    "aten.max_pool2d.default": _max_pool,
    "aten.max_pool2d_with_indices.default": _max_pool,
    "aten.adaptive_max_pool2d.default": _adaptive("adaptive_max_pool2d"),
    "aten.mean.dim": reduced("mean"),
    "aten.sum.dim_IntList": reduced("sum"),
    "aten.amax.default": reduced("amax"),
    "aten.max.dim": reduced("amax"),
}
