"""Which layer is recommended, and that what is listed is what an import gives."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from partlens.explainer.backbone import TorchBackbone
from partlens.explainer.import_command.network import (
    Described,
    Network,
    OnnxNetwork,
    TorchNetwork,
)
from partlens.explainer.import_command.request import AUTO, ImportRequest
from partlens.explainer.import_command.suggestion import (
    Candidate,
    chosen,
    idle,
    recommended,
    suggest,
)
from partlens.explainer.import_command.writing import write
from partlens.explainer.preprocessing import Preprocessing

SIZE = Preprocessing(32, 24)
SECONDS = 600.0
IMAGES = [np.random.default_rng(i).integers(0, 256, (40, 30, 3), np.uint8) for i in range(2)]


class Clipped(nn.Module):
    """Ends in a clip that holds many values, in front of the average; 8x6 positions."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.stem, self.last = nn.Conv2d(3, 4, 3, 2, 1), nn.Conv2d(4, 6, 3, 2, 1, bias=False)
        with torch.no_grad():
            self.last.weight.abs_().mul_(80)
            self.last.weight[0].neg_()  # a dead channel

    def forward(self, pixels: Tensor) -> Tensor:
        clipped: Tensor = self.last(self.stem(pixels).relu()).clamp(0, 6)
        return clipped.mean((2, 3))


def by_torch() -> Network:
    return TorchNetwork(Clipped().eval(), "", Described("x", ""), SIZE, {})


def file() -> bytes:
    return TorchBackbone(Clipped().eval(), (32, 24)).to_onnx()


def by_onnx() -> Network:
    model = onnx.load_from_string(file())
    return OnnxNetwork(model, "feature", False, Described("x", ""), SIZE, {})


@pytest.mark.parametrize("door", ["torch", "onnx"])
def test_a_cut_after_the_clip_is_recommended_as_it_has_no_bias(door: str) -> None:
    """Clipped values are constants of the head, so they count as bias before the clip."""
    network = by_torch() if door == "torch" else by_onnx()
    found = suggest(network, IMAGES, SECONDS)
    last, before, *_, finer = found.candidates
    assert found.recommended is last and last.layer in found.reason
    assert (last.grid, last.bias_share, last.shape) == ((8, 6), 0.0, (6, 8, 6))
    assert before.bias_share is not None and before.bias_share > 0.1
    assert last.dead == pytest.approx(1 / 6)
    assert last.saturated is not None and last.saturated > 0.01
    assert last.bytes_per_image == 2 * 48 * 6 + 4 * 6
    assert (finer.stride, finer.grid, finer.layer) == (2, (16, 12), last.layer)
    for one in found.candidates:
        made = network if one.stride is None else network.finer(one.layer, one.stride)
        spec = made.model(one.layer, IMAGES).spec
        assert (spec.grid, spec.bias_share) == (one.grid, one.bias_share)


def test_no_earlier_layer_is_measured_than_needed_to_choose() -> None:
    found = chosen(by_torch(), IMAGES, SECONDS)
    assert len(found.candidates) == 1 and found.unmeasured > 0
    limited = suggest(by_torch(), IMAGES, 0.0)  # no time: one layer, whatever it takes
    assert len([one for one in limited.candidates if one.stride is None]) == 1


def test_a_layer_that_cannot_be_decomposed_is_listed_with_the_reason() -> None:
    class Squared(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            pooled = x.mean((2, 3))
            return pooled * pooled

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 4, 4), Squared()).eval()
    found = suggest(TorchNetwork(net, "", Described("x", ""), SIZE, {}), IMAGES, SECONDS)
    assert found.recommended is None and "none" in found.reason
    assert all("operator mul" in one.refused for one in found.candidates if one.stride is None)


def test_the_last_of_the_layers_with_little_bias_is_recommended() -> None:
    def layers(*shares: float | None) -> Sequence[Candidate]:
        return [
            Candidate(str(i), None, (4, 8, 8), "" if share is not None else "why", (8, 8), share)
            for i, share in enumerate(shares)
        ]

    def named(*shares: float | None) -> str | None:
        best = recommended(layers(*shares))
        return None if best is None else best.layer

    assert named(0.5, 0.1, 0.08, 0.4) == "1"
    assert named(None, 0.9, 0.88) == "1"
    assert named(0.02, 0.0) == "0"
    assert named(None) is None


def test_dead_channels_and_saturated_values() -> None:
    feature: NDArray[Any] = np.random.default_rng(0).random((2, 4, 5, 5)).astype(np.float32)
    assert idle(feature) == (0.0, 0.0)
    feature[:, 1] = 0
    feature[0, 2] = 6
    assert idle(feature) == (0.25, 25 / 200)
    tokens = feature.reshape(2, 4, 25).transpose(0, 2, 1)
    assert idle(tokens) == idle(feature)


def test_an_import_explains_the_layer_that_it_chose_and_the_finer_map(tmp_path: Path) -> None:
    (tmp_path / "clipped.onnx").write_bytes(file())
    asked = ImportRequest(
        "m", onnx_file=str(tmp_path / "clipped.onnx"), feature_tensor=AUTO, stride=2
    )
    lines = write(asked, tmp_path / "out")
    (why,) = (line for line in lines if line.startswith("feature layer "))
    assert "(8x6), the last layer with a bias share" in why
    assert any(line.startswith("finer map: 16x12 positions") for line in lines)
    assert "grid: [16, 12]" in lines
    (layer,) = (line for line in lines if line.startswith("feature_layer: "))
    assert layer.endswith("at stride 2")
