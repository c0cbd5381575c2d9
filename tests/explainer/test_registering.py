"""Where cells look is found for networks whose cells are known to look there."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folders import change, tiny
from torch import Tensor
from torch.nn import functional

from partlens.common.registration import Axis, Registration
from partlens.explainer import patches as changing
from partlens.explainer.backbone import FloatArray
from partlens.explainer.errors import ModelFileError
from partlens.explainer.model import MetricModel
from partlens.explainer.patches import PASSES
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.reduction import smaller
from partlens.explainer.registering import Registered, measure, register
from partlens.explainer.starter.pictures import generate

Backbone = Callable[[FloatArray], FloatArray]
LAYERS, STRIDE, KERNEL = 3, 2, 3
PICTURES = [one.image for one in generate(8, 0)]


def measured(
    backbone: Backbone, size: Preprocessing, grid: tuple[int, int], extras: int = 0
) -> Registered:
    return measure(backbone, size, grid, PICTURES, extras)


def on_tensors(function: Callable[[Tensor], Tensor]) -> Backbone:
    def backbone(pixels: FloatArray) -> FloatArray:
        given: FloatArray = function(torch.from_numpy(pixels)).numpy()
        return given

    return backbone


def convolutions(before: int, after: int) -> Backbone:
    """Layers of stride 2 that pad so much above and left, and below and right."""
    random = torch.Generator().manual_seed(0)
    kernels = [
        torch.rand(8, 3 if i == 0 else 8, KERNEL, KERNEL, generator=random) for i in range(3)
    ]

    def run(x: Tensor) -> Tensor:
        for kernel in kernels:
            padded = functional.pad(x, (before, after, before, after))
            x = functional.conv2d(padded, kernel, stride=STRIDE)
        return x

    return on_tensors(run)


def true_centres(before: int, cells: int) -> np.ndarray:
    """Middle of each cell's receptive field, in pixels: arithmetic of strides and padding."""
    start, jump = 0.5, 1
    for _ in range(LAYERS):
        start += ((KERNEL - 1) / 2 - before) * jump
        jump *= STRIDE
    return start + jump * np.arange(cells)


def patches(x: Tensor) -> Tensor:
    """Tokens that each see their own patch of 8x8 pixels, and a class token before them."""
    tokens = functional.unfold(x, 8, stride=8).transpose(1, 2)
    return torch.cat([tokens.mean(1, keepdim=True), tokens], 1)


def attention(x: Tensor) -> Tensor:
    """Tokens that see a little of all patches too, as those of a transformer do."""
    tokens = patches(x)
    return tokens + tokens.mean(1, keepdim=True)


@pytest.mark.parametrize(("before", "after"), [(0, 1), (1, 0), (1, 1)])
def test_padding_on_one_side_shifts_the_centres_as_arithmetic_says(before: int, after: int) -> None:
    height, width = 128, 64
    found = measured(convolutions(before, after), Preprocessing(height, width), (16, 8))
    assert not found.kept_nominal
    for axis, side in ((found.registration.rows, height), (found.registration.cols, width)):
        found_at = np.array(axis.centres) * side
        true = true_centres(before, len(axis))
        # Beyond the border there is nothing to see, so the outermost cells look further in.
        np.testing.assert_allclose(found_at[1:-1], true[1:-1], atol=3.0)
        assert abs((found_at - true)[1:-1].mean()) < 1.0
        assert max(axis.spreads) * side < 16


@pytest.mark.parametrize("network", [patches, attention])
def test_tokens_look_at_their_own_patches(network: Callable[[Tensor], Tensor]) -> None:
    found = measured(on_tensors(network), Preprocessing(56, 80), (7, 10), extras=1)
    assert not found.kept_nominal
    for axis, side in ((found.registration.rows, 56), (found.registration.cols, 80)):
        assert abs(axis.shift()) * side < 1.0


