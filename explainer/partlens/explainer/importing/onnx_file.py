"""An ONNX file as a model: cut at a tensor, its head lowered."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.external_data_helper
import onnx.inliner
import torch
from numpy.typing import NDArray

from partlens.common.files import require_regular
from partlens.explainer.backbone import FloatArray, OnnxBackbone
from partlens.explainer.errors import ModelError, ModelFileError
from partlens.explainer.head.lowering.onnx.lower import SHAPES, constants, lower
from partlens.explainer.head.operators import Head
from partlens.explainer.importing.fidelity import require_same
from partlens.explainer.importing.onnx_input import PixelInput, original, pixel_input
from partlens.explainer.model import MetricModel
from partlens.explainer.onnx_runtime import session
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.assembly import assemble, sample_pixels
from partlens.explainer.splitting.batches import require_float32, require_independent, varied

_MAX_BYTES = 2**31 - 1  # what protobuf can hold


@dataclass(frozen=True)
class OnnxParts:
    """An ONNX model cut at a tensor.

    Attributes:
        backbone: pixels to the feature map.
        head: the feature map to the embedding.
        pixels: what it was run on, [N, 3, height, width].
        feature: the feature maps of these.
        embedding: their embeddings, computed by the file's own operators, [N, D].
    """

    backbone: OnnxBackbone
    head: Head
    pixels: FloatArray
    feature: FloatArray
    embedding: FloatArray


def from_onnx_file(
    file: Path | onnx.ModelProto,
    *,
    feature_tensor: str,
    embedding: str,
    preprocessing: Preprocessing,
    name: str,
    licence: str = "",
    images: Sequence[NDArray[np.uint8]] = (),
    extras: tuple[str, ...] = (),
    other_size: bool = False,
) -> MetricModel:
    """A model from an ONNX file.

    Args:
        file: its path, or what `read` gave of it; its weights must be inside.
        feature_tensor: name of the tensor that is the feature map.
        embedding: name of the tensor that is the embedding.
        preprocessing: how it wants its pixels; `onnx_input.PixelInput.preprocessing` is what the
            file says of them.
        name, licence, images, extras: as MetricModel.from_module.
        other_size: allow another size than the file declares.

    Raises:
        ModelFileError: no ONNX file that can be used.
        ModelError: a tensor is not there, the preprocessing contradicts the file, or the model
            depends on the batch, looks elsewhere or cannot be decomposed; see its subclasses.
    """
    model = read(file) if isinstance(file, Path) else file
    require_tensors(model, (feature_tensor, embedding))
    declared = pixel_input(model)
    declared.require(preprocessing, other_size)
    tensors = source_of(model, feature_tensor), embedding
    _require_independent(model, declared, tensors, preprocessing)
    found = split_file(model, tensors, sample_pixels(preprocessing, images))
    parts = assemble(
        found.backbone,
        found.head,
        found.pixels,
        torch.from_numpy(found.embedding),
        preprocessing,
        feature_tensor,
        name=name,
        licence=licence,
        extras=extras,
    )
    made = MetricModel.of(parts)
    require_same(made, original(model, declared, embedding, other_size), found.pixels)
    return made


def split_file(model: onnx.ModelProto, tensors: tuple[str, str], pixels: FloatArray) -> OnnxParts:
    """A model cut at its feature map, its head lowered.

    Args:
        tensors: names of the feature map, as source_of gives it, and of the embedding.
        pixels: to run it on, [N, 3, height, width].

    Raises:
        ModelError: the embedding depends on the pixels by another way, or cannot be decomposed.
    """
    declared, (start, embedding) = pixel_input(model), tensors
    kinds = {declared.name: declared.kind}
    part = cut(model, declared.name, start, [start], kinds)
    backbone = OnnxBackbone(declared.adapted(part).SerializeToString())
    feature = backbone(pixels)
    after = cut(model, start, embedding, None, kinds)
    values = run_part(after, {declared.name: declared.given(pixels), start: feature})
    nodes = list(after.graph.node)
    head = lower(nodes, values | constants(model), len(feature), start, embedding)
    expected = values[embedding] if embedding != start else feature
    return OnnxParts(backbone, head, pixels, feature, expected)


def _require_independent(
    model: onnx.ModelProto,
    declared: PixelInput,
    tensors: tuple[str, str],
    preprocessing: Preprocessing,
) -> None:
    embedding = tensors[1]
    kinds = {declared.name: declared.kind}
    whole = cut(model, declared.name, embedding, None, kinds)
    names = {node.output[0]: _described(node) for node in whole.graph.node}
    few = cut(model, declared.name, embedding, list(dict.fromkeys(tensors)), kinds)

    def outputs(pixels: FloatArray) -> list[FloatArray]:
        try:
            found = run_part(few, {declared.name: declared.given(pixels)})
        except ModelError as error:
            if declared.images in (None, len(pixels)):
                raise
            raise ModelError(
                f"{error}. The file declares a batch of {declared.images}, which its layers may"
                " have built in: export it for batches of any size (a dynamic axis)"
            ) from error
        for name, value in found.items():
            require_float32(f"the tensor {name!r}", value.dtype)
        return list(found.values())

    def trace(pixels: FloatArray) -> list[tuple[str, FloatArray]]:
        values = run_part(whole, {declared.name: declared.given(pixels)})
        return [(names[name], value) for name, value in values.items()]

    require_independent(outputs, trace, varied(preprocessing))


def _described(node: onnx.NodeProto) -> str:
    return f"{node.op_type} (at {node.name or node.output[0]})"


def read(path: Path) -> onnx.ModelProto:
    """An ONNX file, checked, with functions of its own written out.

    Raises:
        ModelFileError: missing, too large, damaged, or with weights in other files.
    """
    try:
        require_regular(path)
        if path.stat().st_size > _MAX_BYTES:
            raise ModelFileError(f"{path.name} is larger than {_MAX_BYTES} bytes")
        model = onnx.load(path, load_external_data=False)
        _require_weights_inside(model, path)
        onnx.checker.check_model(model)
        if model.functions:
            model = onnx.inliner.inline_local_functions(model)
    except (OSError, onnx.checker.ValidationError) as error:
        raise ModelFileError(f"{path.name} is no ONNX file that can be read: {error}") from error
    except ModelFileError:
        raise
    except Exception as error:  # protobuf's DecodeError, whose home depends on its backend
        raise ModelFileError(f"{path.name} is damaged or no ONNX file: {error}") from error
    return model


def _require_weights_inside(model: onnx.ModelProto, path: Path) -> None:
    for one in model.graph.initializer:
        if onnx.external_data_helper.uses_external_data(one):
            raise ModelFileError(
                f"{path.name} keeps the weight {one.name!r} in another file; save the model in one"
                " (torch.onnx.export(..., external_data=False), or onnx.save(onnx.load(old), new))"
            )


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


def require_tensors(model: onnx.ModelProto, names: Iterable[str]) -> None:
    """Raise ModelError where no node of a model gives a tensor of one of these names."""
    known = [name for node in model.graph.node for name in node.output]
    for name in names:
        if name not in known:
            raise ModelError(
                f"there is no tensor {name!r}; the last of the model are {', '.join(known[-20:])}"
            )


def source_of(model: onnx.ModelProto, name: str) -> str:
    """The tensor that this name is only another name of: exporters name outputs by an Identity."""
    copied = {
        node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "Identity"
    }
    while name in copied:
        name = copied[name]
    return name


def run_part(part: onnx.ModelProto, inputs: Mapping[str, NDArray[Any]]) -> dict[str, FloatArray]:
    """What the outputs of a part are. Types are the part's own, so its outputs carry none."""
    written = {name for node in part.graph.node for name in node.output}
    wanted = [one.name for one in part.graph.output if one.name in written]
    if not wanted:
        return {}
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
        given = {one.name: inputs[one.name] for one in running.get_inputs()}
        results = running.run(wanted, given)
        return {name: np.asarray(result) for name, result in zip(wanted, results, strict=True)}
    except Exception as error:  # ONNX Runtime's own classes
        raise ModelError(f"the ONNX file, cut, cannot be run: {error}") from error
