"""A PyTorch module as a model: exported, cut at its feature layer, its head lowered."""

import hashlib
import importlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from partlens.common.files import require_regular
from partlens.explainer.backbone import FloatArray, OnnxBackbone, TorchBackbone
from partlens.explainer.errors import CompletenessError, ModelError
from partlens.explainer.head.lowering.torch.lower import lower
from partlens.explainer.head.rules import Rules
from partlens.explainer.importing.assembly import assemble, sample_pixels
from partlens.explainer.importing.batches import require_independent, varied
from partlens.explainer.importing.choice import last_local
from partlens.explainer.importing.fidelity import Original
from partlens.explainer.importing.graph import (
    ExportedGraph,
    SplitGraph,
    export_graph,
    module_path,
    operator_name,
)
from partlens.explainer.importing.outputs import embedding_of
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

Image = NDArray[np.uint8]


def from_module(
    module: nn.Module,
    *,
    feature_layer: str = "",
    embedding: str = "",
    preprocessing: Preprocessing,
    name: str,
    licence: str = "",
    images: Sequence[Image] = (),
    extras: tuple[str, ...] = (),
    rules: Rules = (),
) -> MetricModel:
    """A live model around a PyTorch module.

    Args:
        module: pixels [N, 3, height, width] to an embedding [N, D]; it is put into eval mode.
        feature_layer: dotted name of the submodule that gives the feature map; "" takes the last
            tensor through which every path goes and which changes where the picture does.
        embedding: of a module that returns several tensors, the key or place of the embedding, as
            "features" or "1", dotted where they are nested.
        preprocessing: how the module wants its pixels; its size is the model's input size.
        name, licence: for model.json.
        images: real images on which completeness is measured beside random pixels.
        extras: names of the first tokens of the feature map [N, T, C] that lie on no cell, as
            ("class", "register_1"); the others are positions.
        rules: (operator, rule) pairs that come before RULES; see docs/explainer.md.

    Raises:
        ModelError: the module cannot be exported, cut or decomposed, depends on the batch, or its
            positions look elsewhere; see its subclasses.
    """
    module = module.eval()
    size = (preprocessing.height, preprocessing.width)
    graph = _cut(export_graph(module, size, embedding), feature_layer, preprocessing, len(extras))
    own = [kind for kind, _ in rules]
    head = lower(graph.head_nodes(), graph.feature, graph.output, graph.module, module_path, own)
    backbone = TorchBackbone(graph.backbone(), size)
    layer = feature_layer or module_path(graph.feature) or graph.feature.name
    pixels = sample_pixels(preprocessing, images)
    with torch.no_grad():
        expected = embedding_of(module(torch.from_numpy(pixels)), embedding)
    model = assemble(
        backbone,
        head,
        pixels,
        expected,
        preprocessing,
        layer,
        name=name,
        licence=licence,
        extras=extras,
        rules=rules,
    )
    digest = hashlib.sha256(repr(model.spec).encode())
    for key, value in sorted(module.state_dict().items()):
        digest.update(key.encode() + value.detach().cpu().contiguous().numpy().tobytes())
    return replace(model, spec=replace(model.spec, digest=f"live:sha256:{digest.hexdigest()}"))


def original(module: nn.Module, embedding: str = "") -> Original:
    """The module itself, image by image.

    Args:
        module: in eval mode.
        embedding: as from_module.
    """

    @torch.no_grad()
    def embed(pixels: FloatArray) -> FloatArray:
        outputs = (module(torch.from_numpy(one[None])) for one in pixels)
        rows: FloatArray = torch.cat([embedding_of(one, embedding) for one in outputs]).numpy()
        return rows

    return embed


def _cut(graph: ExportedGraph, layer: str, preprocessing: Preprocessing, extras: int) -> SplitGraph:
    """The graph cut at its feature map, after a check that no image depends on others.

    That comes first: a map that depends on the batch changes wherever anything changes.
    """
    candidates = [graph.at(layer)] if layer else list(graph.spatial())
    if candidates:
        _require_independent(candidates[0], preprocessing)
    return candidates[0] if layer else last_local(candidates, preprocessing, extras)


def _require_independent(graph: SplitGraph, preprocessing: Preprocessing) -> None:
    def outputs(pixels: FloatArray) -> list[FloatArray]:
        found = graph.values(torch.from_numpy(pixels), [graph.feature, graph.output])
        return [value.numpy() for _, value in found]

    def trace(pixels: FloatArray) -> list[tuple[str, FloatArray]]:
        found = graph.values(torch.from_numpy(pixels), graph.data_nodes())
        return [(operator_name(node), value.numpy()) for node, value in found]

    require_independent(outputs, trace, varied(preprocessing))


def with_onnx_backbone(model: MetricModel, images: Sequence[Image] = ()) -> MetricModel:
    """The same model run by ONNX Runtime, after a check that it computes the same.

    Args:
        model: live, as from_module gives it.
        images: RGB uint8 [rows, cols, 3], to check on beside random pixels.

    Raises:
        CompletenessError: the ONNX backbone differs by more than 1e-4 of the feature map's length.
        ModelError: the backbone cannot be written as ONNX.
    """
    backbone = OnnxBackbone(model.backbone.to_onnx())
    pixels = sample_pixels(model.spec.preprocessing, images)
    ours, theirs = backbone(pixels), model.backbone(pixels)
    error = float(np.linalg.norm(ours - theirs)) / max(float(np.linalg.norm(theirs)), 1e-12)
    if not error <= 1e-4:
        raise CompletenessError(
            f"the ONNX backbone differs from the module by {error:.2g} of the feature map's"
            " length; at most 1e-4 is allowed"
        )
    return replace(model, backbone=backbone)


def load_module(factory: str, weights: Path) -> nn.Module:
    """The module that `package.module:factory` makes, with weights loaded strictly.

    Args:
        factory: a callable without arguments, in a module that can be imported here.
        weights: .safetensors, or a .pth/.pt/.ckpt that torch.load reads with weights_only=True;
            a state dict, or a mapping that holds one under the only key that is a mapping.

    Raises:
        ModelError: no such factory, or weights that are damaged or do not fit.
    """
    place, _, attribute = factory.partition(":")
    try:
        module = getattr(importlib.import_module(place), attribute)()
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        raise ModelError(f"--torch {factory!r} (package.module:factory): {error}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"{factory} returns {type(module).__name__}, not a torch.nn.Module")
    try:
        module.load_state_dict(_state_dict(weights), strict=True)
    except RuntimeError as error:
        raise ModelError(f"the weights in {weights.name} do not fit {factory}: {error}") from error
    return module


def _state_dict(weights: Path) -> dict[str, Tensor]:
    try:
        require_regular(weights)
        if weights.suffix == ".safetensors":
            return load_file(weights)
        state: Any = torch.load(weights, map_location="cpu", weights_only=True)
    except (OSError, SafetensorError, RuntimeError, ValueError, EOFError) as error:
        raise ModelError(f"{weights.name} cannot be read as weights: {error}") from error
    except Exception as error:  # the unpickler's own class, which torch does not export
        raise ModelError(
            f"{weights.name} holds more than weights (torch.load weights_only refuses it): {error}"
        ) from error
    if isinstance(state, dict) and not all(isinstance(v, Tensor) for v in state.values()):
        inner = [value for value in state.values() if isinstance(value, dict)]
        state = inner[0] if len(inner) == 1 else state
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise ModelError(f"{weights.name} holds no state dict; save module.state_dict()")
    return {str(key).removeprefix("module."): value for key, value in state.items()}
