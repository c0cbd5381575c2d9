"""Lowers the ONNX nodes of a head to the operator list."""

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
import torch

from partlens.explainer.errors import ModelError, UnsupportedOperatorError
from partlens.explainer.head.from_onnx_table import LOWERINGS, SAME, Constant, OnnxCall
from partlens.explainer.head.operators import (
    FEATURE,
    Head,
    Input,
    Operator,
    without_last_normalisation,
)


def lower(
    nodes: Sequence[onnx.NodeProto],
    values: Mapping[str, Constant],
    images: int,
    feature: str,
    embedding: str,
) -> Head:
    """The operator list of an ONNX head.

    Args:
        nodes: the head's nodes in order.
        values: what every tensor is for some feature maps: the shapes of live values are taken
            from here, and constants with their content.
        images: how many feature maps those were.
        feature: name of the tensor that is the feature map.
        embedding: name of the tensor that is the embedding.

    Raises:
        UnsupportedOperatorError: an ONNX operator, or a use of it, that has no place in the list.
    """
    live, operators, weights = {feature: FEATURE}, list[Operator](), dict[str, torch.Tensor]()
    for node in nodes:
        # The shape of a live value is no live value: it is read from `values` where needed.
        if node.op_type in ("Shape", "Size") or not any(name in live for name in node.input):
            continue
        if node.op_type in SAME:
            live[node.output[0]] = live[node.input[0]]
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


def _lower_node(  # type: ignore[no-untyped-def]
    node: onnx.NodeProto, live: Mapping[str, str], values: Mapping[str, Constant], images: int
):
    path = node.name or node.output[0]
    if node.op_type not in LOWERINGS or node.domain not in ("", "ai.onnx"):
        raise UnsupportedOperatorError(node.op_type, path, LOWERINGS)
    result = values[node.output[0]]
    if result.ndim == 0 or result.shape[0] != images:
        raise UnsupportedOperatorError(
            node.op_type, path, why="it moves, merges or removes the axis of images"
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
