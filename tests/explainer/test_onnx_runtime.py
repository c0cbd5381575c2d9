"""ONNX Runtime tells nobody what it runs, and leaves nothing in the home of who runs it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

LOAD = """
from partlens.explainer import MetricModel
from partlens.explainer.starter import model_folder
MetricModel.load(model_folder())
"""


def left_behind(home: Path, code: str, **environment: str) -> list[str]:
    """Files that a program leaves in an empty home."""
    home.mkdir()
    inherited = {k: v for k, v in os.environ.items() if k != "ORT_DISABLE_TELEMETRY"}
    subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, "HOME": str(home), **environment},
        check=True,
        timeout=120,
    )
    return [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()]


def test_a_model_is_loaded_without_reports(tmp_path: Path) -> None:
    found = left_behind(tmp_path / "home", LOAD)
    assert not [name for name in found if "onnxruntime" in name]


def test_the_reports_that_are_kept_from_being_written_exist(tmp_path: Path) -> None:
    """Where this skips, ONNX Runtime has changed and the test above proves nothing."""
    found = left_behind(tmp_path / "home", LOAD, ORT_DISABLE_TELEMETRY="0")
    if not [name for name in found if "onnxruntime" in name]:
        pytest.skip("this build of ONNX Runtime writes no reports")