def test_a_fine_grid_is_measured_by_groups_of_cells() -> None:
    shifted = on_tensors(lambda x: functional.pad(x, (0, 6, 0, 6), "replicate")[..., 6:, 6:])
    found = measured(shifted, Preprocessing(200, 100), (200, 100))
    assert not found.kept_nominal
    for axis in (found.registration.rows, found.registration.cols):
        shifts = np.array(axis.centres) - Axis.nominal(len(axis)).centres
        # The last cells all look at the edge; their group's centre lies further in.
        np.testing.assert_allclose(shifts[: -len(axis) // 8] * len(axis), 6, atol=3)


def constant(x: Tensor) -> Tensor:
    return torch.ones(len(x), 4, 6, 5)


def flat(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True).expand(-1, -1, 6, 5)


def shuffled(x: Tensor) -> Tensor:
    pooled = functional.adaptive_avg_pool2d(x, (6, 5))
    return pooled[:, :, [3, 0, 4, 1, 5, 2]][..., [4, 1, 3, 0, 2]]


def infinite(x: Tensor) -> Tensor:
    return functional.adaptive_avg_pool2d(x, (6, 5)) / 0


@pytest.mark.parametrize(
    ("network", "reason"),
    [
        (constant, "no place better"),
        (infinite, "no place better"),
        (flat, "same place"),
        (shuffled, "neighbouring"),
    ],
)
def test_a_measurement_without_sense_keeps_evenly_spread_centres_and_says_why(
    network: Callable[[Tensor], Tensor], reason: str
) -> None:
    found = measured(on_tensors(network), Preprocessing(60, 50), (6, 5))
    assert found.registration == Registration.nominal((6, 5))
    assert reason in found.kept_nominal["rows"] and reason in found.kept_nominal["cols"]


def test_one_cell_needs_no_measurement() -> None:
    found = measured(
        on_tensors(lambda x: x.mean((2, 3), keepdim=True)), Preprocessing(60, 50), (1, 1)
    )
    assert found.registration == Registration.nominal((1, 1)) and not found.kept_nominal


@pytest.mark.parametrize("grid", [(2, 3), (7, 7), (37, 37), (120, 100)])
def test_the_work_is_bounded_and_the_result_is_always_the_same(grid: tuple[int, int]) -> None:
    seen = 0

    def counted(pixels: FloatArray) -> FloatArray:
        nonlocal seen
        seen += len(pixels)
        return on_tensors(lambda x: functional.adaptive_avg_pool2d(x, grid))(pixels)

    first = measured(counted, Preprocessing(120, 100), grid)
    assert PASSES / 2 < seen <= PASSES + 2
    assert measured(counted, Preprocessing(120, 100), grid) == first


def test_a_slow_network_runs_few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(changing, "SECONDS", 0.0)
    seen = 0

    def counted(pixels: FloatArray) -> FloatArray:
        nonlocal seen
        seen += len(pixels)
        return on_tensors(lambda x: functional.adaptive_avg_pool2d(x, (40, 40)))(pixels)

    assert measured(counted, Preprocessing(120, 100), (40, 40)).registration.grid == (40, 40)
    assert seen <= 20


def test_a_registered_copy_is_kept_in_a_folder_of_format_3(tmp_path: Path) -> None:
    model = MetricModel.load(tiny(tmp_path / "old"))
    assert model.spec.registered is None and model.spec.format == 1
    made, found = register(model, PICTURES)
    saved = made.save(tmp_path / "new")
    loaded = MetricModel.load(tmp_path / "new")
    assert loaded.spec == saved.spec and loaded.spec.registration == found.registration
    assert loaded.spec.digest != model.spec.digest
    assert '"format": 3' in (tmp_path / "new" / "model.json").read_text()


def test_a_reduction_pools_the_centres(tmp_path: Path) -> None:
    model = MetricModel.load(tiny(tmp_path / "old"))
    looks = Registration(
        Axis((0.1, 0.2, 0.3, 0.5, 0.7, 0.9)), Axis((0.2, 0.4, 0.6, 0.8), (0.1, 0.1, 0.1, 0.1))
    )
    made = replace(model, spec=replace(model.spec, registered=looks))
    pooled = smaller(made, "smaller", (3, 2)).spec.registration
    np.testing.assert_allclose(pooled.rows.centres, [0.15, 0.4, 0.8])
    np.testing.assert_allclose(pooled.cols.centres, [0.3, 0.7])


@pytest.mark.parametrize(
    "rows",
    [
        {"centres": [0.5], "spreads": []},
        {"centres": [0.9, 0.7, 0.5, 0.3, 0.2, 0.1], "spreads": []},
        {"centres": [0.1, 0.2, 0.3, 0.4, 0.5, 1.5], "spreads": []},
        {"centres": "012345", "spreads": []},
    ],
)
def test_damaged_centres_in_a_folder_are_refused(rows: object, tmp_path: Path) -> None:
    cols = {"centres": [0.2, 0.4, 0.6, 0.8], "spreads": []}
    tiny(tmp_path / "model")
    registration = {"rows": rows, "cols": cols}
    change(tmp_path / "model", "model.json", {"format": 3, "registration": registration})
    with pytest.raises(ModelFileError, match="registration"):
        MetricModel.load(tmp_path / "model")
