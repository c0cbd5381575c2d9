"""Where an ONNX model may be cut: the tensors through which everything goes."""

import math
from collections.abc import Iterator

import onnx

from partlens.explainer.backbone import FloatArray
from partlens.explainer.head.lowering.onnx.lower import SHAPES
from partlens.explainer.importing.onnx_file import require_tensors
from partlens.explainer.importing.onnx_input import pixel_input
from partlens.explainer.importing.onnx_parts import cut, run_part

_MOST = 100
"""Tensors whose shapes are looked at, the last ones of a network."""


def spatial_tensors(
    model: onnx.ModelProto, embedding: str, pixels: FloatArray
) -> list[tuple[str, tuple[int, ...]]]:
    """Tensors [N, C, rows, cols] or [N, T, C] that every path leads through, the last one first.

    Args:
        model: with one input.
        embedding: the tensor that is the embedding.
        pixels: to find shapes with, [N, 3, height, width].

    Returns:
        Name and shape for one image of each.

    Raises:
        ModelError: there is no such tensor, or the model cannot be run.
    """
    require_tensors(model, (embedding,))
    declared = pixel_input(model)
    kinds = {declared.name: declared.kind}
    whole = cut(model, declared.name, embedding, [embedding], kinds)
    names = list(_bottlenecks(whole, declared.name))[-_MOST:]
    first = declared.pieces(pixels)[0]
    given = {declared.name: declared.given(first)}
    found = run_part(cut(model, declared.name, embedding, names, kinds), given)
    shown = _shown(model)
    return [
        (shown.get(name, name), value.shape[1:])
        for name, value in reversed(found.items())
        if value.ndim in (3, 4)
        and len(value) == len(first)
        and value.dtype.name == "float32"
        and math.prod(value.shape[2:] if value.ndim == 4 else value.shape[1:2]) > 1
    ]


def _bottlenecks(part: onnx.ModelProto, pixels: str) -> Iterator[str]:
    """Tensors of a part through which every path from the pixels goes, in order."""
    nodes = [node for node in part.graph.node if node.op_type not in SHAPES]
    last_use = {name: number for number, node in enumerate(nodes) for name in node.input}
    live, reach = {pixels}, last_use.get(pixels, -1)
    for number, node in enumerate(nodes):
        if live.isdisjoint(node.input):
            continue
        live.update(node.output)
        if reach <= number and len(node.output) == 1 and node.op_type != "Identity":
            yield node.output[0]
        reach = max(reach, *(last_use.get(name, -1) for name in node.output))


def _shown(model: onnx.ModelProto) -> dict[str, str]:
    """Tensors that the model returns under another name, by an Identity."""
    returned = {one.name for one in model.graph.output}
    return {
        node.input[0]: node.output[0]
        for node in model.graph.node
        if node.op_type == "Identity" and node.output[0] in returned
    }
