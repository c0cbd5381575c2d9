"""What `partlens index build` says before it starts anything."""

import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from listed_pictures import MODEL, SPEC, write_pictures

from partlens.cli.main import main
from partlens.indexer.gallery import Gallery


def build(*arguments: object) -> Result:
    given = ["index", "build", *map(str, arguments), "--model", str(MODEL)]
    return CliRunner().invoke(main, given)


def test_without_ray_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_AUTH_MODE", "token")  # what the command sets is undone
    monkeypatch.setenv("RAY_AUTH_TOKEN", "")
    for name in [name for name in sys.modules if name.split(".")[0] == "ray"]:
        monkeypatch.delitem(sys.modules, name)
    for name in ("building", "cluster"):
        monkeypatch.delitem(sys.modules, f"partlens.indexer.ray_build.{name}", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)
    pictures = write_pictures(tmp_path / "pictures").parent
    Gallery.create(tmp_path / "gallery", SPEC).close()
    result = build("--engine", "ray", pictures, tmp_path / "gallery")
    assert result.exit_code == 1
    assert 'pip install "partlens[ray,faiss-cpu]"' in result.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["source", "gallery"], "Missing option '--engine'"),
        (["--engine", "local", "source", "gallery"], "'local' is not 'ray'"),
        (["--engine", "ray", "", "gallery"], "SOURCE is empty"),
        (["--engine", "ray", "source", "gs://archive/gallery"], "cannot hold a gallery"),
        (["--engine", "ray", "a", "b", "--address", "ray://10.0.0.1:10001"], "is not host:port"),
    ],
)
def test_usage_errors_end_with_2(arguments: list[str], said: str) -> None:
    result = build(*arguments)
    assert result.exit_code == 2 and said in result.stderr


def test_errors_end_with_the_codes_of_index_add(tmp_path: Path) -> None:
    pictures = write_pictures(tmp_path / "pictures").parent
    busy = tmp_path / "busy"
    with Gallery.create(busy, SPEC) as writer, writer.staging():
        for code, said, source, gallery in (
            (6, "does not exist", tmp_path / "nowhere", busy),
            (5, "there is no gallery", pictures, tmp_path / "nowhere"),
            (7, "written to by another process", pictures, busy),
        ):
            for arguments in (
                ["build", "--engine", "ray", source, gallery],
                ["add", gallery, source],
            ):
                given = ["index", *map(str, arguments), "--model", str(MODEL)]
                result = CliRunner().invoke(main, given)
                assert (result.exit_code, said in result.stderr) == (code, True), result.stderr
