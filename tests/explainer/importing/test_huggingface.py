"""Folders that save_pretrained wrote become models that compute the same and whose parts add up."""

import json
import socket
from pathlib import Path
from typing import Any

import numpy as np
import pretrained
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from partlens.explainer.cli import model as model_command
from partlens.explainer.errors import ModelError
from partlens.explainer.import_command.request import ImportRequest
from partlens.explainer.import_command.writing import write
from partlens.explainer.importing.huggingface import Pooling, load_pretrained
from partlens.explainer.importing.huggingface_pixels import CLIP, HALF, preprocessing_from
from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.explainer.starter.pictures import generate

PREPROCESSOR = {
    "do_center_crop": True,
    "crop_size": {"height": 64, "width": 64},
    "size": {"shortest_edge": 72},
    "image_mean": [0.5, 0.4, 0.3],
    "image_std": [0.2, 0.3, 0.4],
    "rescale_factor": 1 / 255,
}
REGISTERS = ("class", "register_1", "register_2", "register_3")
CASES: dict[str, tuple[Pooling | None, tuple[str, ...], tuple[int, int], int]] = {
    "vit": ("cls", ("class",), (8, 8), 24),
    "vit_with_classifier": ("mean", ("class",), (8, 8), 24),
    "dinov2": ("cls", ("class",), (8, 8), 24),
    "dinov2_with_registers": ("mean", REGISTERS, (8, 8), 24),
    "dinov3": ("mean", REGISTERS, (8, 8), 24),
    "siglip_vision": ("attention", (), (8, 8), 24),
    "siglip": ("mean", (), (8, 8), 24),
    "clip_vision": ("cls", ("class",), (8, 8), 10),
    "clip": ("mean", ("class",), (8, 8), 10),
    "resnet": (None, (), (8, 8), 16),
    "convnext": ("mean", (), (2, 2), 20),
}


def reference(name: str, pooling: Pooling | None, pixels: torch.Tensor) -> Any:
    """The embedding by transformers' own outputs, written again."""
    model: Any = pretrained.make(name)
    larger = {} if name.startswith("dinov") else {"interpolate_pos_encoding": True}
    with torch.no_grad():
        if name in ("resnet", "convnext"):
            return model(pixels).pooler_output.flatten(1)
        if name.startswith("siglip"):
            found = getattr(model, "vision_model", model)(pixels, **larger)
            return found.pooler_output if pooling != "mean" else found.last_hidden_state.mean(1)
        if name == "clip_vision":
            return model(pixels, **larger).image_embeds
        if name == "clip":
            tokens = model.vision_model(pixels, **larger).last_hidden_state[:, 1:]
            return model.visual_projection(model.vision_model.post_layernorm(tokens).mean(1))
        base = model.vit if name == "vit_with_classifier" else model
        tokens = base(pixels, **larger).last_hidden_state
        return tokens[:, len(CASES[name][1]) :].mean(1) if pooling == "mean" else tokens[:, 0]


@pytest.mark.parametrize("name", CASES)
def test_a_folder_becomes_a_model_whose_parts_add_up(name: str, tmp_path: Path) -> None:
    """By the command, at another size than the position encodings were made for."""
    pooling, extras, grid, dimensions = CASES[name]
    pretrained.make(name).save_pretrained(tmp_path / "hf")
    (tmp_path / "hf" / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    images = tmp_path / "images"
    images.mkdir()
    noise = np.random.default_rng(0).integers(0, 255, (50, 40, 3), np.uint8)
    Image.fromarray(noise).save(images / "a.png")
    command = ["import", str(tmp_path / "made"), "--hf", str(tmp_path / "hf")]
    command += ["--images", str(images), *(["--pooling", pooling] if pooling else [])]
    result = CliRunner().invoke(model_command, command)
    assert result.exit_code == 0, result.output
    assert "on random images: completeness error" in result.output
    assert "on real images: completeness error" in result.output

    made = MetricModel.load(tmp_path / "made")
    assert (made.spec.extras, made.spec.grid, made.spec.dimensions) == (extras, grid, dimensions)
    mean, std = (127.5, 102.0, 76.5), (51.0, 76.5, 102.0)
    assert made.spec.preprocessing == Preprocessing(64, 64, "rgb", mean, std, "shortest_side_crop")
    pixels = np.random.default_rng(1).standard_normal((3, 3, 64, 64)).astype(np.float32)
    found = made.decompose_pixels(pixels)
    expected = reference(name, pooling, torch.from_numpy(pixels)).numpy()
    added = found.contributions.sum(1) + found.bias
    assert np.linalg.norm(added - expected) < 1e-4 * np.linalg.norm(expected)
    assert found.contributions.shape == (3, grid[0] * grid[1], dimensions)
    assert found.extras.shape == (3, len(extras), dimensions)
    assert np.abs(found.contributions).max(2).min() > 0  # every patch has its say
    assert set(found[0].extras) == set(extras)


def test_the_pooling_that_leaves_less_to_the_bias_is_taken(tmp_path: Path) -> None:
    pretrained.make("vit").save_pretrained(tmp_path / "hf")
    shares = {}
    found = load_pretrained(str(tmp_path / "hf"))
    for pooling, module in found.modules.items():
        live = MetricModel.from_module(
            module,
            feature_layer=found.feature_layer,
            preprocessing=found.preprocessing,
            name="x",
            images=[picture.image for picture in generate(8, 0)],
            extras=found.extras,
        )
        shares[pooling] = live.spec.bias_share
    assert set(shares) == {"cls", "mean"}
    best = min(shares, key=shares.__getitem__)
    lines = write(ImportRequest("m", pretrained=str(tmp_path / "hf")), tmp_path / "made")
    (said,) = (line for line in lines if line.startswith("pooling: "))
    assert said.startswith(f"pooling: {best},")
    assert all(f"{pooling} {share:.2f}" in said for pooling, share in shares.items())
    made = MetricModel.load(tmp_path / "made")
    pixels = np.random.default_rng(1).standard_normal((2, 3, 32, 32)).astype(np.float32)
    seen = made.decompose_pixels(pixels)
    expected = reference("vit", best, torch.from_numpy(pixels)).numpy()
    np.testing.assert_allclose(seen.contributions.sum(1) + seen.bias, expected, atol=1e-4)


def test_flags_override_the_folder(tmp_path: Path) -> None:
    pretrained.make("vit").save_pretrained(tmp_path / "hf")
    options = ["--height", "32", "--width", "48", "--mean", "1,2,3", "--resize", "stretch"]
    result = CliRunner().invoke(
        model_command, ["import", str(tmp_path / "made"), "--hf", str(tmp_path / "hf"), *options]
    )
    assert result.exit_code == 0, result.output
    spec = MetricModel.load(tmp_path / "made").spec
    assert spec.grid == (4, 6) and spec.preprocessing.mean == (1.0, 2.0, 3.0)
    assert spec.preprocessing.std == (127.5, 127.5, 127.5)  # ViT's own, as no file says anything


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, Preprocessing(32, 32, mean=(127.5, 127.5, 127.5), std=(127.5, 127.5, 127.5))),
        (
            {"size": 224, "do_normalize": False},
            Preprocessing(224, 224, mean=(0, 0, 0), std=(255, 255, 255)),
        ),
        (
            {"size": {"height": 24, "width": 16}, "do_rescale": False, "image_mean": [1, 2, 3]},
            Preprocessing(24, 16, mean=(1, 2, 3), std=(0.5, 0.5, 0.5)),
        ),
        (
            {"size": {"shortest_edge": 384}, "crop_pct": 0.875, "do_normalize": False},
            Preprocessing(384, 384, std=(255, 255, 255), resize="shortest_side_crop"),
        ),
    ],
)
def test_preprocessing_is_what_the_file_says(said: dict[str, Any], expected: Preprocessing) -> None:
    assert preprocessing_from(said, 32, HALF) == expected


