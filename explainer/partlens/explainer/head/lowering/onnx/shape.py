"""Lowers ONNX operators that only move elements."""

from collections.abc import Mapping

import numpy as np

from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.onnx.call import Lowering, OnnxCall
from partlens.explainer.head.operators import Attribute


def _reshape(call: OnnxCall) -> Lowered:
    return "reshape", (call.x,), {"shape": (0, *call.shape)}


def _expand(call: OnnxCall) -> Lowered:
    return "expand", (call.x,), {"shape": (-1, *call.shape)}


def _transpose(call: OnnxCall) -> Lowered:
    axes = call.attributes.get("perm", tuple(reversed(range(1 + len(call.shape)))))
    return "permute", (call.x,), {"axes": tuple(axes)}


def _concat(call: OnnxCall) -> Lowered:
    inputs = tuple(call.value(i) for i in range(len(call.inputs)))
    return "concat", inputs, {"axis": int(call.attributes["axis"])}


def _slice(call: OnnxCall) -> Lowered:
    named = [call.attributes.get(name) for name in ("starts", "ends", "axes", "steps")]
    given = [call.constant(i) if value is None else value for i, value in enumerate(named, 1)]
    start, stop, axis, step = (1 if value is None else np.atleast_1d(value) for value in given)
    if isinstance(start, int) or isinstance(stop, int) or isinstance(axis, int) or len(axis) != 1:
        raise ValueError("only a slice along one named axis is supported")
    stride = 1 if isinstance(step, int) else int(step[0])
    attributes: dict[str, Attribute] = {"axis": int(axis[0]), "start": int(start[0])}
    # ONNX writes "to the end" as a huge number.
    end = None if int(stop[0]) >= 2**31 - 1 else int(stop[0])
    return "slice", (call.x,), {**attributes, "stop": end, "step": stride}


def _gather(call: OnnxCall) -> Lowered:
    index = call.weight(1)
    if index.ndim:
        raise ValueError("only one index can be gathered, not several")
    axis = int(call.attributes.get("axis", 0))
    return "select", (call.x,), {"axis": axis, "index": int(index)}


LOWERINGS: Mapping[str, Lowering] = {
    "Flatten": _reshape,
    "Reshape": _reshape,
    "Squeeze": _reshape,
    "Unsqueeze": _reshape,
    "Expand": _expand,
    "Transpose": _transpose,
    "Slice": _slice,
    "Gather": _gather,
    "Concat": _concat,
}
