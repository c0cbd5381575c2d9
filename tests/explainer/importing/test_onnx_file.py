"""ONNX files become models that compute the same and whose parts add up."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from partlens.explainer.errors import ModelError, ModelFileError, UnsupportedOperatorError
from partlens.explainer.importing.onnx_file import from_onnx_file
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SIZE = Preprocessing(6, 4)
C = 5
random = np.random.default_rng(3)


def weight(*shape: int) -> NDArray[np.float32]:
    return random.standard_normal(shape).astype(np.float32)


Step = tuple[str, list[Any], dict[str, Any]]
NORM: Step = ("BatchNormalization", [weight(C), weight(C), weight(C), np.abs(weight(C)) + 0.1], {})
POOL: Step = ("GlobalAveragePool", [], {})
FLAT: Step = ("Flatten", [], {})


def ints(*values: int) -> NDArray[np.int64]:
    return np.array(values, np.int64)


CHAINS: dict[str, list[Step]] = {
    "gap": [POOL, FLAT],
    "gmp, gemm": [
        ("GlobalMaxPool", [], {}),
        FLAT,
        ("Gemm", [weight(3, C), weight(3)], {"transB": 1}),
    ],
    "gemm, scaled": [POOL, FLAT, ("Gemm", [weight(C, 3), weight(3)], {"alpha": 0.5, "beta": 2.0})],
    "reduce, batch norm, matmul": [
        ("ReduceMean", [ints(2, 3)], {"keepdims": 0}),
        NORM,
        ("MatMul", [weight(C, 4)], {}),
    ],
    "gem": [
        ("Clip", [np.float32(1e-6), np.array(9, np.float32)], {}),
        ("Pow", [np.float32(3)], {}),
        POOL,
        ("Pow", [np.float32(1 / 3)], {}),
        FLAT,
    ],
    "depthwise": [
        NORM,
        ("Conv", [weight(C, 1, 6, 4), weight(C)], {"group": C}),
        ("PRelu", [weight(C, 1, 1)], {}),
        ("Conv", [weight(3, C, 1, 1)], {}),
        ("Reshape", [ints(-1, 3)], {}),
    ],
    "padded convolution, pools": [
        ("Conv", [weight(4, C, 3, 3)], {"pads": [1, 1, 1, 1], "strides": [1, 1]}),
        ("LeakyRelu", [], {"alpha": 0.3}),
        ("MaxPool", [], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("AveragePool", [], {"kernel_shape": [3, 1], "strides": [1, 1]}),
        ("Squeeze", [ints(2)], {}),
        ("ReduceSum", [ints(2)], {"keepdims": 0}),
    ],
    "activations": [
        ("HardSwish", [], {}),
        ("Relu", [], {}),
        ("Add", [weight(1, C, 1, 1)], {}),
        ("Sub", [np.float32(0.1)], {}),
        ("Mul", [np.float32(2)], {}),
        ("Div", [np.float32(3)], {}),
        ("Neg", [], {}),
        ("ReduceMax", [ints(2, 3)], {"keepdims": 1}),
        ("Identity", [], {}),
        FLAT,
    ],
    "layer norm of tokens": [
        ("Reshape", [ints(0, C, 24)], {}),
        ("Transpose", [], {"perm": [0, 2, 1]}),
        ("LayerNormalization", [weight(C), weight(C)], {"axis": -1}),
        ("Gelu", [], {}),
        ("Gather", [np.array(3)], {"axis": 1}),
    ],
    "slice": [
        POOL,
        FLAT,
        ("Slice", [ints(1), ints(4), ints(1)], {}),
        ("Unsqueeze", [ints(2)], {}),
        FLAT,
    ],
    "normalised": [POOL, FLAT, ("LpNormalization", [], {"axis": 1, "p": 2})],
}


def file(path: Path, steps: list[Step]) -> Path:
    """A 3x3 convolution to the tensor "feature", then the steps to "embedding"."""
    weights = [numpy_helper.from_array(weight(C, 3, 3, 3), "stem")]
    nodes = [helper.make_node("Conv", ["data", "stem"], ["feature"], pads=[1, 1, 1, 1])]
    before = "feature"
    for i, (kind, constants, attributes) in enumerate(steps):
        names = [f"{kind}{i}.{j}" for j in range(len(constants))]
        weights += [
            numpy_helper.from_array(np.asarray(c), n) for c, n in zip(constants, names, strict=True)
        ]
        after = "embedding" if i == len(steps) - 1 else f"t{i}"
        nodes.append(
            helper.make_node(kind, [before, *names], [after], name=f"/{kind}_{i}", **attributes)
        )
        before = after
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, 6, 4])
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", "d"])
    graph = helper.make_graph(nodes, "g", [data], [output], weights)
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9), path
    )
    return path


def imported(path: Path, size: Preprocessing = SIZE) -> MetricModel:
    return from_onnx_file(
        path, feature_tensor="feature", embedding="embedding", preprocessing=size, name="x"
    )


@pytest.mark.parametrize("name", CHAINS)
def test_the_parts_add_up_to_the_files_own_embedding(name: str, tmp_path: Path) -> None:
    """The import itself compares with ONNX Runtime; here again with batches of 1 and 3."""
    path = file(tmp_path / "model.onnx", CHAINS[name])
    model = imported(path)
    session = onnxruntime.InferenceSession(path)
    for count in (1, 3):
        pixels = random.standard_normal((count, 3, 6, 4)).astype(np.float32)
        found = model.decompose_pixels(pixels)
        embedding = found.contributions.sum(1) + found.bias
        if name == "normalised":
            embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
        expected = np.asarray(session.run(["embedding"], {"data": pixels})[0])
        np.testing.assert_allclose(embedding, expected, rtol=1e-4, atol=1e-5)
    saved = model.save(tmp_path / "folder")
    assert MetricModel.load(tmp_path / "folder").spec == saved.spec


def test_the_declared_size_is_kept_unless_another_is_asked_for(tmp_path: Path) -> None:
    path = file(tmp_path / "model.onnx", CHAINS["gap"])
    with pytest.raises(ModelError, match=r"height 6 and width 4; got 12 and 8.*--other-size"):
        imported(path, Preprocessing(12, 8))
    larger = from_onnx_file(
        path,
        feature_tensor="feature",
        embedding="embedding",
        preprocessing=Preprocessing(12, 8),
        name="x",
        other_size=True,
    )
    assert larger.spec.grid == (12, 8)


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (("Softplus", [], {}), r"Softplus \(at /Softplus_2\).*no rule"),
        (("Mul", None, {}), "not a sum over positions"),
        (("HardSigmoid", [], {}), "alpha 1/6"),
        (("Gather", [np.array([0, 1])], {"axis": 1}), "only one index"),
    ],
)
def test_what_cannot_be_decomposed_is_refused_by_name(
    step: tuple[str, Any, dict[str, Any]], message: str, tmp_path: Path
) -> None:
    kind, constants, attributes = step
    path = file(tmp_path / "model.onnx", [POOL, FLAT, (kind, constants or [], attributes)])
    if constants is None:  # the value times itself
        model = onnx.load(path)
        model.graph.node[-1].input.append(model.graph.node[-1].input[0])
        onnx.save(model, path)
    with pytest.raises(UnsupportedOperatorError, match=message):
        imported(path)


def test_bad_files_and_names_are_refused(tmp_path: Path) -> None:
    path = file(tmp_path / "model.onnx", CHAINS["gap"])
    with pytest.raises(ModelError, match="no tensor 'fature'; the last of the model are feature"):
        from_onnx_file(
            path, feature_tensor="fature", embedding="embedding", preprocessing=SIZE, name="x"
        )
    data = path.read_bytes()
    for broken in (data[: len(data) // 2], b"", b"not onnx"):
        path.write_bytes(broken)
        with pytest.raises(ModelFileError):
            imported(path)
    with pytest.raises(ModelFileError):
        imported(tmp_path / "nowhere.onnx")


def test_a_function_of_the_files_own_is_read(tmp_path: Path) -> None:
    path = file(tmp_path / "model.onnx", CHAINS["gap"])
    expected, whole = imported(path), onnx.load(path)
    stem, opsets = whole.graph.node[0], [helper.make_opsetid("", 20)]
    body = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    whole.functions.append(helper.make_function("own", "Stem", ["x", "w"], ["y"], [body], opsets))
    stem.CopyFrom(helper.make_node("Stem", stem.input, stem.output, domain="own"))
    whole.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(whole, path)
    pixels = np.random.default_rng(0).random((2, 3, 6, 4), np.float32)
    ours, theirs = (model.decompose_pixels(pixels) for model in (imported(path), expected))
    np.testing.assert_allclose(ours.contributions, theirs.contributions, atol=1e-6)


@pytest.mark.parametrize(("name", "kind"), [("feature", 10), ("embedding", 10), ("embedding", 7)])
def test_tensors_of_other_numbers_than_float32_are_refused(
    name: str, kind: int, tmp_path: Path
) -> None:
    path = file(tmp_path / "model.onnx", CHAINS["gap"])
    whole = onnx.load(path)
    at = next(i for i, node in enumerate(whole.graph.node) if name in node.output)
    whole.graph.node[at].output[0] = "before"
    cast = helper.make_node("Cast", ["before"], [name], to=kind)
    whole.graph.node.insert(at + 1, cast)
    if name == "embedding":
        whole.graph.output[0].type.tensor_type.elem_type = kind
    else:
        back = helper.make_node("Cast", [name], ["after"], to=TensorProto.FLOAT)
        whole.graph.node[at + 2].input[0] = "after"
        whole.graph.node.insert(at + 2, back)
    onnx.save(whole, path)
    held = "float16" if kind == 10 else "int64"
    with pytest.raises(ModelError, match=f"the tensor '{name}' holds {held}; float32 is needed"):
        imported(path)


REAL = {
    "mobilenet_v2_inat_bird": (
        "feature_map",
        "gap",
        Preprocessing(448, 448, mean=(128, 128, 128), std=(128, 128, 128)),
        (14, 14),
    ),
    "osnet_x0_25_msmt17": (
        "/conv5/relu/Relu_output_0",
        "output",
        Preprocessing(256, 128, mean=(123.675, 116.28, 103.53), std=(58.395, 57.12, 57.375)),
        (16, 8),
    ),
}


@pytest.mark.parametrize("name", REAL)
def test_real_models_are_complete(name: str, real_data: Path) -> None:
    feature, embedding, size, grid = REAL[name]
    model = from_onnx_file(
        real_data / "models" / f"{name}.onnx",
        feature_tensor=feature,
        embedding=embedding,
        preprocessing=size,
        name=name,
        other_size=size.height == 448,
    )
    assert model.spec.grid == grid


def test_functions_that_call_others_are_read_and_endless_ones_refused(tmp_path: Path) -> None:
    """As the functions of PyTorch's exporter: each in a domain of its own, one inside another."""
    path = file(tmp_path / "model.onnx", CHAINS["gap"])
    expected, whole = imported(path), onnx.load(path)
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    conv = helper.make_node("Conv", ["x", "w"], ["y"], pads=[1, 1, 1, 1])
    inner = helper.make_node("Inner", ["x", "w"], ["y"], domain="own")
    for name, body in (("Inner", conv), ("Outer", inner)):
        made = helper.make_function("own", name, ["x", "w"], ["y"], [body], opsets)
        whole.functions.append(made)
    stem = whole.graph.node[0]
    stem.CopyFrom(helper.make_node("Outer", stem.input, stem.output, domain="own"))
    whole.opset_import.append(helper.make_opsetid("own", 1))
    onnx.save(whole, path)
    pixels = np.random.default_rng(0).random((2, 3, 6, 4), np.float32)
    ours, theirs = (model.decompose_pixels(pixels) for model in (imported(path), expected))
    np.testing.assert_allclose(ours.contributions, theirs.contributions, atol=1e-6)
    whole.functions[0].node[0].CopyFrom(inner)  # Inner now calls itself
    onnx.save(whole, path)
    with pytest.raises(ModelFileError, match="calls itself"):
        imported(path)
