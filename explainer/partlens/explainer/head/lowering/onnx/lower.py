"""Lowers the ONNX nodes of a head to the operator list."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch

from partlens.explainer.errors import ModelError, UnsupportedOperatorError
from partlens.explainer.head.lowering.lowered import Lowered
from partlens.explainer.head.lowering.onnx.call import Constant, OnnxCall
from partlens.explainer.head.lowering.onnx.table import LOWERINGS, SAME
from partlens.explainer.head.operators import (
    FEATURE,
    Head,
    Input,
    Operator,
    without_last_normalisation,
)

SHAPES = frozenset({"Shape", "Size"})
"""Operators that return sizes, not data."""


def lower(
    nodes: Sequence[onnx.NodeProto],
    values: Mapping[str, Constant],
    images: int,
    feature: str,
    embedding: str,
) -> Head:
    """Lower an ONNX head to the operator list.

    Args:
        nodes: the head's nodes in order.
        values: every tensor, evaluated on some feature maps; gives the shapes of live values and
            the content of constants.
        images: number of these feature maps.
        feature: name of the tensor that is the feature map.
        embedding: name of the tensor that is the embedding.

    Raises:
        UnsupportedOperatorError: an ONNX operator, or a use of it, that cannot be lowered.
    """
    live, operators, weights = {feature: FEATURE}, list[Operator](), dict[str, torch.Tensor]()
    values, sized, guards = dict(values), set[str](), dict[str, str]()
    for node in nodes:
        # The shape of a live value is not itself live: it is read from `values` where needed.
        if node.op_type in SHAPES or not any(name in live for name in node.input):
            if node.op_type in SHAPES or not sized.isdisjoint(node.input):
                sized.update(node.output)
                name = node.output[0]
                values[name] = _for_one(values[name], images)
            continue
        if node.op_type == "IsNaN":
            guards[node.output[0]] = node.input[0]
            continue
        same = node.input[0] if node.op_type in SAME else _guarded(node, guards)
        if same is not None:
            live[node.output[0]] = live[same]
            continue
        name = f"{node.op_type.lower()}_{len(operators)}"
        lowered = _lower_node(node, live, values, images)
        inputs: list[Input] = []
        for i, one in enumerate(lowered[1]):
            if isinstance(one, torch.Tensor):
                weights[f"{name}.{i}"] = one.to(torch.float32).contiguous()
                inputs.append(f"{name}.{i}")
            else:
                inputs.append(one)
        path = node.name or node.output[0]
        operators.append(Operator(lowered[0], name, path, tuple(inputs), lowered[2]))
        live[node.output[0]] = name
    if embedding not in live:
        raise ModelError(f"the embedding {embedding!r} does not depend on the tensor {feature!r}")
    return without_last_normalisation(Head(tuple(operators), weights, live[embedding]))


def _guarded(node: onnx.NodeProto, guards: Mapping[str, str]) -> str | None:
    """x of where(isnan(x), 0, x), PyTorch's exporter's guard for fully masked softmax rows."""
    if node.op_type != "Where" or node.input[2] != guards.get(node.input[0]):
        return None
    return node.input[2]


def _for_one(constant: Constant, images: int) -> Constant:
    """One copy of a constant that is repeated for every image (an attention mask)."""
    repeated = constant.ndim > 1 and len(constant) == images
    return constant[:1] if repeated and bool((constant == constant[:1]).all()) else constant


def _merged(
    node: onnx.NodeProto, live: Mapping[str, str], values: Mapping[str, Constant], images: int
) -> Lowered | None:
    """A step of a transposition that merges the image axis with another and splits it again.

    PyTorch's exporter writes the k^T of attention this way: reshape to three axes, transpose,
    reshape back.
    """
    before, after = values.get(node.input[0]), values[node.output[0]]
    if node.input[0] not in live or before is None or 0 in (before.ndim, after.ndim):
        return None
    if len(before) == len(after) == images or len(before) % images or len(after) % images:
        return None
    x = live[node.input[0]]
    if node.op_type == "Reshape":
        return "reshape", (x,), {"shape": (-1, *after.shape[1:])}
    axes = next((tuple(one.ints) for one in node.attribute if one.name == "perm"), ())
    return ("permute", (x,), {"axes": axes}) if axes[:1] == (0,) else None


def _lower_node(
    node: onnx.NodeProto, live: Mapping[str, str], values: Mapping[str, Constant], images: int
) -> Lowered:
    path = node.name or node.output[0]
    if (merged := _merged(node, live, values, images)) is not None:
        return merged
    if node.op_type not in LOWERINGS or node.domain not in ("", "ai.onnx"):
        raise UnsupportedOperatorError(node.op_type, path, LOWERINGS)
    result = values[node.output[0]]
    if result.ndim == 0 or result.shape[0] != images:
        raise UnsupportedOperatorError(
            node.op_type, path, why="it moves, merges or removes the image axis"
        )
    inputs = [live.get(name, values.get(name)) if name else None for name in node.input]
    attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
    try:
        return LOWERINGS[node.op_type](OnnxCall(inputs, attributes, result.shape[1:]))
    except ValueError as error:
        raise UnsupportedOperatorError(node.op_type, path, why=str(error)) from error


def constants(model: onnx.ModelProto) -> dict[str, np.ndarray]:
    """The weights of a model, by name."""
    return {one.name: onnx.numpy_helper.to_array(one) for one in model.graph.initializer}
