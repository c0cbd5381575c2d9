"""Small model folders, whole or changed by a stranger who knows how to compute a digest."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper

from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.head.operators import Head, Operator
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.spec import ModelSpec

CHANNELS, ROWS, COLS, DIMENSIONS = 5, 6, 4, 3
FILES = ("backbone.onnx", "head.json", "head.safetensors")


def convolution() -> onnx.ModelProto:
    """Pixels "data" [N, 3, 6, 4] to "feature" [N, 5, 6, 4]."""
    weight = np.random.default_rng(0).standard_normal((CHANNELS, 3, 3, 3)).astype(np.float32)
    node = helper.make_node("Conv", ["data", "stem"], ["feature"], pads=[1, 1, 1, 1])
    return model([node], [numpy_helper.from_array(weight, "stem")])


def model(
    nodes: list[onnx.NodeProto], weights: list[onnx.TensorProto], output: str = "feature"
) -> onnx.ModelProto:
    """A model of one input "data" [N, 3, 6, 4]."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, ROWS, COLS])],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


def endless(trips: int = 2**62) -> onnx.ModelProto:
    """Copies its input to "feature" without end."""
    body = helper.make_graph(
        [helper.make_node("Identity", ["c"], ["go"]), helper.make_node("Identity", ["x"], ["y"])],
        "body",
        [
            helper.make_tensor_value_info("i", TensorProto.INT64, []),
            helper.make_tensor_value_info("c", TensorProto.BOOL, []),
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, None),
        ],
    )
    weights = [
        numpy_helper.from_array(np.array(trips, np.int64), "trips"),
        numpy_helper.from_array(np.array(True), "true"),
    ]
    return model(
        [helper.make_node("Loop", ["trips", "true", "data"], ["feature"], body=body)], weights
    )


def greedy(numbers: int = 50_000) -> onnx.ModelProto:
    """Asks for numbers x numbers floats: 10 GB."""
    nodes = [
        helper.make_node("ConstantOfShape", ["sizes"], ["large"]),
        helper.make_node("ReduceSum", ["large"], ["sum"], keepdims=0),
        helper.make_node("Add", ["data", "sum"], ["feature"]),
    ]
    sizes = np.array([numbers, numbers], np.int64)
    return model(nodes, [numpy_helper.from_array(sizes, "sizes")])


def tiny(folder: Path) -> Path:
    """Write a folder of a convolution, an average and a linear layer."""
    random = torch.Generator().manual_seed(0)
    head = Head(
        (
            Operator("mean", "a", "pool", ("feature",), {"axes": (2, 3), "keepdim": False}),
            Operator("linear", "b", "fc", ("a", "w"), {}),
        ),
        {"w": torch.randn(DIMENSIONS, CHANNELS, generator=random)},
        "b",
    )
    spec = ModelSpec(
        name="tiny",
        digest="",
        preprocessing=Preprocessing(ROWS, COLS),
        feature_layer="feature",
        grid=(ROWS, COLS),
        dimensions=DIMENSIONS,
        head="mean -> linear",
        bias_share=0.0,
    )
    MetricModel(spec, OnnxBackbone(convolution().SerializeToString()), head).save(folder)
    return folder


def seal(folder: Path) -> Path:
    """Give a changed folder the digest that it should have."""
    file = folder / "model.json"
    plain: dict[str, Any] = json.loads(file.read_text())
    spec = {key: value for key, value in plain.items() if key != "format"} | {"digest": ""}
    total = hashlib.sha256(json.dumps(spec, sort_keys=True).encode())
    for name in FILES:
        data = (folder / name).read_bytes()
        total.update(f"\n{name} {len(data)}\n".encode() + data)
    file.write_text(json.dumps(plain | {"digest": f"sha256:{total.hexdigest()}"}))
    return folder


def change(folder: Path, name: str, changes: Mapping[str, object]) -> Path:
    """Replace keys of one of its JSON files, and seal it."""
    plain = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**plain, **changes}))
    return seal(folder)
