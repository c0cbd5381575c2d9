"""PyTorch modules become models that compute the same and whose parts add up."""

import sys
from pathlib import Path
from typing import Any

import head_modules
import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from partlens.explainer.errors import ModelError, ModelFileError, UnsupportedOperatorError
from partlens.explainer.head.live import Affine, Live, Statistic, apply
from partlens.explainer.head.operators import Operator
from partlens.explainer.head.rules import RULES
from partlens.explainer.importing.torch_module import (
    declared_pixels,
    load_module,
    with_onnx_backbone,
)
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing

SIZE = Preprocessing(16, 8)


def pixels(count: int = 3) -> np.ndarray:
    return np.random.default_rng(7).standard_normal((count, 3, 16, 8)).astype(np.float32)


def imported(name: str) -> MetricModel:
    return MetricModel.from_module(
        head_modules.make(name), feature_layer="stem", preprocessing=SIZE, name=name, licence="MIT"
    )


@pytest.mark.parametrize("name", head_modules.HEADS)
def test_the_parts_add_up_to_the_modules_own_embedding(name: str) -> None:
    found = imported(name).decompose_pixels(pixels())
    with torch.no_grad():
        expected = head_modules.make(name)(torch.from_numpy(pixels())).numpy()
    embedding = found.contributions.sum(1) + found.bias
    if "normalised" in name:
        embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    np.testing.assert_allclose(embedding, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["gap, fc, bn, relu, dropout", "depthwise"])
