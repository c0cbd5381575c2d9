"""The examples of docs/python.md run from top to bottom."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from partlens.testing import RunningServer, running_server

GUIDE = (Path(__file__).parents[2] / "docs/python.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", GUIDE, re.DOTALL | re.MULTILINE)
PLAIN, LOCKED = "127.0.0.1:50051", "search.example.org:50051"


@pytest.fixture
def guide_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server of its own, as the guide changes the gallery."""
    with running_server(12) as server:
        yield server


@pytest.fixture
def locked_server(tmp_path: Path) -> Iterator[RunningServer]:
    """A server with TLS and a token, whose files are in the test's folder."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    certificate = authority.issue_cert("127.0.0.1")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    for part in certificate.cert_chain_pems:
        part.write_to_path(tmp_path / "server.pem", append=True)
    (tmp_path / "key.pem").chmod(0o600)
    access = {"tls_certificate": tmp_path / "server.pem", "tls_key": tmp_path / "key.pem"}
    with running_server(1, locked=True, settings={"access": access}) as server:
        (tmp_path / "token.txt").write_text(server.credentials.token + "\n")
        yield server


def test_the_guide_runs_from_top_to_bottom(
    guide_server: RunningServer,
    locked_server: RunningServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    images = guide_server.images
    shutil.copy(images[0].path, "query.jpg")
    shutil.copy(images[5].path, "other.jpg")
    Path("photos").mkdir()
    for image in images[:3]:
        shutil.copy(image.path, "photos")
    names: dict[str, object] = {"__name__": "guide"}
    for number, example in enumerate(EXAMPLES):
        text = example.replace(PLAIN, guide_server.target).replace(LOCKED, locked_server.target)
        exec(compile(text, f"docs/python.md, example {number}", "exec"), names)
    printed = capsys.readouterr().out
    for expected in (
        "('search', 'ingest', 'admin')",
        "committed",
        "REGION_INVALID",
        "IMAGE_UNKNOWN",
        "hats door/next",
    ):
        assert expected in printed, expected
    assert "no answer" not in printed
    for name in ("hits.png", "best.png", "pair.png"):
        assert Path(name).read_bytes().startswith(b"\x89PNG")
    test = names["test_my_search"]
    assert callable(test)


def test_the_fixture_of_the_guide_is_the_one_that_is_there(
    partlens_server: RunningServer,
) -> None:
    found: dict[str, object] = {}
    exec(next(one for one in EXAMPLES if "pytest_plugins" in one), found)
    assert found["pytest_plugins"] == ["partlens.testing.fixtures"]
    test = found["test_my_search"]
    assert callable(test)
    test(partlens_server)
