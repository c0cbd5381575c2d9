"""A model that gives an image another embedding in a batch than alone is refused."""

from collections.abc import Callable
from pathlib import Path

import head_modules
import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from partlens.explainer.errors import CompletenessError, ModelError
from partlens.explainer.importing.onnx_file import from_onnx_file
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SIZE = Preprocessing(16, 8)


class Before(nn.Module):
    """Something done to the pixels, before a network that depends on no batch."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind, self.net = kind, head_modules.make("gap, fc, bn, relu, dropout")

    def forward(self, x: Tensor) -> Tensor:
        match self.kind:
            case "standardised":
                x = (x - x.mean()) / x.std()
            case "by the largest":
                x = x / x.abs().max()
            case "centred on the batch":
                x = x - x.mean(0, keepdim=True)
            case "standardised alone":
                axes = (1, 2, 3)
                x = (x - x.mean(axes, keepdim=True)) / x.std(axes, keepdim=True)
        embedding: Tensor = self.net(x)
        return embedding


class InHead(nn.Module):
    """A head that takes the batch's mean away."""

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3))
        return pooled - pooled.mean(0, keepdim=True)


def without_statistics(net: nn.Sequential) -> nn.Sequential:
    net[1] = nn.BatchNorm2d(8, track_running_stats=False)
    return net


@pytest.mark.parametrize(
    ("net", "operator"),
    [
        (Before("standardised"), r"aten\.mean\.(default|dim) \(at the top"),
        (Before("by the largest"), r"aten\.(max\.default|amax\.default) \(at the top"),
        (Before("centred on the batch"), r"aten\.mean\.dim \(at the top"),
        (head_modules.Net(InHead()), r"aten\.mean\.dim \(at head\)"),
    ],
)
@pytest.mark.parametrize("layer", ["named", ""])
def test_what_mixes_images_is_refused_by_name(net: nn.Module, operator: str, layer: str) -> None:
    name = layer and ("stem" if isinstance(net, head_modules.Net) else "net.stem")
    with pytest.raises(ModelError, match=rf"first operator that mixes images is {operator}"):
        MetricModel.from_module(net.eval(), feature_layer=name, preprocessing=SIZE, name="x")


def test_batch_norm_without_statistics_is_refused_with_its_place() -> None:
    net = head_modules.make("gap")
    without_statistics(net.stem)
    with pytest.raises(ModelError, match=r"mixes images is \S*norm\S* \(at stem\.1\)"):
        MetricModel.from_module(net.eval(), feature_layer="stem", preprocessing=SIZE, name="x")


def test_statistics_of_each_image_alone_are_no_dependence() -> None:
    net = Before("standardised alone").eval()
    model = MetricModel.from_module(net, feature_layer="net.stem", preprocessing=SIZE, name="x")
    pixels = np.random.default_rng(0).standard_normal((3, 3, 16, 8)).astype(np.float32)
    together = model.decompose_pixels(pixels)
    alone = model.decompose_pixels(pixels[1:2])
    np.testing.assert_allclose(together.contributions[1], alone.contributions[0], atol=1e-5)


class Ending(nn.Module):
    """A mean of the map, and something done to it."""

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, x: Tensor) -> Tensor:
        pooled = x.mean((2, 3))
        ends: dict[str, Callable[[], Tensor]] = {
            "not a number": lambda: pooled * torch.tensor(torch.nan),
            "infinite": lambda: pooled * torch.tensor(torch.inf),
            "constant": lambda: pooled * 0 + 1,
            "zero": lambda: pooled * 0,
            "whole numbers": lambda: (pooled * 100).int(),
            "half precision": pooled.half,
            "bfloat16": pooled.bfloat16,
            "a length in Python": lambda: pooled / len(x),
        }
        return ends[self.kind]()


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("not a number", r"NaN or infinity .* operator that does is aten\S+ \(at head\)"),
        ("infinite", "gives NaN or infinity"),
        ("constant", "embedding is the same whatever the picture shows"),
        ("zero", "embedding is the same whatever the picture shows"),
        ("whole numbers", "the embedding holds int32; float32 is needed"),
        ("half precision", "the embedding holds float16; float32 is needed"),
        ("bfloat16", "the embedding holds bfloat16; float32 is needed"),
        ("a length in Python", r"as len\(x\) or a condition on it does; use x.shape\[0\]"),
    ],
)
def test_an_embedding_that_finds_nothing_is_refused(kind: str, message: str) -> None:
    net = head_modules.Net(Ending(kind)).eval()
    with pytest.raises(ModelError, match=message):
        MetricModel.from_module(net, feature_layer="stem", preprocessing=SIZE, name="x")


class Undecided(nn.Module):
    """Chooses its sign anew each time it is called from Python."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = 0

    def forward(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x.mean((2, 3)) * (1 if self.calls < 3 else -1)


def test_a_module_that_changes_from_call_to_call_is_refused() -> None:
    net = head_modules.Net(Undecided()).eval()
    with pytest.raises(CompletenessError, match="differ from the model's embedding"):
        MetricModel.from_module(net, feature_layer="stem", preprocessing=SIZE, name="x")


def file(path: Path, axes: list[int] | None) -> Path:
    """Pixels less their mean over some axes (None: over all, images too), then a convolution."""
    weights = [numpy_helper.from_array(np.random.default_rng(0).random((5, 3, 3, 3), np.float32))]
    weights[0].name = "w"
    given = ["data"]
    if axes is not None:
        weights.append(numpy_helper.from_array(np.array(axes, np.int64), "axes"))
        given.append("axes")
    nodes = [
        helper.make_node("ReduceMean", given, ["mean"], name="/mean", keepdims=1),
        helper.make_node("Sub", ["data", "mean"], ["centred"]),
        helper.make_node("Conv", ["centred", "w"], ["map"], pads=[1, 1, 1, 1]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["embedding"]),
    ]
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 16, 8])
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", 5])
    graph = helper.make_graph(nodes, "g", [data], [output], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.save(made, path)
    return path


@pytest.mark.parametrize("axes", [None, [0], [1, 2, 3], [2, 3]])
def test_of_an_onnx_file_too(axes: list[int] | None, tmp_path: Path) -> None:
    path = file(tmp_path / "m.onnx", axes)

    def imported() -> object:
        return from_onnx_file(
            path, feature_tensor="map", embedding="embedding", preprocessing=SIZE, name="x"
        )

    if axes is None or 0 in axes:
        with pytest.raises(ModelError, match=r"mixes images is ReduceMean \(at /mean\)"):
            imported()
    else:
        imported()


def test_weights_of_nan_are_named_as_such() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    nn.init.constant_(module[0].weight, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(ModelError, match="NaN or infinity for an ordinary picture"):
        MetricModel.from_module(
            module.eval(), feature_layer="0", preprocessing=Preprocessing(32, 32), name="m"
        )


def test_a_standard_deviation_of_pixels_from_0_to_1_is_refused() -> None:
    module = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    units = Preprocessing(32, 32, mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    with pytest.raises(ModelError, match="multiply both by 255"):
        MetricModel.from_module(module.eval(), feature_layer="0", preprocessing=units, name="m")
