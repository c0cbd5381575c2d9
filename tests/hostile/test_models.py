"""Changed model folders and ONNX files: a clear error or a correct model, and nothing else.

Each is loaded with a FIFO at hand that a stranger's model names: whoever opened it would wait until
its deadline, and Python's own opens are recorded.
"""

import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from model_folders import COLS, ROWS, tiny
from mutated_models import BAIT, mutate

from partlens.common.confined import GIB, Bounds, run_confined
from partlens.explainer import trial
from partlens.explainer.errors import ExplainerError
from partlens.explainer.head.run import run
from partlens.explainer.model import MetricModel

PIXELS = np.random.default_rng(0).random((2, 3, ROWS, COLS)).astype(np.float32)
_opened: list[str] | None = None


def _record(event: str, arguments: tuple[object, ...]) -> None:
    if event == "open" and _opened is not None and isinstance(arguments[0], str | bytes):
        _opened.append(os.path.realpath(os.fsdecode(arguments[0])))


sys.addaudithook(_record)  # it stays for good, and does nothing between tests


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny(tmp_path_factory.mktemp("model") / "tiny")


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder, which no model may read from."""
    folder = tmp_path / "outside"
    folder.mkdir()
    os.mkfifo(folder / BAIT)
    (folder / "file").write_bytes(b"secret")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(trial, "SECONDS", 60.0)
    monkeypatch.setattr(trial, "_MEMORY", GIB)
    return folder


@pytest.fixture
def opened() -> Iterator[list[str]]:
    global _opened
    _opened = []
    yield _opened
    _opened = None


def check_folders(whole: Path, outside: Path, opened: list[str], seeds: range) -> None:
    outcomes = dict[str, int]()
    for seed in seeds:
        folder = Path(shutil.copytree(whole, outside.parent / f"model-{seed}"))
        mutate(folder, outside, seed)
        opened.clear()
        try:
            made = MetricModel.load(folder)
            found = made.decompose_pixels(PIXELS)
        except ExplainerError as error:
            assert "did not end" not in str(error), f"seed {seed} hung: {error}"
            outcomes["refused"] = outcomes.get("refused", 0) + 1
        else:
            expected = run(made.head, torch.from_numpy(made.backbone(PIXELS))).numpy()
            added = found.contributions.sum(1) + found.bias
            np.testing.assert_allclose(
                added, expected, rtol=1e-3, atol=1e-4 * abs(expected).max(), err_msg=f"seed {seed}"
            )
            outcomes["correct"] = outcomes.get("correct", 0) + 1
        read = [path for path in opened if Path(path).parent == outside]
        assert not read, f"seed {seed} read {read}"
        shutil.rmtree(folder)
    assert set(outcomes) == {"refused", "correct"}, outcomes


def check_imports(outside: Path, seeds: range) -> None:
    script = Path(__file__).with_name("import_models.py")
    helpers = Path(__file__).parents[1] / "helpers"
    code = (
        f"import runpy, sys; sys.path.insert(0, {str(helpers)!r}); sys.argv = ['', "
        f"'{seeds.start}', '{len(seeds)}']; runpy.run_path({str(script)!r}, run_name='__main__')"
    )
    deadline = 100.0 if len(seeds) < 100 else 1500.0
    wrote = run_confined([sys.executable, "-P", "-c", code], b"", Bounds(3 * GIB, deadline))
    outcomes = [json.loads(line) for line in wrote.splitlines()]
    assert [one["seed"] for one in outcomes] == list(seeds)
    assert not [one for one in outcomes if one["outcome"].startswith("traceback")]
    assert {one["outcome"].split(":")[0] for one in outcomes} == {"refused", "a model"}


def test_changed_folders(whole: Path, outside: Path, opened: list[str]) -> None:
    check_folders(whole, outside, opened, range(40))


def test_changed_imports(outside: Path) -> None:
    check_imports(outside, range(30))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_changed_folders(whole: Path, outside: Path, opened: list[str]) -> None:
    check_folders(whole, outside, opened, range(40, 2000))


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_many_changed_imports(outside: Path) -> None:
    check_imports(outside, range(30, 2000))
