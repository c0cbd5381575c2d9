"""Writes PReLU in a form that ONNX Runtime runs fast on CPUs.

The PReLU of version 1.32 takes two thirds of the processor time of MobileFaceNet; that of 1.24 was
fast. Depthwise convolutions do the same, in the memory layout of the convolutions around them.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper

Array = NDArray[np.float32]


def without_prelu(data: bytes) -> bytes:
    """The same model, where slope * x + (1 - slope) * relu(x) replaces each PReLU that it can.

    That is one with a constant slope per channel, right after a two-dimensional convolution. Both
    forms differ by rounding only.

    Raises:
        Exception: not an ONNX model; protobuf raises classes of its own.
    """
    if b"PRelu" not in data:
        return data
    model = onnx.load_model_from_string(data)
    graph = model.graph
    weights = {one.name: one for one in graph.initializer}
    maps = {node.output[0]: _channels(node, weights) for node in graph.node if _is(node, "Conv")}
    nodes = list[NodeProto]()
    for node in graph.node:
        channels = maps.get(node.input[0], 0) if _is(node, "PRelu") else 0
        slope = _slope(weights.get(node.input[1]), channels) if channels else None
        if slope is None:
            nodes.append(node)
            continue
        names = [f"{node.output[0]}/partlens/{part}" for part in ("slope", "rest")]
        for name, factor in zip(names, (slope, 1 - slope), strict=True):
            graph.initializer.append(numpy_helper.from_array(factor, name))
        nodes += _replacement(node, channels, *names)
    del graph.node[:]
    graph.node.extend(nodes)
    made: bytes = model.SerializeToString()
    return made


def _is(node: NodeProto, kind: str) -> bool:
    return node.op_type == kind and not node.domain


def _channels(convolution: NodeProto, weights: Mapping[str, TensorProto]) -> int:
    """Channels that a two-dimensional convolution with constant weights gives; otherwise 0."""
    weight = weights.get(convolution.input[1])
    return weight.dims[0] if weight is not None and len(weight.dims) == 4 else 0


def _slope(weight: TensorProto | None, channels: int) -> Array | None:
    """Weights of a depthwise convolution, [channels, 1, 1, 1]; None if it is not such a slope."""
    if weight is None or weight.data_type != TensorProto.FLOAT:
        return None
    if tuple(weight.dims) not in ((channels, 1, 1), (1, channels, 1, 1)):
        return None
    return numpy_helper.to_array(weight).astype(np.float32).reshape(channels, 1, 1, 1)


def _replacement(node: NodeProto, channels: int, slope: str, rest: str) -> Iterator[NodeProto]:
    x, output = node.input[0], node.output[0]
    positive, part, whole = (f"{output}/partlens/{one}" for one in ("relu", "positive", "all"))
    yield helper.make_node("Relu", [x], [positive])
    yield helper.make_node("Conv", [positive, rest], [part], group=channels)
    yield helper.make_node("Conv", [x, slope], [whole], group=channels)
    yield helper.make_node("Add", [part, whole], [output])
