"""Without its PReLU nodes, a model still gives what PReLU is defined to give."""

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from partlens.explainer.onnx_prelu import without_prelu

CHANNELS = 5
Array = NDArray[np.float32]


def model(slope: Array, *, after: str = "Conv", constant: bool = True) -> bytes:
    """An identity convolution (or another node) and PReLU; outputs the map and the result."""
    identity = np.eye(CHANNELS, dtype=np.float32)[:, :, None, None]
    first = ["x", "identity"] if after == "Conv" else ["x"]
    nodes = [
        helper.make_node(after, first, ["map"]),
        helper.make_node("PRelu", ["map", "slope"], ["y"]),
    ]
    shape: list[str | int | None] = ["n", CHANNELS, 4, 3]
    inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)]
    weights = [numpy_helper.from_array(identity, "identity")]
    if constant:
        weights.append(numpy_helper.from_array(slope, "slope"))
    else:
        inputs.append(helper.make_tensor_value_info("slope", TensorProto.FLOAT, slope.shape))
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name in "y"]
    graph = helper.make_graph(nodes, "g", inputs, outputs, weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    data: bytes = made.SerializeToString()
    return data


def kinds(data: bytes) -> list[str]:
    return [node.op_type for node in onnx.load_model_from_string(data).graph.node]


@pytest.mark.parametrize("shape", [(CHANNELS, 1, 1), (1, CHANNELS, 1, 1)])
@pytest.mark.parametrize("seed", range(5))
def test_the_result_is_that_of_prelu(shape: tuple[int, ...], seed: int) -> None:
    random = np.random.default_rng(seed)
    slope = random.normal(0.25, 1.0, shape).astype(np.float32)
    slope.flat[:2] = 0, 1
    x = random.normal(0, 10.0 ** random.integers(-3, 4), (2, CHANNELS, 4, 3)).astype(np.float32)
    data = without_prelu(model(slope))
    assert "PRelu" not in kinds(data)
    onnx.checker.check_model(onnx.load_model_from_string(data))
    (found,) = onnxruntime.InferenceSession(data).run(None, {"x": x})
    expected = np.where(x >= 0, x, slope.reshape(CHANNELS, 1, 1) * x)
    np.testing.assert_allclose(np.asarray(found), expected, rtol=2e-6, atol=2e-6 * np.abs(x).max())


@pytest.mark.parametrize(
    "data",
    [
        model(np.full((1,), 0.25, np.float32)),
        model(np.full((CHANNELS, 4, 3), 0.25, np.float32)),
        model(np.full((CHANNELS, 1, 1), 0.25, np.float32), constant=False),
        model(np.full((CHANNELS, 1, 1), 0.25, np.float32), after="Identity"),
    ],
    ids=["one slope", "a slope per pixel", "a slope that is given", "not after a convolution"],
)
def test_other_forms_stay(data: bytes) -> None:
    assert kinds(without_prelu(data)) == kinds(data)
