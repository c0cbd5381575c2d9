"""Every architecture's head, from pixels to parts, against the module itself and an oracle."""

from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import architectures
import numpy as np
import onnx
import pretrained
import pytest
import torch
from frozen import derivatives
from torch import Tensor, fx, nn
from torch.utils.flop_counter import FlopCounterMode

from partlens.explainer.head.linearise import linearise
from partlens.explainer.head.lowering.torch.lower import lower
from partlens.explainer.head.narrow import narrowed
from partlens.explainer.head.operators import Head
from partlens.explainer.head.run import run, run_all
from partlens.explainer.head.size import steps
from partlens.explainer.head.work import MOST_WORK, work
from partlens.explainer.importing.huggingface import Pooling, load_pretrained
from partlens.explainer.importing.onnx_file import from_onnx_file
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import PairExplanation
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.graph import export_graph, module_path

TRANSFORMERS: dict[str, tuple[str, Pooling]] = {
    f"{name}, {pooling}": (name, pooling)
    for name in ("vit", "dinov2", "dinov2_with_registers", "clip_vision")
    for pooling in ("cls", "mean")
}
CONVOLUTIONAL: dict[str, tuple[str, None]] = {
    "transformers resnet": ("resnet", None),
    "convnext": ("convnext", None),
}
HUGGING_FACE: dict[str, tuple[str, Pooling | None]] = {**TRANSFORMERS, **CONVOLUTIONAL}
NAMES = (*architectures.HEADS, *architectures.NETS, *HUGGING_FACE)


class Case(NamedTuple):
    """A module, where it is cut, and the model that it became."""

    module: nn.Module
    layer: str
    model: MetricModel


@pytest.fixture(scope="module")
def case(tmp_path_factory: pytest.TempPathFactory) -> Any:
    @cache
    def made(name: str) -> Case:
        extras: tuple[str, ...] = ()
        side = 64 if name == "convnext" else 32
        size = (16, 8) if name in architectures.HEADS else (side, side)
        if name in HUGGING_FACE:
            folder, (architecture, pooling) = tmp_path_factory.mktemp("hf"), HUGGING_FACE[name]
            pretrained.make(architecture).save_pretrained(folder)
            found = load_pretrained(str(folder), pooling)
            module, layer, extras = found.module, found.feature_layer, found.extras
        else:
            module, layer = architectures.make(name)
        model = MetricModel.from_module(
            module,
            feature_layer=layer,
            preprocessing=Preprocessing(*size),
            name=name,
            extras=extras,
        )
        return Case(module, layer, model)

    return made


def pixels_for(model: MetricModel, images: int = 3) -> np.ndarray:
    size = (images, 3, model.spec.preprocessing.height, model.spec.preprocessing.width)
    return np.random.default_rng(2).standard_normal(size).astype(np.float32)


def feature_of(model: MetricModel, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(model.backbone(pixels_for(model))).to(dtype)


@pytest.mark.parametrize("name", NAMES)
def test_parts_add_up_to_the_modules_own_embedding(name: str, case: Any) -> None:
    module, _, model = case(name)
    pixels = pixels_for(model)
    found = model.decompose_pixels(pixels)
    with torch.no_grad():
        expected = module(torch.from_numpy(pixels)).numpy()
    added = found.contributions.sum(1) + found.bias
    if name == "gem":  # this one normalises at its end
        added /= np.linalg.norm(added, axis=1, keepdims=True)
    assert np.linalg.norm(added - expected) < 1e-5 * np.linalg.norm(expected)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-12)])
@pytest.mark.parametrize("name", NAMES)
def test_rules_agree_with_the_derivatives_of_the_frozen_head(
    name: str, dtype: torch.dtype, tolerance: float, case: Any
) -> None:
    head = case(name).model.head
    feature = feature_of(case(name).model, dtype)
    contributions, bias = linearise(head, feature)
    embedding, expected = run(head, feature), derivatives(head, feature)
    assert contributions.dtype == bias.dtype == dtype
    assert (contributions.sum(1) + bias - embedding).norm() < tolerance * embedding.norm()
    # Derivatives of a large positive and a large negative part cancel: measured against the parts.
    assert (contributions - expected).norm() < 10 * tolerance * contributions.norm()


