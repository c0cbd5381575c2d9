"""Pixels reach an ONNX file as it declares them, and a model folder gives what the file gives."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from click.testing import CliRunner, Result
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from partlens.explainer.cli import model as command
from partlens.explainer.errors import CompletenessError, ModelError
from partlens.explainer.importing.fidelity import Imported, save_checked
from partlens.explainer.importing.onnx_file import from_onnx_file
from partlens.explainer.importing.onnx_input import pixel_input
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

HEIGHT, WIDTH = 24, 12
RAW = Preprocessing(HEIGHT, WIDTH, std=(1, 1, 1))
FLOATS = Preprocessing(HEIGHT, WIDTH, mean=(100, 110, 120), std=(50, 60, 70))
DECLARED = {
    "float, channels first": (TensorProto.FLOAT, False),
    "float, channels last": (TensorProto.FLOAT, True),
    "uint8, channels first": (TensorProto.UINT8, False),
    "uint8, channels last": (TensorProto.UINT8, True),
}


def file(path: Path, kind: int, last: bool, batch: int | str = "n") -> Path:
    """Pixels to a map of 6x3 cells, and its mean through a layer; uint8 is normalised inside."""
    random = np.random.default_rng(0)
    constants = {
        "mean": np.float32(110),
        "std": np.float32(60),
        "w": random.standard_normal((8, 3, 4, 4)).astype(np.float32),
        "fc": random.standard_normal((8, 5)).astype(np.float32),
        "classes": random.standard_normal((5, 7)).astype(np.float32),
    }
    nodes, before = [], "data"
    if kind == TensorProto.UINT8:
        nodes += [
            helper.make_node("Cast", ["data"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("Sub", ["floats", "mean"], ["centred"]),
            helper.make_node("Div", ["centred", "std"], ["scaled"]),
        ]
        before = "scaled"
    if last:
        nodes.append(helper.make_node("Transpose", [before], ["first"], perm=[0, 3, 1, 2]))
        before = "first"
    nodes += [
        helper.make_node("Conv", [before, "w"], ["convolved"], strides=[4, 4]),
        helper.make_node("Relu", ["convolved"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["flat"]),
        helper.make_node("MatMul", ["flat", "fc"], ["embedding"]),
        helper.make_node("MatMul", ["embedding", "classes"], ["logits"]),
    ]
    shape = [batch, HEIGHT, WIDTH, 3] if last else [batch, 3, HEIGHT, WIDTH]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("data", kind, shape)],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, size])
            for name, size in (("logits", 7), ("embedding", 5))
        ],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path
    )
    return path


def by_the_file(path: Path, pictures: list[NDArray[np.uint8]], last: bool) -> NDArray[np.float32]:
    """What its user would get: pictures of the input's own size, as the input's own type."""
    session = onnxruntime.InferenceSession(path)
    (declared,) = session.get_inputs()
    rows = []
    for picture in pictures:
        given = picture[None] if last else picture.transpose(2, 0, 1)[None]
        if declared.type == "tensor(float)":
            axis = (3,) if last else (3, 1, 1)
            mean, std = (np.reshape(v, axis) for v in (FLOATS.mean, FLOATS.std))
            given = ((given - mean) / std).astype(np.float32)
        copies = declared.shape[0] if isinstance(declared.shape[0], int) else 1
        (row,) = session.run(["embedding"], {"data": np.repeat(given, copies, 0)})
        rows.append(np.asarray(row, np.float32)[:1])
    return np.concatenate(rows)


def pictures(count: int = 3) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(1)
    return [random.integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8) for _ in range(count)]


def partlens(folder: Path, path: Path, *more: object) -> Result:
    given = ["import", folder, "--onnx", path, "--feature-tensor", "map", *more]
    return CliRunner().invoke(command, [str(argument) for argument in given])


@pytest.mark.parametrize("batch", ["n", 1, 2])
@pytest.mark.parametrize("declared", DECLARED)
def test_a_folder_gives_what_the_file_gives(
    declared: str, batch: int | str, tmp_path: Path
) -> None:
    """With no size named: the command takes the declared one."""
    kind, last = DECLARED[declared]
    path = file(tmp_path / "m.onnx", kind, last, batch)
    more = ["--embedding", "embedding"]
    if kind == TensorProto.FLOAT:
        more += ["--mean", "100,110,120", "--std", "50,60,70"]
    made = partlens(tmp_path / "m", path, *more)
    assert made.exit_code == 0, made.output
    assert "on generated images: cosine with the original network at least 1.0" in made.output
    model = MetricModel.load(tmp_path / "m")
    assert model.spec.grid == (6, 3)
    found = model.decompose(pictures())
    expected = by_the_file(path, pictures(), last)
    np.testing.assert_allclose(
        found.contributions.sum(1) + found.bias, expected, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--height", 32], "height 24 and width 12; got 32 and 12"),
        (["--width", 8], "height 24 and width 12; got 24 and 8"),
        (["--mean", 128], "normalises them itself"),
        (["--std", 255], "normalises them itself"),
    ],
)
def test_what_contradicts_the_file_is_refused(
    more: list[object], message: str, tmp_path: Path
) -> None:
    path = file(tmp_path / "m.onnx", TensorProto.UINT8, False)
    result = partlens(tmp_path / "m", path, "--embedding", "embedding", *more)
    assert result.exit_code == 1 and message in result.output
    assert not (tmp_path / "m").exists()


def test_the_embedding_is_asked_for_with_what_there_is(tmp_path: Path) -> None:
    path = file(tmp_path / "m.onnx", TensorProto.FLOAT, False)
    result = partlens(tmp_path / "m", path)
    assert result.exit_code == 2 and "are logits, embedding" in " ".join(result.output.split())


@pytest.mark.parametrize(
    ("kind", "shape", "message"),
    [
        (TensorProto.INT8, ["n", 3, 8, 8], "takes int8; allowed are float"),
        (TensorProto.FLOAT, ["n", 1, 8, 8], r"\[\?, 1, 8, 8\]; RGB"),
        (TensorProto.FLOAT, ["n", 192], r"\[\?, 192\]; RGB"),
    ],
)
def test_inputs_that_take_no_rgb_images_are_refused(
    kind: int, shape: list[int | str], message: str
) -> None:
    given = helper.make_tensor_value_info("data", kind, shape)
    graph = helper.make_graph([helper.make_node("Identity", ["data"], ["x"])], "g", [given], [])
    with pytest.raises(ModelError, match=message):
        pixel_input(helper.make_model(graph))


def test_open_sizes_are_the_callers_own(tmp_path: Path) -> None:
    path = file(tmp_path / "m.onnx", TensorProto.UINT8, True)
    model = onnx.load(path)
    for axis in (1, 2):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = f"size{axis}"
    found = pixel_input(model)
    assert (found.height, found.width, found.channels_last) == (None, None, True)
    assert found.preprocessing() == Preprocessing(224, 224, std=(1, 1, 1))
    onnx.save(model, path)
    other = Preprocessing(32, 16, std=(1, 1, 1))
    larger = from_onnx_file(
        path, feature_tensor="map", embedding="embedding", preprocessing=other, name="x"
    )
    assert larger.spec.grid == (8, 4)


def test_nothing_is_kept_of_a_folder_that_differs_from_the_original(tmp_path: Path) -> None:
    path = file(tmp_path / "m.onnx", TensorProto.UINT8, False)
    model = from_onnx_file(
        path, feature_tensor="map", embedding="embedding", preprocessing=RAW, name="x"
    )

    def fed_zero_to_one(pixels: NDArray[np.float32]) -> NDArray[np.float32]:
        images = [(one.transpose(1, 2, 0) / 255).astype(np.uint8) for one in pixels]
        return by_the_file(path, images, False)

    with pytest.raises(CompletenessError, match=r"cosine falls to -?0\.\d+; at least 0\.9999"):
        save_checked(Imported(model, fed_zero_to_one), tmp_path / "folder" / "m", pictures())
    assert list((tmp_path / "folder").iterdir()) == []


def test_real_images_are_used_where_given(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(pictures(1)[0]).save(tmp_path / "images" / "a.png")
    path = file(tmp_path / "m.onnx", TensorProto.UINT8, False)
    more = ["--embedding", "embedding", "--images", tmp_path / "images"]
    made = partlens(tmp_path / "m", path, *more)
    assert "on real images: cosine with the original network at least" in made.output
