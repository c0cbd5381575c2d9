"""Lowers ATen operators that only move elements."""

from collections.abc import Mapping

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.torch.call import Call, Lowering, unary


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


LOWERINGS: Mapping[str, Lowering] = {
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
    "aten.select.int": unary("select", axis="dim", index="index"),
    "aten.cat.default": _cat,
}
