"""`partlens model` makes folders; a mistake gets one clear line and leaves nothing half made."""

import sys
from pathlib import Path

import head_modules
import pytest
import torch
from click.testing import CliRunner, Result

from partlens.explainer.cli import model
from partlens.explainer.model import MetricModel


def partlens(*arguments: object) -> Result:
    return CliRunner().invoke(model, [str(argument) for argument in arguments])


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights.pth"
    torch.save(head_modules.factory().state_dict(), path)
    return path


def arguments(weights: Path) -> list[object]:
    size = ["--height", 16, "--width", 8]
    return ["--torch", "head_modules:factory", "--weights", weights, *size]


def test_import_and_show(tmp_path: Path, weights: Path) -> None:
    folder = tmp_path / "tiny"
    made = partlens("import", folder, *arguments(weights), "--feature-layer", "stem")
    assert made.exit_code == 0, made.output
    assert "grid: [4, 2]" in made.output and "name: tiny" in made.output
    assert "on random images: completeness error" in made.output
    assert made.output.startswith(partlens("show", folder).output)
    again = partlens("import", folder, *arguments(weights), "--feature-layer", "stem")
    assert again.exit_code == 1 and "already exists" in again.output
    assert MetricModel.load(folder).spec.name == "tiny"
    file = folder / "backbone.onnx"
    file.write_bytes(file.read_bytes()[:-1])
    cut = partlens("show", folder)
    assert cut.exit_code == 1 and "a file was changed or cut short" in cut.output


def test_a_folder_that_is_there_is_noticed_before_any_work(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    result = partlens("import", tmp_path / "taken", "--torch", "nowhere:f", "--weights", "none.pth")
    assert result.exit_code == 1 and "already exists" in result.output


def test_a_module_in_the_working_folder_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "weights.pth"
    torch.save(head_modules.factory().state_dict(), weights)
    (tmp_path / "lying_here.py").write_text("from head_modules import factory as make")
    monkeypatch.chdir(tmp_path)
    before = list(sys.path)
    given = ["--torch", "lying_here:make", "--weights", weights, "--height", 16, "--width", 8]
    made = partlens("import", tmp_path / "tiny", *given, "--feature-layer", "stem")
    assert made.exit_code == 0, made.output
    assert sys.path == before


def test_an_operator_without_a_rule_is_named_with_its_place(tmp_path: Path) -> None:
    weights = tmp_path / "weights.pth"
    torch.save(head_modules.unsupported().state_dict(), weights)
    place = ["--torch", "head_modules:unsupported", "--weights", weights]
    size = ["--height", 16, "--width", 8, "--feature-layer", "stem"]
    result = partlens("import", tmp_path / "out", *place, *size)
    assert result.exit_code == 1 and "aten.cumsum.default (at head)" in result.output
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kept", [0, 500])
def test_weights_that_are_cut_short_leave_nothing_behind(
    tmp_path: Path, weights: Path, kept: int
) -> None:
    weights.write_bytes(weights.read_bytes()[:kept])
    result = partlens("import", tmp_path / "out", *arguments(weights))
    assert result.exit_code == 1 and "weights.pth cannot be read as weights" in result.output
    assert [path.name for path in tmp_path.iterdir()] == ["weights.pth"]


def test_one_door_is_needed(tmp_path: Path, weights: Path) -> None:
    both = partlens("import", tmp_path / "out", *arguments(weights), "--onnx", weights)
    assert both.exit_code == 2 and "give one of" in both.output
    onnx = ["--onnx", weights, "--feature-tensor", "a", "--embedding", "b"]
    wrong = partlens("import", tmp_path / "out", *onnx)
    assert wrong.exit_code == 1 and "is damaged or no ONNX file" in wrong.output


def test_a_checkpoint_and_an_embedding_inside_are_named_in_the_output(
    tmp_path: Path, weights: Path
) -> None:
    state = {f"module.{name}": one for name, one in torch.load(weights).items()}
    torch.save({"ema": state, "other": {"x": torch.ones(1)}}, weights)
    given = [*arguments(weights), "--feature-layer", "stem", "--embedding", "head.1"]
    made = partlens("import", tmp_path / "m", *given)
    assert made.exit_code == 0, made.output
    assert "weights: the entry 'ema', names without the prefix 'module.' of weights.pth" in (
        made.output
    )
    assert "embedding: head.1 (--embedding)" in made.output
    other = partlens("import", tmp_path / "n", *given, "--weights-entry", "other")
    assert other.exit_code == 1 and "(entry 'other') do not fit" in other.output
    wrong = partlens("import", tmp_path / "n", "--hf", tmp_path, "--weights-entry", "x")
    assert wrong.exit_code == 2 and "--weights-entry is only for --torch" in wrong.output
