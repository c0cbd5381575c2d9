"""What an import prints and refuses, whichever source it comes from."""

from dataclasses import replace
from pathlib import Path

import onnx
import pytest
from model_folders import convolution
from onnx import helper

from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.import_command.writing import write


def request(path: Path, *, feature: str, one_position: bool = False) -> ImportRequest:
    """An import of a convolution, an average and a flattening, cut at a tensor."""
    made = convolution()
    made.graph.node.append(helper.make_node("GlobalAveragePool", ["feature"], ["pooled"]))
    made.graph.node.append(helper.make_node("Flatten", ["pooled"], ["embedding"]))
    shown = helper.make_tensor_value_info("embedding", onnx.TensorProto.FLOAT, ["n", "d"])
    made.graph.output[0].CopyFrom(shown)
    onnx.save(made, path)
    return ImportRequest(
        "m",
        onnx_file=str(path),
        feature_tensor=feature,
        embedding="embedding",
        one_position=one_position,
        pixels={"mean": (128.0, 128.0, 128.0)},
    )


def test_where_each_value_comes_from_is_printed(tmp_path: Path) -> None:
    lines = write(request(tmp_path / "m.onnx", feature="feature"), tmp_path / "out")
    (line,) = (line for line in lines if line.startswith("preprocessing from: "))
    assert "height 6 (fixed by the ONNX file), width 4 (fixed by the ONNX file)" in line
    assert "mean [128.0, 128.0, 128.0] (--mean), std [255.0, 255.0, 255.0] (default)" in line


def test_a_map_of_one_position_is_refused_unless_it_is_meant(tmp_path: Path) -> None:
    path = tmp_path / "m.onnx"
    with pytest.raises(ModelError, match=r"'pooled' gives a map of one position .*--one-position"):
        write(request(path, feature="pooled"), tmp_path / "out")
    assert not (tmp_path / "out").exists()
    assert "grid: [1, 1]" in write(
        request(path, feature="pooled", one_position=True), tmp_path / "out"
    )


def test_an_import_warns_of_a_model_that_is_mostly_bias(tmp_path: Path) -> None:
    """The mean of a map plus a constant that is longer than it."""
    path = tmp_path / "m.onnx"
    asked = request(path, feature="feature")
    assert not any("warning: the bias" in line for line in write(asked, tmp_path / "plain"))
    made = onnx.load(path)
    made.graph.initializer.append(helper.make_tensor("c", onnx.TensorProto.FLOAT, [1], [1000.0]))
    made.graph.node.append(helper.make_node("Add", ["embedding", "c"], ["shifted"]))
    made.graph.output[0].name = "shifted"
    onnx.save(made, path)
    lines = write(replace(asked, embedding="shifted"), tmp_path / "shifted")
    (warning,) = (line for line in lines if line.startswith("warning: the bias"))
    assert "the bias of this model is 1.0" in warning and "partlens model suggest" in warning


def test_what_nobody_stated_is_warned_of(tmp_path: Path) -> None:
    """Input size, mean and std; what is given or stated is not mentioned."""
    path = tmp_path / "m.onnx"
    asked = request(path, feature="feature")
    first, *_ = (line for line in write(asked, tmp_path / "a") if line.startswith("warning: "))
    assert first.startswith("warning: --mean or --std was not given and the model states none;")
    assert "std [255.0, 255.0, 255.0] are assumed" in first
    given = replace(asked, pixels={"mean": (1.0,) * 3, "std": (2.0,) * 3})
    lines = write(given, tmp_path / "b")
    assert not any("assumed" in line for line in lines)
    assert "feature layer 'feature' (--feature-tensor)" in lines
    assert "embedding: embedding (--embedding)" in lines
    made = onnx.load(path)
    for axis in (2, 3):
        made.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"side{axis}"
    onnx.save(made, path)
    lines = write(replace(given, pixels={**given.pixels, "width": 30}), tmp_path / "c")
    assert any("224x30 is assumed (--height, --width)" in line for line in lines)
