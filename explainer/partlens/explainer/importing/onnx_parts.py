"""Parts of an ONNX model: cut out between two tensors, and run."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from partlens.explainer.backbone import FloatArray
from partlens.explainer.errors import ModelError
from partlens.explainer.head.lowering.onnx.lower import SHAPES
from partlens.explainer.importing.onnx_input import PixelInput
from partlens.explainer.onnx_runtime import said, session

Values = dict[str, FloatArray]
"""Name of a tensor -> what it holds."""


def cut(
    model: onnx.ModelProto,
    start: str,
    end: str,
    outputs: Sequence[str] | None,
    kinds: Mapping[str, int],
) -> onnx.ModelProto:
    """The part of a model between two tensors, with open axes instead of declared sizes.

    Exporters read the number of images off the model's own input; where only its shape is wanted,
    that input becomes a second one of the part.

    Args:
        start: the tensor that becomes the input.
        end: the tensor up to which nodes are kept.
        outputs: what the part gives; None for every tensor that its nodes write.
        kinds: element types of inputs that are not float32.

    Raises:
        ModelError: `end` depends on the model's input by a way round `start`.
    """
    writer = {name: node for node in model.graph.node for name in node.output}
    weights = {one.name for one in model.graph.initializer}
    needed, waiting, measured = set[str](), [end], set[str]()
    while waiting:
        name = waiting.pop()
        if not name or name == start or name in needed:
            continue
        needed.add(name)
        if name in writer and _measures_input(writer[name], writer, weights):
            measured.update(writer[name].input)
        elif name in writer:
            waiting.extend(writer[name].input)
        elif name not in weights:
            raise ModelError(
                f"{end!r} depends on the input {name!r} by a way round {start!r}; choose a tensor"
                " through which everything goes"
            )
    nodes = [
        node
        for node in model.graph.node
        if start not in node.output and any(name in needed for name in node.output)
    ]
    used = {name for node in nodes for name in node.input}
    if outputs is None:
        outputs = [node.output[0] for node in nodes] or [start]
    part = onnx.helper.make_graph(
        nodes,
        "part",
        [_open(name, kinds) for name in (start, *sorted(measured - {start}))],
        [_open(name, {}) for name in outputs],
        [one for one in model.graph.initializer if one.name in used],
    )
    return onnx.helper.make_model(
        part, opset_imports=model.opset_import, ir_version=model.ir_version
    )


def _measures_input(
    node: onnx.NodeProto, writer: Mapping[str, onnx.NodeProto], weights: Collection[str]
) -> bool:
    """Whether a node gives no more than the shape of the model's input."""
    read = node.input[0] if node.input else ""
    return node.op_type in SHAPES and read not in writer and read not in weights


def _open(name: str, kinds: Mapping[str, int]) -> onnx.ValueInfoProto:
    kind = kinds.get(name, onnx.TensorProto.FLOAT)
    return onnx.helper.make_tensor_value_info(name, kind, None)


def run_part(part: onnx.ModelProto, inputs: Mapping[str, NDArray[Any]]) -> Values:
    """What the outputs of a part are. Types are the part's own, so its outputs carry none.

    Raises:
        ModelError: it cannot be run.
    """
    return run_pieces(part, [inputs])[0]


def run_pixels(part: onnx.ModelProto, declared: PixelInput, pixels: FloatArray) -> Values:
    """What the outputs of a part that begins at the pixels are, image by image where it must.

    Args:
        pixels: [N, 3, height, width].

    Raises:
        ModelError: it cannot be run.
    """
    pieces = [{declared.name: declared.given(piece)} for piece in declared.pieces(pixels)]
    found = run_pieces(part, pieces)
    if len(found) == 1:
        return found[0]
    return {name: np.concatenate([np.atleast_1d(one[name]) for one in found]) for name in found[0]}


def run_pieces(part: onnx.ModelProto, pieces: Sequence[Mapping[str, NDArray[Any]]]) -> list[Values]:
    """What the outputs of a part are for each of several inputs.

    Raises:
        ModelError: it cannot be run.
    """
    written = {name for node in part.graph.node for name in node.output}
    wanted = [one.name for one in part.graph.output if one.name in written]
    if not wanted:
        return [{} for _ in pieces]
    del part.graph.output[:]
    part.graph.output.extend(onnx.ValueInfoProto(name=name) for name in wanted)
    try:
        inferred = onnx.shape_inference.infer_shapes(part)
        types = {one.name: one.type for one in inferred.graph.value_info}
        types |= {one.name: one.type for one in inferred.graph.output}
        for one in part.graph.output:
            elem = types[one.name].tensor_type.elem_type if one.name in types else 0
            kind = elem or onnx.TensorProto.FLOAT
            one.CopyFrom(onnx.helper.make_tensor_value_info(one.name, kind, None))
        running = session(part.SerializeToString())
        names = [one.name for one in running.get_inputs()]
        return [
            {
                name: np.asarray(value)
                for name, value in zip(
                    wanted, running.run(wanted, {name: inputs[name] for name in names}), strict=True
                )
            }
            for inputs in pieces
        ]
    except Exception as error:  # ONNX Runtime's own classes
        shapes = ", ".join(f"{name!r} {list(one.shape)}" for name, one in pieces[0].items())
        raise ModelError(f"the ONNX file, cut, cannot be run on {shapes}: {said(error)}") from error
