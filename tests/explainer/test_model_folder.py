"""A stranger's model folder is loaded, or refused in words; it cannot hang or fill a server."""

import json
import os
import shutil
import threading
import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from model_folders import CHANNELS, change, convolution, endless, greedy, model, seal, tiny
from onnx import helper

from partlens.explainer import backbone as running
from partlens.explainer import trial
from partlens.explainer.backbone import OnnxBackbone
from partlens.explainer.errors import ModelError, ModelFileError
from partlens.explainer.model import MetricModel
from partlens.explainer.parts_on_disk import MOST_BYTES

DEADLINE = 30.0


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "tiny"))


def with_backbone(folder: Path, made: onnx.ModelProto) -> Path:
    (folder / "backbone.onnx").write_bytes(made.SerializeToString())
    return seal(folder)


def test_a_folder_that_is_sealed_again_is_the_same(folder: Path) -> None:
    before = MetricModel.load(folder)
    assert MetricModel.load(seal(folder)).spec == before.spec


@pytest.mark.parametrize("key", ["extras", "feature_layer", "preprocessing"])
def test_a_folder_of_an_earlier_version_says_how_to_import_it_again(key: str, folder: Path) -> None:
    file = folder / "model.json"
    plain = json.loads(file.read_text())
    del plain[key]
    file.write_text(json.dumps(plain))
    with pytest.raises(ModelFileError, match=f"lacks {key}.*partlens model import .* --onnx"):
        MetricModel.load(folder)


@pytest.mark.parametrize("name", MOST_BYTES)
def test_a_link_in_the_folder_is_not_followed(name: str, folder: Path) -> None:
    (folder / name).rename(folder.parent / name)
    (folder / name).symlink_to(folder.parent / name)
    with pytest.raises(ModelFileError, match=f"{name} of the model folder .* is a link"):
        MetricModel.load(folder)


def test_a_link_to_the_folder_is_followed(folder: Path) -> None:
    link = folder.parent / "link"
    link.symlink_to(folder)
    assert MetricModel.load(link).spec == MetricModel.load(folder).spec


@pytest.mark.parametrize("name", MOST_BYTES)
def test_a_file_that_is_none_or_too_large_is_refused(name: str, folder: Path) -> None:
    path = folder / name
    os.truncate(path, MOST_BYTES[name] + 1)  # sparse: it takes no room
    with pytest.raises(ModelFileError, match="larger than"):
        MetricModel.load(folder)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(ModelFileError, match="FIFO"):
        MetricModel.load(folder)
    path.unlink()
    path.mkdir()
    with pytest.raises(ModelFileError, match="cannot be read"):
        MetricModel.load(folder)


