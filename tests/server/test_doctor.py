"""The doctor names what is active and complains of what cannot work."""

import pytest
from click.testing import CliRunner

from partlens.server.doctor import doctor, examine, installed


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
    assert result.stderr.count("complaint: ") == len(complaints)