@pytest.mark.parametrize(
    "said", [{"size": "large"}, {"size": [1.5, 2]}, {"image_std": [1, 2]}, {"rescale_factor": 0}]
)
def test_preprocessing_that_makes_no_sense_is_refused(said: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"preprocessor_config\.json"):
        preprocessing_from(said, 32, CLIP)


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "hf"
    for missing in (str(folder), "./nodir", "nodir/", "../a/b", "~/x"):
        with pytest.raises(ModelError, match=f"--hf {missing}: no such folder"):
            load_pretrained(missing)
    (tmp_path / "file").write_text("")
    with pytest.raises(ModelError, match="is a file; give the folder"):
        load_pretrained(str(tmp_path / "file"))
    pretrained.make("resnet").save_pretrained(folder)
    with pytest.raises(ModelError, match="a resnet can pool by mean"):
        load_pretrained(str(folder), "cls")
    config = json.loads((folder / "config.json").read_text())
    for change, message in (
        ({"model_type": "bert"}, "'bert'; known are vit, dinov2"),
        ({"model_type": "x", "auto_map": {"AutoConfig": "code.Config"}}, "cannot be read"),
        ({"hidden_sizes": [8, 24]}, "lacks weights of ResNetModel"),
        ({"depths": [1, 2]}, "lacks weights of ResNetModel"),
    ):
        (folder / "config.json").write_text(json.dumps(config | change))
        with pytest.raises(ModelError, match=message):
            load_pretrained(str(folder))


def test_weights_that_could_carry_code_are_not_read(tmp_path: Path) -> None:
    model = pretrained.make("resnet")
    model.save_pretrained(tmp_path)
    (tmp_path / "model.safetensors").unlink()
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    with pytest.raises(ModelError, match="safetensors"):
        load_pretrained(str(tmp_path))


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the retries of the libraries below."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")
        with pytest.raises(
            ModelError, match=r"no folder of this name, and the .* did not answer within 3 s"
        ):
            load_pretrained("nobody/no-such-model")


def test_where_each_value_of_a_folder_comes_from_is_printed(tmp_path: Path) -> None:
    pretrained.make("vit").save_pretrained(tmp_path / "hf")
    request = ImportRequest("m", pretrained=str(tmp_path / "hf"), pooling="mean")
    lines = "\n".join(write(request, tmp_path / "plain"))
    assert "height 32 (config.json), width 32 (config.json)" in lines
    assert "mean [127.5, 127.5, 127.5] (usual for vit, not stated by the model)" in lines
    assert "pooling: mean (--pooling)" in lines
    assert "feature layer 'model.layers.0': the usual one of this family (default)" in lines
    (tmp_path / "hf" / "preprocessor_config.json").write_text(json.dumps(PREPROCESSOR))
    lines = "\n".join(write(request, tmp_path / "said"))
    for key in ("height 64", "mean [127.5, 102.0, 76.5]", "resize shortest_side_crop"):
        assert f"{key} (preprocessor_config.json)" in lines