@pytest.mark.parametrize("name", NAMES)
def test_the_estimate_of_work_is_no_less_than_what_pytorch_counts(name: str, case: Any) -> None:
    model = case(name).model
    feature = feature_of(model, torch.float32)[:1]
    rows, cols = feature.shape[2:] if feature.ndim == 4 else (feature.shape[1], 1)
    once = sum(work(step) for step in steps(model.head, tuple(feature.shape[1:])))
    with FlopCounterMode(display=False) as counted:
        linearise(model.head, feature)
    # The value and the bias go through once each; an addition counts too.
    assert counted.get_total_flops() <= 2 * once * (rows * cols + 2)
    assert once * rows * cols < MOST_WORK / 1000


@pytest.mark.parametrize("name", ["vit, cls", "vit, mean", "clip_vision, cls"])
def test_computing_only_the_tokens_that_are_read_changes_nothing(name: str, case: Any) -> None:
    module, layer, model = case(name)
    feature = feature_of(model, torch.float64)
    whole = _not_narrowed(module, layer, model)
    only = narrowed(whole, feature)
    torch.testing.assert_close(linearise(only, feature), linearise(whole, feature))
    largest = [
        max(value.numel() for value in _values(head, feature) if value.ndim == 3)
        for head in (whole, only)
    ]
    assert (largest[1] < largest[0]) == name.endswith("cls")


def _not_narrowed(module: nn.Module, layer: str, model: MetricModel) -> Head:
    size = (model.spec.preprocessing.height, model.spec.preprocessing.width)
    graph = export_graph(module, size).at(layer)
    return lower(graph.head_nodes(), graph.feature, graph.output, graph.module, module_path)


def _values(head: Head, feature: Tensor) -> list[Tensor]:
    """What the head's layers give; shape changes are no work."""
    layers = {step.name for step in head.operators if step.kind == "linear"}
    return [value for name, value in run_all(head, feature).items() if name in layers]


@pytest.mark.filterwarnings("ignore::FutureWarning")  # the exporter's own
@pytest.mark.parametrize(
    "name", ["vit, cls", "dinov2_with_registers, mean", "clip_vision, cls", "attention pooling"]
)
def test_the_onnx_door_gives_the_same_parts(name: str, case: Any, tmp_path: Path) -> None:
    """There attention is a chain of products and softmax, or one operator."""
    module, layer, model = case(name)
    path = tmp_path / "whole.onnx"
    _export_with_feature(module, layer, model, path)
    again = from_onnx_file(
        path,
        feature_tensor="feature map",
        embedding="the embedding",
        preprocessing=model.spec.preprocessing,
        name=name,
        extras=model.spec.extras,
    )
    assert (again.spec.grid, again.spec.extras) == (model.spec.grid, model.spec.extras)
    ours, theirs = (one.decompose_pixels(pixels_for(model)) for one in (again, model))
    for one, other in ((ours.contributions, theirs.contributions), (ours.extras, theirs.extras)):
        assert np.linalg.norm(one - other) <= 1e-4 * np.linalg.norm(other)
    np.testing.assert_allclose(ours.bias, theirs.bias, rtol=1e-3, atol=1e-4)


def _export_with_feature(module: nn.Module, layer: str, model: MetricModel, path: Path) -> None:
    size = (model.spec.preprocessing.height, model.spec.preprocessing.width)
    graph = export_graph(module, size).at(layer)
    both, copies = fx.Graph(), dict[fx.Node, fx.Node]()
    for node in graph.module.graph.nodes:
        if node.op != "output":
            copies[node] = both.node_copy(node, lambda before: copies[before])
    both.output((copies[graph.feature], copies[graph.output]))
    both.eliminate_dead_code()
    program = torch.onnx.export(
        fx.GraphModule(graph.module, both).eval(),
        (torch.zeros(2, 3, *size),),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim.DYNAMIC},),
        output_names=["feature map", "the embedding"],
        verbose=False,
    )
    assert program is not None
    onnx.save(program.model_proto, path)


@pytest.mark.parametrize("name", ["dinov2_with_registers, mean", "vit, cls"])
def test_tokens_without_a_cell_are_named_and_counted(name: str, case: Any) -> None:
    model = case(name).model
    found = model.decompose_pixels(pixels_for(model, 2))
    pair = PairExplanation(found[0], found[1])
    assert model.spec.grid == (4, 4)
    assert set(pair.query_extras) == set(model.spec.extras)
    assert all(abs(share) > 1e-6 for share in pair.query_extras.values())
    constants = found[0].bias - sum(found[0].extras.values())
    rest = float(constants @ found[1].embedding) / pair.normaliser
    cells = float(pair.query_map().values.sum())
    assert cells + sum(pair.query_extras.values()) + rest == pytest.approx(
        pair.similarity, abs=1e-5
    )
    back = PairExplanation(found[1], found[0])
    assert back.retrieved_extras == pytest.approx(pair.query_extras)
