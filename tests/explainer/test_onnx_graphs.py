"""No part of an ONNX model may name a file, and none may grow out of proportion."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import onnx.external_data_helper
import pytest
from model_folders import convolution, model
from onnx import TensorProto, helper, numpy_helper

from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.errors import ModelFileError
from partlens.explainer.onnx_graphs import parsed, require_self_contained, tensors

BAIT = "bait.bin"


def outside(name: str = "w", shape: tuple[int, ...] = (1,)) -> onnx.TensorProto:
    tensor = TensorProto(name=name, data_type=TensorProto.FLOAT, dims=shape)
    onnx.external_data_helper.set_external_data(_filled(tensor), BAIT)
    tensor.ClearField("raw_data")
    return tensor


def _filled(tensor: onnx.TensorProto) -> onnx.TensorProto:
    tensor.raw_data = b"1234"
    return tensor


def constant(output: str = "c") -> onnx.NodeProto:
    return helper.make_node("Constant", [], [output], value=outside())


def added(*nodes: onnx.NodeProto) -> onnx.ModelProto:
    """The nodes write "c", which is added to the pixels."""
    return model([*nodes, helper.make_node("Add", ["data", "c"], ["feature"])], [])


def of_initializer() -> onnx.ModelProto:
    return model([helper.make_node("Add", ["data", "w"], ["feature"])], [outside()])


def of_constant() -> onnx.ModelProto:
    return added(constant())


def of_subgraph() -> onnx.ModelProto:
    out = helper.make_tensor_value_info("c", TensorProto.FLOAT, None)
    inner = helper.make_graph([constant("c")], "inner", [], [out])
    outer_out = helper.make_tensor_value_info("d", TensorProto.FLOAT, None)
    outer = helper.make_graph(
        [helper.make_node("If", ["yes"], ["d"], then_branch=inner, else_branch=inner)],
        "outer",
        [],
        [outer_out],
    )
    whole = added(helper.make_node("If", ["yes"], ["c"], then_branch=outer, else_branch=outer))
    whole.graph.initializer.append(numpy_helper.from_array(np.array(True), "yes"))
    return whole


def of_subgraph_initializer() -> onnx.ModelProto:
    whole = of_subgraph()
    for attribute in whole.graph.node[0].attribute:
        del attribute.g.node[:]
        attribute.g.initializer.append(outside("d"))
    return whole


def of_function() -> onnx.ModelProto:
    whole = added(helper.make_node("Own", [], ["c"], domain="own"))
    opsets = [helper.make_opsetid("", 20)]
    whole.functions.append(helper.make_function("own", "Own", [], ["c"], [constant()], opsets))
    whole.opset_import.append(helper.make_opsetid("own", 1))
    return whole


def of_function_default() -> onnx.ModelProto:
    whole = of_function()
    body = whole.functions[0]
    body.attribute_proto.append(helper.make_attribute("value", outside()))
    body.node[0].attribute[0].CopyFrom(
        onnx.AttributeProto(name="value", ref_attr_name="value", type=onnx.AttributeProto.TENSOR)
    )
    return whole


def of_sparse(part: str) -> onnx.ModelProto:
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    if part == "values":
        values = outside()
    else:
        indices = outside("i")
    sparse = helper.make_sparse_tensor(values, indices, [1])
    whole = model([helper.make_node("Add", ["data", "w"], ["feature"])], [])
    whole.graph.sparse_initializer.append(sparse)
    return whole


def of_sparse_constant() -> onnx.ModelProto:
    indices = numpy_helper.from_array(np.zeros(1, np.int64), "i")
    sparse = helper.make_sparse_tensor(outside(), indices, [1])
    return added(helper.make_node("Constant", [], ["c"], sparse_value=sparse))


def of_list() -> onnx.ModelProto:
    return added(constant(), helper.make_node("Anything", [], ["e"], tensors=[outside()]))


def of_training() -> onnx.ModelProto:
    whole = convolution()
    whole.training_info.add().initialization.initializer.append(outside())
    return whole


PLACES: dict[str, Callable[[], onnx.ModelProto]] = {
    "initializer": of_initializer,
    "constant": of_constant,
    "subgraph of a subgraph": of_subgraph,
    "initializer of a subgraph": of_subgraph_initializer,
    "function": of_function,
    "default of a function's attribute": of_function_default,
    "values of a sparse initializer": lambda: of_sparse("values"),
    "indices of a sparse initializer": lambda: of_sparse("indices"),
    "sparse constant": of_sparse_constant,
    "list of tensors": of_list,
    "training": of_training,
}


@pytest.mark.parametrize("place", PLACES)
def test_a_tensor_in_another_file_is_found_wherever_it_stands(
    place: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file is there, as it could be by chance."""
    (tmp_path / BAIT).write_bytes(np.full(64, 7, np.float32).tobytes())
    monkeypatch.chdir(tmp_path)
    data = PLACES[place]().SerializeToString()
    with pytest.raises(ModelFileError, match="in another file; save the model in one"):
        OnnxBackbone(data)


def test_a_format_that_nobody_has_looked_at_is_not_read() -> None:
    """ONNX Runtime would take "ORTM" in the fifth byte for a format of its own."""
    data = b"\x12\x06??ORTM" + convolution().SerializeToString()
    assert data[4:8] == b"ORTM" and parsed(data).HasField("producer_name")
    pixels = np.ones((1, 3, 6, 4), np.float32)
    plain = OnnxBackbone(convolution().SerializeToString())
    np.testing.assert_array_equal(OnnxBackbone(data)(pixels), plain(pixels))


def calling(*bodies: list[str]) -> onnx.ModelProto:
    """Functions f0, f1, ... that call others by name; the model calls f0."""
    whole, opsets = added(helper.make_node("f0", [], ["c"], domain="own")), []
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("own", 1)]
    for number, called in enumerate(bodies):
        nodes = [helper.make_node(one, [], [f"c{i}"], domain="own") for i, one in enumerate(called)]
        body = helper.make_function("own", f"f{number}", [], ["c0"], nodes, opsets)
        whole.functions.append(body)
    return whole


@pytest.mark.parametrize("bodies", [[["f0"]], [["f1"], ["f2", "f2"], ["f0"]], [["g"], ["f1"]]])
def test_functions_that_call_themselves_are_refused(bodies: list[list[str]]) -> None:
    with pytest.raises(ModelFileError, match="calls itself"):
        require_self_contained(calling(*bodies), "it")


def test_functions_that_double_at_every_step_are_refused() -> None:
    doubling = [[f"f{i + 1}"] * 2 for i in range(60)]
    with pytest.raises(ModelFileError, match="more than 1,000,000 nodes"):
        require_self_contained(calling(*doubling, ["g"]), "it")
    require_self_contained(calling(*doubling[:10], *[["g"]]), "it")


@pytest.mark.parametrize("dims", [[2**20, 2**20], [-1], [2**62, 2**62, 2**62]])
def test_a_sparse_tensor_of_huge_size_is_refused(dims: list[int]) -> None:
    whole = of_sparse("values")
    whole.graph.sparse_initializer[0].values.CopyFrom(
        numpy_helper.from_array(np.ones(1, np.float32), "w")
    )
    whole.graph.sparse_initializer[0].dims[:] = dims
    with pytest.raises(ModelFileError, match="sparse tensor"):
        require_self_contained(whole, "it")


def test_every_tensor_is_visited_once() -> None:
    assert [found.tensor.name for found in tensors(convolution())] == ["stem"]
