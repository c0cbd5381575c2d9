"""Files made for a batch of one: run one by one where their layers need it, and said so."""

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.request import AUTO, ImportRequest
from partlens.explainer.import_command.writing import suggested, write
from partlens.explainer.importing.onnx_file import from_onnx_file
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SIZE = Preprocessing(32, 16)


class Net(nn.Module):
    """A map, its mean by a view of a fixed number of images, and a layer."""

    def __init__(self, *, tokens: bool = False) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.conv, self.fc, self.tokens = nn.Conv2d(3, 8, 4, 4), nn.Linear(8, 5), tokens
        self.pool = nn.AdaptiveAvgPool2d(1)

    def forward(self, pixels: Tensor) -> Tensor:
        seen = self.conv(pixels)
        if self.tokens:  # a view in front of the feature map too
            seen = seen.view(pixels.shape[0], 8, 32).transpose(1, 2).relu()
            pooled = seen.mean(1)
        else:
            pooled = self.pool(seen.relu()).view(pixels.shape[0], -1)
        embedding: Tensor = self.fc(pooled)
        return embedding


def exported(net: nn.Module, path: Path) -> onnx.ModelProto:
    """As torch.onnx.export writes it if nothing but a picture and a path is given."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own, about its future
        torch.onnx.export(net.eval(), (torch.zeros(1, 3, 32, 16),), str(path), verbose=False)
    return onnx.load(path, load_external_data=False)


def by_the_file(path: Path, count: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pixels, and the embedding of each by ONNX Runtime on the file itself."""
    pixels = np.random.default_rng(2).standard_normal((count, 3, 32, 16)).astype(np.float32)
    session = onnxruntime.InferenceSession(path)
    (given,) = session.get_inputs()
    rows = [np.asarray(session.run(None, {given.name: one[None]})[0]) for one in pixels]
    return pixels, np.concatenate(rows).astype(np.float32)


@pytest.mark.parametrize("tokens", [False, True])
def test_what_torch_exports_by_default_is_imported(tokens: bool, tmp_path: Path) -> None:
    """Weights in another file and a batch of one; its backbone is run one by one only if it must
    be."""
    path = tmp_path / "net.onnx"
    whole = exported(Net(tokens=tokens), path)
    assert (tmp_path / "net.onnx.data").exists()
    assert whole.graph.input[0].type.tensor_type.shape.dim[0].dim_value == 1
    lines = write(ImportRequest("m", onnx_file=str(path), feature_tensor=AUTO), tmp_path / "m")
    model = MetricModel.load(tmp_path / "m")
    pixels, expected = by_the_file(path, 3)
    seen = model.decompose_pixels(pixels)
    np.testing.assert_allclose(seen.contributions.sum(1) + seen.bias, expected, atol=1e-5)
    assert model.spec.grid == (8, 4)
    assert isinstance(model.backbone, OnnxBackbone) and model.backbone.one_by_one == tokens
    said = [line for line in lines if line.startswith("batch: images run")]
    assert len(said) == tokens
    (output,) = whole.graph.output
    assert f"embedding: {output.name} (the only output of net.onnx)" in lines


def test_layers_of_such_a_file_are_listed(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    exported(Net(), path)
    request = ImportRequest("m", onnx_file=str(path), feature_tensor=AUTO)
    found = suggested(request, 600, 1)
    assert found.recommended is not None and found.recommended.grid == (8, 4)


def test_a_finer_map_of_such_a_file_is_made(tmp_path: Path) -> None:
    nodes = [
        helper.make_node("Conv", ["data", "w"], ["map"], strides=[4, 4], kernel_shape=[4, 4]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Reshape", ["pooled", "shape"], ["embedding"]),
    ]
    weight = np.random.default_rng(0).standard_normal((8, 3, 4, 4)).astype(np.float32)
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, [1, 3, 32, 16])],
        [helper.make_tensor_value_info("embedding", TensorProto.FLOAT, [1, 8])],
        [numpy_helper.from_array(weight, "w"), numpy_helper.from_array(np.array([1, 8]), "shape")],
    )
    path = tmp_path / "m.onnx"
    opset = helper.make_opsetid("", 20)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    request = ImportRequest("m", onnx_file=str(path), feature_tensor="map", stride=2)
    lines = write(request, tmp_path / "m")
    assert "grid: [15, 7]" in lines or "grid: [16, 8]" in lines


def test_a_larger_batch_that_is_built_in_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    exported(Net(), path)
    whole = onnx.load(path)
    whole.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 2
    onnx.save(whole, path)
    (output,) = whole.graph.output
    named: dict[str, Any] = {"feature_tensor": "relu", "embedding": output.name}
    with pytest.raises(ModelError, match=r"declares a batch of 2.*\(a dynamic axis\)") as raised:
        from_onnx_file(path, preprocessing=SIZE, name="x", **named)
    assert "onnxruntime_src" not in str(raised.value) and "\n" not in str(raised.value)