def test_a_backbone_without_end_is_refused_when_it_is_loaded(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS", 2.0)
    with_backbone(folder, endless())
    start = time.monotonic()
    with pytest.raises(ModelFileError, match="tried on one image, did not end within 2 s"):
        MetricModel.load(folder)
    assert time.monotonic() - start < DEADLINE


def test_a_backbone_without_end_for_one_image_gives_an_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It may loop for pixels that nobody tried."""
    monkeypatch.setattr(running, "_SECONDS", 1.0)
    pixels = np.zeros((1, 3, 6, 4), np.float32)
    np.testing.assert_array_equal(OnnxBackbone(endless(3).SerializeToString())(pixels), pixels)
    with pytest.raises(ModelError, match="did not end within 1 s"):
        OnnxBackbone(endless().SerializeToString())(pixels)


def test_passes_without_end_at_the_same_time_give_one_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(running, "_SECONDS", 0.3)
    monkeypatch.setattr(running, "_PIXELS_IN_A_PASS", 1)
    pixels = np.zeros((4, 3, 6, 4), np.float32)
    with pytest.raises(ModelError, match=r"did not end within 1.2 s"):
        OnnxBackbone(endless().SerializeToString())(pixels)
    assert not [one for one in threading.enumerate() if one.name == "partlens-onnx"]


def test_a_backbone_that_asks_for_all_memory_is_refused(folder: Path) -> None:
    with pytest.raises(ModelFileError, match=r"one image of 6x4: .*allocate memory"):
        MetricModel.load(with_backbone(folder, greedy()))


def test_a_backbone_that_does_not_fit_is_refused(folder: Path) -> None:
    pooled = helper.make_node("GlobalAveragePool", ["wide"], ["feature"])
    made = convolution()
    made.graph.node[0].output[0] = "wide"
    made.graph.node.append(pooled)
    with pytest.raises(ModelFileError, match=r"\[5, 1, 1\]; model.json says 6x4 cells and 0"):
        MetricModel.load(with_backbone(folder, made))
    same = model([helper.make_node("Identity", ["data"], ["feature"])], [])
    with pytest.raises(ModelFileError, match=r"head.json does not fit .*\[2, 3\]"):
        MetricModel.load(with_backbone(folder, same))
    fixed = model([helper.make_node("Concat", ["data", "data"], ["feature"], axis=0)], [])
    with pytest.raises(ModelFileError, match=r"\[2, 3, 6, 4\] for one image; \[1, ...\] is needed"):
        MetricModel.load(with_backbone(folder, fixed))


HUGE = 10**40
PIXELS = {"height": 6, "width": 4, "colour_order": "rgb", "resize": "stretch"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"grid": [2**40, 2**40]}, "at most 268,435,456 are allowed"),
        ({"grid": [HUGE, 1]}, "numbers an image; at most"),
        ({"dimensions": HUGE}, "numbers an image; at most"),
        ({"dimensions": 4}, r"embeddings of \[3\] numbers, model.json says 4"),
        ({"grid": [4, 6]}, "model.json says 4x6 cells"),
        ({"extras": ["class"]}, "6x4 cells and 1 extras"),
        ({"bias_share": HUGE**20}, "bias_share is too large"),
        ({"name": "\ud800"}, "not valid Unicode"),
        (
            {"preprocessing": PIXELS | {"height": 10**9, "mean": [0] * 3, "std": [1] * 3}},
            "1000000000x4 pixels is too large",
        ),
        (
            {"preprocessing": PIXELS | {"mean": [HUGE**20] * 3, "std": [1] * 3}},
            "cannot be read",
        ),
        ({"preprocessing": PIXELS | {"mean": [0] * 3, "std": [1e-300] * 3}}, "between 1e-09"),
        (
            {"reduction": {"of": "", "grid": [1, 1], "dimensions": 3, "lost": 0, "images": 1}},
            "finer than that of its feature map",
        ),
        (
            {"reduction": {"of": "", "grid": [6, HUGE], "dimensions": 3, "lost": 0, "images": 1}},
            "reduction of grid 6xover 10",
        ),
    ],
)
def test_numbers_that_no_model_has_are_refused(
    changes: dict[str, object], message: str, folder: Path
) -> None:
    with pytest.raises(ModelError, match=message):
        MetricModel.load(change(folder, "model.json", changes))


def step(kind: str, attributes: dict[str, object]) -> list[dict[str, object]]:
    about: dict[str, object] = {"kind": kind, "module_path": "", "attributes": attributes}
    pool = {"axes": [2, 3], "keepdim": False}
    return [
        about | {"name": "x", "inputs": ["feature"]},
        {"kind": "mean", "name": "b", "module_path": "", "inputs": ["x"], "attributes": pool},
    ]


@pytest.mark.parametrize(
    ("kind", "attributes", "message"),
    [
        ("expand", {"shape": [-1, CHANNELS, 2**40, 2**40]}, "does not fit"),
        ("reshape", {"shape": [HUGE, 3]}, "does not fit"),
        ("select", {"axis": HUGE, "index": 0}, "does not fit"),
        ("layer_norm", {"dims": 2**62, "epsilon": 1.0}, "dims must be between 1 and 3"),
        (
            "adaptive_avg_pool2d",
            {"size": [2**14, 2**14]},
            r"result \[5, 16384, 16384\] has more than 67,108,864 numbers",
        ),
    ],
)
def test_a_head_of_huge_values_is_refused_before_they_are_computed(
    kind: str, attributes: dict[str, object], message: str, folder: Path
) -> None:
    with pytest.raises(ModelFileError, match=message):
        MetricModel.load(change(folder, "head.json", {"operators": step(kind, attributes)}))


def test_a_head_that_would_take_too_long_is_refused_when_it_is_loaded(folder: Path) -> None:
    grown, last = step("adaptive_avg_pool2d", {"size": [2000, 2000]})
    window = {"kernel": [801, 801], "stride": [1, 1], "padding": [400, 400], "ceil_mode": False}
    slow = grown | {
        "kind": "avg_pool2d",
        "name": "slow",
        "inputs": ["x"],
        "attributes": window | {"count_include_pad": True},
    }
    operators = [grown, slow, last | {"inputs": ["slow"]}]
    with pytest.raises(ModelFileError, match=r"head\.json: .*avg_pool2d.*operator 'slow' needs"):
        MetricModel.load(change(folder, "head.json", {"operators": operators}))


def test_a_head_of_very_many_operators_is_refused(folder: Path) -> None:
    many = step("relu", {})[:1] * 10_001
    with pytest.raises(ModelFileError, match="10,001 operators; at most 10,000 are allowed"):
        MetricModel.load(change(folder, "head.json", {"operators": many}))


def test_what_is_checked_is_what_is_used(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that changes between two reads would pass the digest and then be another."""
    opened, plain_open = list[str](), os.open

    def recorded(path: str, flags: int) -> int:
        opened.append(path)
        return plain_open(path, flags)

    monkeypatch.setattr(os, "open", recorded)
    MetricModel.load(folder)
    assert sorted(Path(name).name for name in opened if str(folder) in name) == sorted(MOST_BYTES)


def test_json_that_is_no_object_of_ours_is_refused(folder: Path) -> None:
    for text in ("[]", "{}", "[" * 100_000, '{"format": 1e400}', "\xff", json.dumps({"format": 9})):
        (folder / "model.json").write_text(text, encoding="latin-1")
        with pytest.raises(ModelFileError):
            MetricModel.load(folder)
