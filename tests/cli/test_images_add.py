"""`partlens images add`: what it sends, what it keeps, and what it skips."""

import json
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from served import Served, picture, serving

from partlens.cli.main import main
from partlens.client import Client, GalleryImage
from partlens.common.metadata import Metadata
from partlens.indexer.sources import read_source

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    photos = tmp_path / "photos"
    (photos / "sub").mkdir(parents=True)
    for i, name in enumerate(("a.png", "b.png", "sub/c.png")):
        (photos / name).write_bytes(picture(100 + i))
    (photos / "bad.jpg").write_text("not a picture")
    (photos / "notes.txt").write_text("")
    return photos


def add(served: Served, *arguments: object) -> Result:
    given = ["images", "add", *map(str, arguments), "--server", served.target]
    return CliRunner().invoke(main, given)


def held(served: Served, beginning: str) -> dict[str, GalleryImage]:
    with Client(served.target) as client:
        return {one.id: one for one in client.list_images() if one.id.startswith(beginning)}


def test_a_folder_is_added_like_by_index_add_and_resumed(served: Served, folder: Path) -> None:
    result = add(served, folder, "--json")
    assert result.exit_code == 0, result.output
    counts = json.loads(result.stdout)
    assert (counts["added"], counts["unchanged"]) == (3, 0)
    assert [one["id"] for one in counts["skipped"]] == ["photos/bad.jpg"]
    assert "skipped photos/bad.jpg: these 13 bytes are not an image" in result.stderr
    assert "ignored: 1 .txt" in result.stderr
    there = held(served, "photos/")
    expected = {one.id: one.uri for one in read_source(folder) if "bad" not in one.id}
    assert {id: one.uri for id, one in there.items()} == expected
    revisions = {id: one.revision for id, one in there.items()}
    (folder / "b.png").write_bytes(picture(200))
    again = json.loads(add(served, folder, "--json").stdout)
    assert (again["added"], again["replaced"], again["unchanged"]) == (0, 1, 2)
    later = {id: one.revision for id, one in held(served, "photos/").items()}
    assert {id for id in later if later[id] != revisions[id]} == {"photos/b.png"}


def test_metadata_of_a_manifest_comes_first_and_what_nobody_states_stays(
    served: Served, folder: Path
) -> None:
    manifest = folder / "list.csv"
    manifest.write_text("path,id,camera,hat\na.png,m/a,gate,red\nb.png,m/b,,\n")
    options = ("--camera", "yard", "--attribute", "shift=day", "--captured-at", "2026-05-01T12:00Z")
    assert add(served, manifest, *options).exit_code == 0
    there = held(served, "m/")
    assert there["m/a"].metadata == Metadata("gate", "", NOON, {"hat": "red", "shift": "day"})
    assert there["m/b"].metadata == Metadata("yard", "", NOON, {"shift": "day"})
    # One more fact, of the picture alone, keeps the others.
    changed = add(served, folder / "a.png", "--id", "m/a", "--track", "t7", "--json")
    assert json.loads(changed.stdout)["replaced"] == 1
    assert held(served, "m/")["m/a"].metadata == Metadata(
        "gate", "t7", NOON, {"hat": "red", "shift": "day"}
    )
    unchanged = add(served, folder / "a.png", "--id", "m/a")
    assert unchanged.stdout == "0 added, 0 replaced, 1 unchanged, 0 skipped\n"


def test_files_have_the_ids_that_their_folder_would_give_them(served: Served, folder: Path) -> None:
    assert add(served, folder / "sub/c.png", folder / "a.png").exit_code == 0
    assert {"sub/c.png", "photos/a.png"} <= {*held(served, "sub/"), *held(served, "photos/")}


@pytest.mark.parametrize(
    ("given", "code", "message"),
    [
        (("nowhere.png",), 6, "no such file or folder"),
        (("sub", "--id", "x"), 2, "--id is for one picture"),
        (("a.png", "."), 2, "both have the id 'photos/a.png'"),
        (("bad.jpg",), 1, "no picture could be added"),
        (("a.png", "--attribute", "hat"), 2, "is not NAME=VALUE"),
        ((), 2, "Missing argument"),
    ],
)
def test_what_cannot_be_added_is_refused(
    served: Served, folder: Path, given: tuple[str, ...], code: int, message: str
) -> None:
    paths = [folder / one if "." in one or one == "sub" else one for one in given]
    result = add(served, *paths)
    assert result.exit_code == code and message in result.stderr, result.output


def test_it_imports_nothing_heavy() -> None:
    code = (
        "import sys; from partlens.cli.uploading import listed; from pathlib import Path;"
        "listed([Path(sys.argv[1])]);"
        "print([name for name in ('torch', 'faiss', 'lance', 'pyarrow') if name in sys.modules])"
    )
    folder = Path(__file__).parents[2] / "docs"
    done = subprocess.run(
        [sys.executable, "-c", code, folder], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == "[]\n"
