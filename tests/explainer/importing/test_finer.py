"""A finer map holds the original one at every nth position, from either door."""

from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.network import Described, TorchNetwork
from partlens.explainer.importing.onnx_finer import finer_file
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.splitting.finer_graph import finer_module
from partlens.explainer.splitting.graph import export_graph
from partlens.explainer.splitting.strides import Window

Node = tuple[str, list[str], dict[str, Any]]
"""Operator, inputs and attributes; the output is the node's number."""
CHANNELS = 3


def file(nodes: list[Node], size: tuple[int, int], feature: str) -> onnx.ModelProto:
    """Nodes from "pixels" to "0", "1", ..., then the mean of the feature map as "embedding"."""
    random = np.random.default_rng(0)
    weights, made = [], []
    for number, (kind, inputs, attributes) in enumerate(nodes):
        given = dict(attributes)
        if kind == "Conv":
            kernel = given.pop("kernel")
            shape = (CHANNELS, 1 if given.get("group") else CHANNELS, *kernel)
            value = random.standard_normal(shape).astype(np.float32)
            weights.append(numpy_helper.from_array(value, f"w{number}"))
            inputs = [*inputs, f"w{number}"]
        if kind == "Pad":
            pads = np.array(given.pop("pads"), np.int64)
            weights.append(numpy_helper.from_array(pads, f"p{number}"))
            inputs = [*inputs, f"p{number}"]
        made.append(helper.make_node(kind, inputs, [str(number)], **given))
    made.append(helper.make_node("GlobalAveragePool", [feature], ["pooled"]))
    made.append(helper.make_node("Flatten", ["pooled"], ["embedding"]))
    pixels = helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["n", 3, *size])
    output = helper.make_tensor_value_info("embedding", TensorProto.FLOAT, ["n", CHANNELS])
    graph = helper.make_graph(made, "g", [pixels], [output], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def values(model: onnx.ModelProto, tensor: str, pixels: NDArray[np.float32]) -> Any:
    """A tensor by ONNX Runtime."""
    whole = onnx.ModelProto()
    whole.CopyFrom(model)
    whole.graph.output.append(helper.make_tensor_value_info(tensor, TensorProto.FLOAT, None))
    session = onnxruntime.InferenceSession(whole.SerializeToString())
    return np.asarray(session.run([tensor], {"pixels": pixels})[0])


def gap(coarse: Any, fine: Any, factors: tuple[int, int]) -> float:
    """Smallest difference of the original map and every nth position, over starts."""
    found = [np.inf]
    for row, col in product(*map(range, factors)):
        some = fine[:, :, row :: factors[0], col :: factors[1]]
        some = some[:, :, : coarse.shape[2], : coarse.shape[3]]
        if some.shape == coarse.shape:
            found.append(float(np.abs(some - coarse).max() / np.abs(coarse).max()))
    return min(found)


def convolution(x: str, kernel: int, stride: int, pads: list[int], **more: Any) -> Node:
    return "Conv", [x], {"kernel": [kernel] * 2, "strides": [stride] * 2, "pads": pads, **more}


SAME = [1, 1, 1, 1]
FILES: dict[str, list[Node]] = {
    "even padding": [
        convolution("pixels", 3, 2, SAME),
        ("Relu", ["0"], {}),
        convolution("1", 3, 2, SAME),
        convolution("2", 3, 1, SAME),
        ("Relu", ["3"], {}),
        convolution("4", 5, 1, [2, 2, 2, 2], group=CHANNELS),
    ],
    "padding of TensorFlow": [
        convolution("pixels", 3, 2, [0, 0, 1, 1]),
        convolution("0", 3, 2, [0, 0, 1, 1], group=CHANNELS),
        convolution("1", 3, 1, SAME),
        convolution("2", 1, 1, [0] * 4),
    ],
    "padding by an operator of its own": [
        convolution("pixels", 3, 2, SAME),
        ("Pad", ["0"], {"pads": [0, 0, 0, 0, 0, 0, 1, 1]}),
        convolution("1", 3, 2, [0] * 4),
        ("Pad", ["2"], {"pads": [0, 0, 1, 1, 0, 0, 1, 1]}),
        convolution("3", 3, 1, [0] * 4),
    ],
    "auto_pad": [
        ("Conv", ["pixels"], {"kernel": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ("Conv", ["0"], {"kernel": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"}),
        ("Conv", ["1"], {"kernel": [3, 3], "auto_pad": "SAME_UPPER"}),
    ],
    "pools": [
        ("MaxPool", ["pixels"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": SAME}),
        convolution("0", 3, 1, SAME),
        ("AveragePool", ["1"], {"kernel_shape": [2, 2], "strides": [2, 2]}),
        ("MaxPool", ["2"], {"kernel_shape": [3, 3], "strides": [1, 1], "pads": SAME}),
    ],
    "maxima": [
        convolution("pixels", 3, 2, SAME),
        ("MaxPool", ["0"], {"kernel_shape": [3, 3], "strides": [2, 2], "pads": SAME}),
        ("MaxPool", ["1"], {"kernel_shape": [3, 3], "strides": [1, 1], "pads": SAME}),
    ],
    "a window half outside": [
        convolution("pixels", 3, 2, SAME),
        ("MaxPool", ["0"], {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1}),
        convolution("1", 3, 1, SAME),
    ],
    "residual": [
        convolution("pixels", 3, 2, SAME),
        convolution("0", 3, 2, SAME),
        convolution("0", 1, 2, [0] * 4),
        ("Add", ["1", "2"], {}),
        convolution("3", 3, 1, SAME),
        ("Add", ["3", "4"], {}),
    ],
    "residual with the padding of TensorFlow": [
        convolution("pixels", 3, 2, [0, 0, 1, 1]),
        convolution("0", 3, 2, [0, 0, 1, 1]),
        convolution("0", 1, 2, [0] * 4),
        ("Add", ["1", "2"], {}),
        convolution("3", 3, 1, SAME),
    ],
}


def cases(*names: str) -> list[tuple[str, int]]:
    """Each with strides of 1 and 2, but pools only where they can be dilated."""
    both = product(names, (1, 2))
    pools = ("pools", "average", "maxima")
    return [(name, most) for name, most in both if most == 2 or name not in pools]


@pytest.mark.parametrize("size", [(32, 24), (28, 36)])
@pytest.mark.parametrize(("name", "most"), cases(*FILES))
def test_every_nth_position_of_a_file_keeps_its_values(
    name: str, most: int, size: tuple[int, int]
) -> None:
    feature = str(len(FILES[name]) - 1)
    model = file(FILES[name], size, feature)
    pixels = np.random.default_rng(1).standard_normal((2, 3, *size)).astype(np.float32)
    coarse = values(model, feature, pixels)
    fine = values(finer_file(model, (feature, "embedding"), most, pixels), feature, pixels)
    factor = 4 // most
    assert gap(coarse, fine, (factor, factor)) < 1e-5
    assert all(
        factor * (n - 1) < m <= factor * n + factor
        for n, m in zip(coarse.shape[2:], fine.shape[2:], strict=True)
    )


def test_a_file_that_takes_every_second_value_is_refused() -> None:
    given = {"starts": [0, 0], "ends": [16, 16], "axes": [2, 3], "steps": [2, 2]}
    nodes: list[Node] = [
        ("Constant", [], {"value": numpy_helper.from_array(np.array(values, np.int64), name)})
        for name, values in given.items()
    ]
    nodes += [("Slice", ["pixels", "0", "1", "2", "3"], {})]
    nodes += [("Conv", ["4"], {"kernel": (3, 3), "strides": [2, 2], "pads": [1, 1, 1, 1]})]
    pixels = np.random.default_rng(1).standard_normal((2, 3, 16, 16)).astype(np.float32)
    with pytest.raises(ModelError, match=r"Slice .* changes the size of a map"):
        finer_file(file(nodes, (16, 16), "5"), ("5", "embedding"), 2, pixels)


def test_uneven_padding_is_evened_out_so_that_cells_look_at_their_own_places() -> None:
    """A row of pixels that is lit answers at its own row of the finer map, not one later."""
    ones = [("AveragePool", ["pixels"], {"kernel_shape": [3, 3], "strides": [2, 2]})]
    nodes: list[Node] = [(kind, x, given | {"pads": [0, 0, 1, 1]}) for kind, x, given in ones]
    model = file(nodes, (16, 16), "0")
    pixels = np.zeros((1, 3, 16, 16), np.float32)
    pixels[:, :, 6] = 1
    pixels[:, :, :, 0] += 0.1  # not the same at all shared positions
    fine = values(finer_file(model, ("0", "embedding"), 1, pixels), "0", pixels)
    rows = fine[0, 0, :, 8]
    assert len(rows) == 16 and rows.nonzero()[0].tolist() == [5, 6, 7]


@settings(max_examples=60, deadline=None)
@given(
    size=st.integers(9, 40),
    windows=st.lists(
        st.tuples(st.integers(1, 5), st.integers(1, 3), st.integers(1, 2), st.integers(0, 2)),
        min_size=1,
        max_size=4,
    ),
    uneven=st.booleans(),
    centred=st.booleans(),
)
def test_a_finer_window_gives_the_old_results_and_more(
    size: int, windows: list[tuple[int, int, int, int]], uneven: bool, centred: bool
) -> None:
    """Along one axis, by torch: chains of windows of any size, down to a stride of 1.

    Uneven padding is evened out. Otherwise results are added at the end, where later windows may
    have padded with zeros: an import checks that.
    """
    x = y = torch.from_numpy(np.random.default_rng(0).standard_normal((1, 1, size)))
    stride = 1
    for kernel, step, dilation, pad in windows:
        after = pad + (1 if uneven and step == 2 else 0)
        old = Window(kernel, step, dilation, pad, after)
        new = old.finer(stride, 1, centred or uneven)
        if x.shape[2] + pad + after <= (kernel - 1) * dilation:
            break
        weight = torch.arange(1.0, kernel + 1, dtype=torch.float64)[None, None]
        x, y = applied(x, old, weight), applied(y, new, weight)
        stride *= step
    starts = [y[..., start::stride][..., : x.shape[2]] for start in range(stride)]
    assert min(
        float((one - x).abs().max()) for one in starts if one.shape == x.shape
    ) < 1e-9 * float(x.abs().max() + 1)


def applied(x: Tensor, window: Window, weight: Tensor) -> Tensor:
    padded = F.pad(x, (window.before, window.after))
    return F.conv1d(padded, weight, stride=window.stride, dilation=window.dilation)


class Gate(nn.Module):
    """Squeeze and excitation: every position depends on all others."""

    def forward(self, x: Tensor) -> Tensor:
        return x * x.mean((2, 3), keepdim=True).sigmoid()


class Uneven(nn.Module):
    """The padding of networks converted from TensorFlow."""

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (0, 1, 0, 1))


class Residual(nn.Module):
    """A block with a stride on both ways."""

    def __init__(self) -> None:
        super().__init__()
        self.long, self.short = nn.Conv2d(4, 4, 3, 2, 1), nn.Conv2d(4, 4, 1, 2)

    def forward(self, x: Tensor) -> Tensor:
        total: Tensor = self.long(x) + self.short(x)
        return total.relu()


def pooled(*layers: nn.Module) -> nn.Sequential:
    """Layers called "map", and their mean."""
    torch.manual_seed(0)
    net = nn.Sequential()
    net.add_module("map", nn.Sequential(nn.Conv2d(3, 4, 3, 2, 1), *layers))
    net.add_module("pool", nn.AdaptiveAvgPool2d(1))
    net.add_module("flat", nn.Flatten())
    net.eval()
    return net


MODULES: dict[str, list[nn.Module]] = {
    "plain": [nn.Conv2d(4, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3, 1, 1)],
    "uneven": [Uneven(), nn.Conv2d(4, 4, 3, 2), nn.ReLU6(), nn.Conv2d(4, 4, 3, padding="same")],
    "maxima": [nn.MaxPool2d(3, 2, ceil_mode=True), nn.Conv2d(4, 4, 3), nn.MaxPool2d(3, 1, 1)],
    "average": [nn.AvgPool2d(2), nn.Conv2d(4, 4, 5, 1, 2, groups=4)],
    "residual": [Residual(), nn.Conv2d(4, 4, 3, 1, 1)],
}


@pytest.mark.parametrize(("name", "most"), cases(*MODULES))
def test_every_nth_position_of_a_module_keeps_its_values(name: str, most: int) -> None:
    net, size = pooled(*MODULES[name]), (24, 32)
    pixels = np.random.default_rng(1).standard_normal((3, 3, *size)).astype(np.float32)
    made = finer_module(export_graph(net, size), "map", most, pixels)
    cut = made.graph.at("map")
    with torch.no_grad():
        coarse = net[0](torch.from_numpy(pixels)).numpy()
        ((_, fine),) = cut.values(torch.from_numpy(pixels), [cut.feature])
        embedding = made(torch.from_numpy(pixels))
    factor = 4 // most
    assert gap(coarse, fine.numpy(), (factor, factor)) < 1e-5
    assert tuple(fine.shape[1:]) == cut.feature_shape
    assert not isinstance(cut.output.meta["val"].shape[0], int)  # any number of images
    torch.testing.assert_close(embedding, fine.mean((2, 3)))


class EverySecond(nn.Module):
    """Halves a map without a window."""

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pixels[:, :, ::2, ::2]


def test_a_map_that_cannot_be_made_finer_is_refused_with_the_reason() -> None:
    size = (24, 32)
    pixels = np.random.default_rng(1).standard_normal((2, 3, *size)).astype(np.float32)

    def refused(net: nn.Module, most: int, reason: str) -> None:
        with pytest.raises(ModelError, match=reason):
            finer_module(export_graph(net, size), "map", most, pixels)

    conv = nn.Conv2d(4, 4, 3, 2, 1)
    refused(pooled(conv), 4, "has a stride of 4x4 already")
    refused(pooled(conv, Gate()), 2, "no positions of the finer map keep their values")
    refused(pooled(conv, nn.AvgPool2d(3, 1, 1)), 2, r"avg_pool2d.* cannot be dilated")
    refused(pooled(conv, nn.Upsample(scale_factor=2)), 2, "changes the size of a map")
    refused(pooled(conv, EverySecond()), 2, "changes the size of a map")
    refused(pooled(nn.Conv2d(4, 4, 3, 3, 1)), 4, "a stride of 4 cannot be reached")
    fixed = pooled(conv)
    fixed.pool, fixed.flat = nn.Conv2d(4, 4, (6, 8)), nn.Flatten()
    refused(fixed, 2, "takes maps of one size only")
    flat = pooled(conv)
    flat.pool, flat.flat = nn.Flatten(), nn.Linear(4 * 6 * 8, 5)
    refused(flat, 2, "takes maps of one size only")


def test_a_finer_module_becomes_a_model_that_adds_up_for_any_number_of_images(
    tmp_path: Path,
) -> None:
    """Saved and loaded, it gives what the finer module gives, one image or three at a time."""
    size = Preprocessing(32, 24)
    net = pooled(*MODULES["uneven"])
    network = TorchNetwork(net, "", Described("x", ""), size, {}).finer("map", 2)
    found = network.imported("map", [])
    found.model.save(tmp_path / "made")
    made = MetricModel.load(tmp_path / "made")
    assert made.spec.grid == (16, 12)
    pixels = np.random.default_rng(1).standard_normal((3, 3, 32, 24)).astype(np.float32)
    expected = found.original(pixels)
    for some in (pixels, pixels[:1]):
        seen = made.decompose_pixels(some)
        added = seen.contributions.sum(1) + seen.bias
        np.testing.assert_allclose(added, expected[: len(some)], rtol=1e-4, atol=1e-5)
