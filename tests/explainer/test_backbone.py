"""The backbone gives every image its own feature map, however many are given together."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.errors import ShapeError
from partlens.explainer.starter import model_folder

SIDE = 256
TOGETHER = 2
"""Images of this side in one pass on a CPU."""


def counting(batch: int | str) -> OnnxBackbone:
    """Gives [sum of the pixels, images in the pass] for each image, shape [N, 2, 1, 1]."""
    nodes = [
        helper.make_node("ReduceSum", ["x", "axes"], ["sums"], keepdims=1),
        helper.make_node("Shape", ["x"], ["shape"], start=0, end=1),
        helper.make_node("Cast", ["shape"], ["count"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["sums", "zero"], ["zeros"]),
        helper.make_node("Add", ["zeros", "count"], ["counts"]),
        helper.make_node("Concat", ["sums", "counts"], ["y"], axis=1),
    ]
    pixels = helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, "h", "w"])
    feature = helper.make_tensor_value_info("y", TensorProto.FLOAT, [batch, 2, 1, 1])
    weights = [
        helper.make_tensor("axes", TensorProto.INT64, [3], [1, 2, 3]),
        helper.make_tensor("zero", TensorProto.FLOAT, [1], [0.0]),
    ]
    graph = helper.make_graph(nodes, "counting", [pixels], [feature], weights)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)
    onnx.checker.check_model(made)
    return OnnxBackbone(made.SerializeToString())


@pytest.mark.parametrize("images", [0, 1, 2, 3, 4, 7])
def test_images_keep_their_places_and_run_a_few_at_a_time(images: int) -> None:
    pixels = np.zeros((images, 3, SIDE, SIDE), np.float32)
    pixels[:, 0, 0, 0] = np.arange(images)
    sums, counts = counting("n")(pixels)[:, :, 0, 0].T
    assert sums.tolist() == list(range(images))
    full = images // TOGETHER * TOGETHER
    assert counts.tolist() == [TOGETHER] * full + [images - full] * (images - full)


def test_small_images_share_a_pass() -> None:
    pixels = np.zeros((32, 3, 64, 64), np.float32)
    assert counting("n")(pixels)[:, 1, 0, 0].tolist() == [32] * 32


def test_an_image_that_is_larger_than_a_pass_runs_on_its_own() -> None:
    pixels = np.zeros((3, 3, 512, 512), np.float32)
    assert counting("n")(pixels)[:, 1, 0, 0].tolist() == [1] * 3


def test_a_model_for_a_batch_of_one_gets_one_image_at_a_time() -> None:
    pixels = np.zeros((3, 3, 64, 64), np.float32)
    assert counting(1)(pixels)[:, 1, 0, 0].tolist() == [1] * 3


def test_all_images_can_be_run_at_once() -> None:
    pixels = np.zeros((5, 3, SIDE, SIDE), np.float32)
    assert counting("n").at_once(pixels)[:, 1, 0, 0].tolist() == [5] * 5


@contextmanager
def one_core() -> Iterator[None]:
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def test_passes_at_the_same_time_give_the_bits_of_passes_one_by_one() -> None:
    backbone = OnnxBackbone((model_folder() / "backbone.onnx").read_bytes())
    pixels = np.random.default_rng(0).standard_normal((70, 3, 128, 64)).astype(np.float32)
    with one_core():
        expected = backbone(pixels)
    for _ in range(3):
        np.testing.assert_array_equal(backbone(pixels), expected)


def test_what_fails_in_several_passes_at_once_is_reported_once() -> None:
    pixels = np.zeros((9, 4, SIDE, SIDE), np.float32)
    with pytest.raises(ShapeError, match=r"does not take pixels of shape \(9, 4, 256, 256\)"):
        counting("n")(pixels)
    assert counting("n")(pixels[:, :3]).shape == (9, 2, 1, 1)
