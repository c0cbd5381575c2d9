"""An ONNX file as a model: cut at a tensor, its head lowered."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnx.inliner
import torch
from numpy.typing import NDArray

from partlens.common.files import require_regular
from partlens.explainer.backbone import FloatArray, OnnxBackbone
from partlens.explainer.errors import ModelError, ModelFileError, ShapeError
from partlens.explainer.head.lowering.onnx.lower import constants, lower
from partlens.explainer.head.operators import Head
from partlens.explainer.importing.fidelity import require_same
from partlens.explainer.importing.onnx_input import PixelInput, original, pixel_input
from partlens.explainer.importing.onnx_parts import cut, run_part, run_pieces, run_pixels
from partlens.explainer.importing.onnx_weights import load_weights
from partlens.explainer.model import MetricModel
from partlens.explainer.onnx_graphs import require_self_contained
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.assembly import assemble, sample_pixels
from partlens.explainer.splitting.batches import (
    TOLERANCE,
    largest_gap,
    require_float32,
    require_independent,
    varied,
)

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
        file: its path, or what `read` gave of it.
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
    backbone = _backbone(declared, declared.adapted(part), pixels)
    feature = backbone(pixels)
    pieces = [
        {declared.name: declared.given(one), start: of_one}
        for one, of_one in zip(declared.pieces(pixels), declared.pieces(feature), strict=True)
    ]
    after = cut(model, start, embedding, None, kinds)
    values, images = run_part(after, pieces[0]), len(pieces[0][start])
    head = lower(list(after.graph.node), values | constants(model), images, start, embedding)
    if embedding == start:
        return OnnxParts(backbone, head, pixels, feature, feature)
    found = run_pieces(cut(model, start, embedding, [embedding], kinds), pieces)
    expected = np.concatenate([one[embedding] for one in found])
    return OnnxParts(backbone, head, pixels, feature, expected)


def _backbone(declared: PixelInput, part: onnx.ModelProto, pixels: FloatArray) -> OnnxBackbone:
    """The part up to the feature map, for as many images at once as it can take.

    A batch of one is mostly built into the layers after it only.
    """
    whole = OnnxBackbone(part.SerializeToString())
    if not declared.one_by_one:
        return whole
    shape = part.graph.input[0].type.tensor_type.shape
    for size in (1, *pixels.shape[1:]):
        shape.dim.add(dim_value=size)
    one_by_one = OnnxBackbone(part.SerializeToString())
    try:
        together, alone = whole.at_once(pixels), one_by_one(pixels)
    except ShapeError:
        return one_by_one
    same = together.shape == alone.shape and largest_gap(together, alone) <= TOLERANCE
    return whole if same else one_by_one


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
            found = run_pixels(few, declared, pixels)
        except ModelError as error:
            if declared.images in (None, 1, len(pixels)):
                raise
            raise ModelError(
                f"{error}. The file declares a batch of {declared.images}, which its layers may"
                " have built in: export it for batches of any size (a dynamic axis)"
            ) from error
        for name, value in found.items():
            require_float32(f"the tensor {name!r}", value.dtype)
        return list(found.values())

    def trace(pixels: FloatArray) -> list[tuple[str, FloatArray]]:
        values = run_pixels(whole, declared, pixels)
        return [(names[name], value) for name, value in values.items()]

    require_independent(outputs, trace, varied(preprocessing))


def _described(node: onnx.NodeProto) -> str:
    return f"{node.op_type} (at {node.name or node.output[0]})"


def read(path: Path) -> onnx.ModelProto:
    """An ONNX file, checked, with functions of its own written out and all weights inside.

    Raises:
        ModelFileError: missing, too large, damaged, or with weights in files that are missing,
            damaged, or outside its folder.
    """
    try:
        require_regular(path)
        if path.stat().st_size > _MAX_BYTES:
            raise ModelFileError(f"{path.name} is larger than {_MAX_BYTES} bytes")
        model = onnx.load(path, load_external_data=False)
        load_weights(model, path, _MAX_BYTES - path.stat().st_size)
        require_self_contained(model, path.name)
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
