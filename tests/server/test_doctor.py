"""The doctor names what is active and complains of what cannot work."""

import sys
from pathlib import Path

import faiss
import pytest
from click.testing import CliRunner

from partlens.explainer.model import read_spec
from partlens.explainer.starter import model_folder
from partlens.server.doctor import doctor, examine, installed, try_faiss


@pytest.mark.parametrize(
    ("versions", "words"),
    [
        ({"faiss-cpu": "1.15.1", "faiss-gpu": "1.15.1"}, "both installed"),
        ({"faiss-cpu": None, "faiss-gpu": None}, "neither faiss-cpu nor faiss-gpu"),
        ({"faiss-cpu": "1.15.1", "faiss-gpu": None, "torch": None}, "torch is not installed"),
    ],
)
def test_what_cannot_work_is_complained_of(versions: dict[str, str | None], words: str) -> None:
    (complaint,) = examine(versions).complaints
    assert words in complaint


@pytest.mark.parametrize("active", ["faiss-cpu", "faiss-gpu"])
def test_one_faiss_is_enough(active: str) -> None:
    versions: dict[str, str | None] = {"faiss-cpu": None, "faiss-gpu": None}
    assert examine({**versions, active: "1.15.1"}).complaints == ()


def test_the_command_reports_this_installation() -> None:
    result = CliRunner().invoke(doctor)
    complaints = examine(installed()).complaints
    assert result.exit_code == (1 if complaints else 0)
    assert "python 3." in result.stdout and "torch 2." in result.stdout
    assert "active faiss: " in result.stdout
    assert f"module faiss: imports, version {faiss.__version__}" in result.stdout
    assert f"starter model: {read_spec(model_folder()).digest}" in result.stdout
    assert result.stderr.count("complaint: ") == len(complaints)


def test_a_faiss_that_does_not_import_is_complained_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken_faiss.py").write_text("raise OSError('libgomp is missing')")
    monkeypatch.syspath_prepend(tmp_path)
    trial = try_faiss("broken_faiss")
    assert trial.finding == "does not import" and "libgomp is missing" in trial.complaint
    assert "broken_faiss" not in sys.modules
