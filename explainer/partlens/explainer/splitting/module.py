"""A PyTorch module split at its feature layer."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from partlens.explainer.backbone import FloatArray, TorchBackbone
from partlens.explainer.head.lowering.torch.lower import lower
from partlens.explainer.head.rules import Rules
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.assembly import assemble, sample_pixels
from partlens.explainer.splitting.batches import require_float32, require_independent, varied
from partlens.explainer.splitting.choice import last_local
from partlens.explainer.splitting.graph import (
    ExportedGraph,
    SplitGraph,
    export_graph,
    module_path,
    operator_name,
)
from partlens.explainer.splitting.outputs import embeddings
from partlens.explainer.splitting.parts import ModelParts


def split_module(
    module: nn.Module,
    *,
    feature_layer: str,
    embedding: str,
    preprocessing: Preprocessing,
    name: str,
    licence: str,
    images: Sequence[NDArray[np.uint8]],
    extras: tuple[str, ...],
    rules: Rules,
) -> ModelParts:
    """A PyTorch module exported, cut at its feature layer, its head lowered.

    The backbone runs the module itself, and the digest covers its weights. For arguments and
    errors see MetricModel.from_module.
    """
    module = module.eval()
    size = (preprocessing.height, preprocessing.width)
    whole = export_graph(module, size, embedding, feature_layer)
    graph = _cut(whole, feature_layer, preprocessing, len(extras))
    own = [kind for kind, _ in rules]
    head = lower(graph.head_nodes(), graph.feature, graph.output, graph.module, module_path, own)
    backbone = TorchBackbone(graph.backbone(), size)
    layer = feature_layer or whole.name_of(graph.feature)
    pixels = sample_pixels(preprocessing, images)
    parts = assemble(
        backbone,
        head,
        pixels,
        embeddings(module, pixels, embedding),
        preprocessing,
        layer,
        name=name,
        licence=licence,
        extras=extras,
        rules=rules,
    )
    digest = hashlib.sha256(repr(parts.spec).encode())
    for key, value in sorted(module.state_dict().items()):
        stored = value.detach().cpu().contiguous().flatten().view(torch.uint8)
        digest.update(key.encode() + stored.numpy().tobytes())
    return replace(parts, spec=replace(parts.spec, digest=f"live:sha256:{digest.hexdigest()}"))


def _cut(graph: ExportedGraph, layer: str, preprocessing: Preprocessing, extras: int) -> SplitGraph:
    """The graph cut at its feature map, after a check that no image depends on others.

    That comes first: a map that depends on the batch changes wherever anything changes.
    """
    candidates = [graph.at(layer)] if layer else list(graph.spatial())
    if candidates:
        _require_independent(candidates[0], preprocessing)
    return candidates[0] if layer else last_local(candidates, preprocessing, extras)


def _require_independent(graph: SplitGraph, preprocessing: Preprocessing) -> None:
    for what, node in (("the feature map", graph.feature), ("the embedding", graph.output)):
        require_float32(what, node.meta["val"].dtype)

    def outputs(pixels: FloatArray) -> list[FloatArray]:
        found = graph.values(torch.from_numpy(pixels), [graph.feature, graph.output])
        return [value.numpy() for _, value in found]

    def trace(pixels: FloatArray) -> list[tuple[str, FloatArray]]:
        found = graph.values(torch.from_numpy(pixels), graph.data_nodes())
        # NumPy has no bfloat16.
        numbers = ((n, x.float() if x.is_floating_point() else x) for n, x in found)
        return [(operator_name(node), value.numpy()) for node, value in numbers]

    require_independent(outputs, trace, varied(preprocessing))