def test_a_saved_model_gives_the_same_parts(name: str, tmp_path: Path) -> None:
    live = imported(name)
    saved = with_onnx_backbone(live).save(tmp_path / "model")
    loaded = MetricModel.load(tmp_path / "model")
    assert loaded.spec == saved.spec and loaded.spec.digest.startswith("sha256:")
    ours, theirs = loaded.decompose_pixels(pixels(1)), live.decompose_pixels(pixels(1))
    np.testing.assert_allclose(ours.contributions, theirs.contributions, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(ours.bias, theirs.bias, rtol=1e-4, atol=1e-5)
    with pytest.raises(ModelFileError, match="already exists"):
        live.save(tmp_path / "model")


def test_the_feature_layer_is_found_where_none_is_named() -> None:
    found = MetricModel.from_module(head_modules.make("gap"), preprocessing=SIZE, name="gap")
    assert found.spec.grid == (4, 2) and found.spec.feature_layer.startswith("stem")


def test_a_model_without_a_name_has_that_of_its_class() -> None:
    module = head_modules.make("gap")
    found = MetricModel.from_module(module, feature_layer="stem", preprocessing=SIZE)
    assert found.spec.name == type(module).__name__


def test_another_input_size_gives_another_grid() -> None:
    larger = Preprocessing(32, 16)
    found = MetricModel.from_module(
        head_modules.make("gmp, fc"), feature_layer="stem", preprocessing=larger, name="x"
    )
    assert found.spec.grid == (8, 4)


@pytest.mark.parametrize(
    ("head", "message"),
    [
        (head_modules.Squared(), r"mul.* \(at head\).*not a sum"),
        (head_modules.Softmaxed(), "aten.cumsum"),
    ],
)
def test_what_cannot_be_decomposed_is_refused_by_name(head: nn.Module, message: str) -> None:
    with pytest.raises(UnsupportedOperatorError, match=message):
        MetricModel.from_module(
            head_modules.Net(head), feature_layer="stem", preprocessing=SIZE, name="x"
        )


def test_rules_of_the_callers_own_come_first_and_are_not_saved(tmp_path: Path) -> None:
    """An operator that the list has not, by its ATen name, and one that it has, by its kind."""
    used = []

    def cumulative(operator: Operator, x: Live) -> Live:
        used.append(operator.kind)
        axis = operator.integer("dim")
        return apply(x, Affine(lambda z: z.cumsum(axis)))

    def prelu(operator: Operator, x: Live, slope: torch.Tensor) -> Live | torch.Tensor | Statistic:
        used.append(operator.kind)
        return dict(RULES)["prelu"](operator, x, slope)

    net = head_modules.Net(nn.Sequential(nn.PReLU(), head_modules.Softmaxed())).eval()
    model = MetricModel.from_module(
        net,
        feature_layer="stem",
        preprocessing=SIZE,
        name="own",
        rules=[("aten.cumsum.default", cumulative), ("prelu", prelu)],
    )
    found = model.decompose_pixels(pixels())
    assert set(used) == {"aten.cumsum.default", "prelu"}
    with torch.no_grad():
        expected = net(torch.from_numpy(pixels())).numpy()
    np.testing.assert_allclose(found.contributions.sum(1) + found.bias, expected, atol=1e-5)
    with pytest.raises(ModelError, match=r"aten\.cumsum\.default, prelu.*cannot be saved"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_unknown_layers_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ModelError, match=r"no layer 'stm'; layers: stem"):
        MetricModel.from_module(
            head_modules.make("gap"), feature_layer="stm", preprocessing=SIZE, name="x"
        )


def test_the_digest_of_a_live_module_follows_its_weights() -> None:
    again = imported("gap").spec.digest
    assert imported("gap").spec.digest == again
    other = MetricModel.from_module(
        head_modules.make("gap", seed=5), feature_layer="stem", preprocessing=SIZE, name="gap"
    )
    assert other.spec.digest != again
    # NumPy has no bfloat16.
    half = head_modules.make("gap")
    half.register_buffer("unused", torch.zeros(3, dtype=torch.bfloat16))
    made = MetricModel.from_module(half, feature_layer="stem", preprocessing=SIZE, name="gap")
    assert made.spec.digest != again


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_weights_are_loaded_strictly(suffix: str, tmp_path: Path) -> None:
    state = head_modules.make("gap, fc, bn, relu, dropout", seed=9).state_dict()
    path = tmp_path / f"weights{suffix}"
    save_file(state, path) if suffix == ".safetensors" else torch.save(
        {"epoch": 1, "s": state}, path
    )
    loaded, found = load_module("head_modules:factory", path)
    assert found.entry == ("" if suffix == ".safetensors" else "s")
    assert torch.equal(loaded.state_dict()["head.2.weight"], state["head.2.weight"])
    del state["head.2.weight"]
    save_file(state, path) if suffix == ".safetensors" else torch.save(state, path)
    with pytest.raises(ModelError, match=r"head\.2\.weight"):
        load_module("head_modules:factory", path)
    path.write_bytes(path.read_bytes()[:50])
    with pytest.raises(ModelError, match="weights"):
        load_module("head_modules:factory", path)


def test_weights_that_carry_code_are_refused(tmp_path: Path) -> None:
    torch.save(head_modules.make("gap"), tmp_path / "whole.pth")
    with pytest.raises(
        ModelError,
        match=r"more than weights: Python objects \(head_modules\.Net\).*loaded\.state_dict\(\)",
    ):
        load_module("head_modules:factory", tmp_path / "whole.pth")


@pytest.mark.parametrize(
    "factory", ["nowhere:x", "head_modules:nothing", "head_modules", "head_modules:stem"]
)
def test_a_factory_that_is_none_is_refused(factory: str, tmp_path: Path) -> None:
    save_file({"a": torch.zeros(1)}, tmp_path / "w.safetensors")
    with pytest.raises(ModelError, match=r"--torch|do not fit"):
        load_module(factory, tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", ["backbone.onnx", "head.json", "head.safetensors", "model.json"])
def test_a_changed_or_truncated_folder_is_refused(name: str, tmp_path: Path) -> None:
    imported("gap, fc, bn, relu, dropout").save(tmp_path / "model")
    path = tmp_path / "model" / name
    data = path.read_bytes()
    for changed in (data[: len(data) // 2], b"", data[:-3] + b"   "):
        path.write_bytes(changed)
        with pytest.raises(ModelFileError):
            MetricModel.load(tmp_path / "model")
    path.unlink()
    with pytest.raises(ModelFileError, match=name):
        MetricModel.load(tmp_path / "model")


def test_a_newer_format_is_told_apart(tmp_path: Path) -> None:
    imported("gap").save(tmp_path / "model")
    path = tmp_path / "model" / "model.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 4'))
    with pytest.raises(ModelFileError, match="format 4, this version reads up to 3"):
        MetricModel.load(tmp_path / "model")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("raise KeyError('no such size')", r"KeyError: 'no such size' \(raising\.py:3\)$"),
        ("import sys; sys.exit(4)", r"SystemExit: 4 \(raising\.py:3\)$"),
        ("1 / 0", r"ZeroDivisionError: division by zero \(raising\.py:3\)$"),
    ],
)
def test_a_factory_that_raises_is_shown_by_its_own_error(
    body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "raising.py").write_text(f"def make():\n    _ = 1\n    {body}\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "raising", raising=False)
    with pytest.raises(ModelError, match=message):
        load_module("raising:make", tmp_path / "weights.pth")


@pytest.mark.parametrize(
    ("attribute", "value", "expected"),
    [
        (
            "pretrained_cfg",
            {"input_size": (3, 448, 336)},
            (448, 336, "pretrained_cfg['input_size']"),
        ),
        ("default_cfg", {"input_size": [3, 96, 96]}, (96, 96, "default_cfg['input_size']")),
        ("image_size", 384, (384, 384, "image_size")),
        ("img_size", (256, 128), (256, 128, "img_size")),
        ("img_size", (256, "128"), None),
        ("image_size", True, None),
        ("image_size", -1, None),
        ("pretrained_cfg", {}, None),
        ("width", 7, None),
    ],
)
def test_the_input_size_that_a_module_names_is_read(
    attribute: str, value: object, expected: tuple[int, int, str] | None
) -> None:
    module = nn.Identity()
    setattr(module, attribute, value)
    values, origins = declared_pixels(module)
    if expected is None:
        assert not values and not origins
        return
    height, width, named = expected
    assert values == {"height": height, "width": width}
    assert origins == dict.fromkeys(values, f"the module's {named}")


@pytest.mark.parametrize("mean", [(0.5, 2.0, 0.5), (0.5, 0.5), "imagenet", (0.5, None, 0.5)])
def test_the_normalisation_that_a_timm_module_names_is_read(mean: object) -> None:
    """In units of 0..1 there; what is no three numbers is left to the user."""
    module = nn.Identity()
    stated: Any = {"mean": mean, "std": (0.229, 0.224, 0.225)}
    module.pretrained_cfg = stated
    values, origins = declared_pixels(module)
    assert values == {"std": (58.395, 57.12, 57.375)}
    assert origins == {"std": "the module's pretrained_cfg['std']"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            "raise RuntimeError('operator torchvision::nms does not exist')",
            r"'package_of_its_own' is there but cannot be imported: RuntimeError: operator"
            r" torchvision::nms does not exist \(__init__\.py:1\)\. Its version may not",
        ),
        ("import missing_of_it", "No module named 'missing_of_it'"),
        ("raise ValueError('x' * 5000)", r"ValueError: x{300}\.\.\. \("),
    ],
)
def test_a_package_that_does_not_import_is_named_with_its_own_error(
    body: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "package_of_its_own").mkdir()
    (tmp_path / "package_of_its_own" / "__init__.py").write_text(body)
    (tmp_path / "package_of_its_own" / "models.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModelError, match=message):
        load_module("package_of_its_own.models:resnet50", tmp_path / "weights.pth")
    with pytest.raises(ModelError, match=r"no package 'no_such_package'\. Install it, or run"):
        load_module("no_such_package.models:resnet50", tmp_path / "weights.pth")
