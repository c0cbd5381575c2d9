"""`partlens explain --model` and `partlens maps`: what a library computes, without a server."""

import json
import shutil
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from served import Served, picture

from partlens.cli.commands import needing
from partlens.cli.main import main
from partlens.common.regions import Box
from partlens.explainer.folder_maps import Asked, write_maps
from partlens.explainer.maps_list import LISTED
from partlens.explainer.model import MetricModel

REGION = Box(5, 6, 15, 20)
GIVEN = "5,6,15,20"


def partlens(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """A folder of pictures, one of them in a subfolder, and one file that is none."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for seed, name in enumerate(("a.png", "b.png", "sub/c.png")):
        (folder / name).write_bytes(picture(seed))
    (folder / "bad.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def query(tmp_path: Path) -> Path:
    path = tmp_path / "query.png"
    path.write_bytes(picture(7))
    return path


def test_a_model_folder_explains_a_pair_as_a_server_of_that_model_does(
    served: Served, query: Path, pictures: Path, tmp_path: Path
) -> None:
    asked = ("explain", query, pictures / "a.png", "--region", GIVEN, "--point", "2:20,30")
    drawn = tmp_path / "server.png", tmp_path / "model.png"
    results = [
        partlens(*asked, "--server", served.target, "--json", "--out", drawn[0]),
        partlens(*asked, "--model", served.model, "--json", "--out", drawn[1]),
    ]
    theirs, ours = (json.loads(result.stdout) for result in results)
    assert ours["model_digest"] == MetricModel.load(served.model).spec.digest
    assert set(ours) - set(theirs) == {"model", "model_digest"}
    assert set(theirs) - set(ours) == {"query_ids"}
    for key in ("similarity", "query_map", "query_map_with_bias", "retrieved_map", "bias_share"):
        np.testing.assert_allclose(ours[key], theirs[key], atol=1e-5)
    for one, other in zip(ours["partial_maps"], theirs["partial_maps"], strict=True):
        assert one["side"] == other["side"]
        np.testing.assert_allclose(one["map"], other["map"], atol=1e-5)
        assert one["constant"] == pytest.approx(other["constant"], abs=1e-5)
    figures = [np.asarray(Image.open(path), np.float64) for path in drawn]
    assert np.abs(figures[0] - figures[1]).mean() < 0.5
    assert f"figure: {drawn[1]}" in results[1].stderr


def test_what_is_printed_adds_up(served: Served, query: Path, pictures: Path) -> None:
    asked = ("explain", query, pictures / "a.png", "--model", served.model)
    table = partlens(*asked, "--region", GIVEN)
    assert table.exit_code == 0 and "region 1, on the query" in table.stdout
    plain = json.loads(partlens(*asked, "--json").stdout)
    terms, similarity = plain["terms"], plain["similarity"]
    assert sum(terms.values()) == pytest.approx(similarity, abs=1e-5)
    of_query = np.sum(plain["query_map_with_bias"]) + terms["bias_position"] + terms["bias_bias"]
    assert of_query == pytest.approx(similarity, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--server", "localhost:1"), "--server needs a server, and --model works without one"),
        (("--token-file", "token"), "--token-file needs a server"),
        (("--report", "a.html"), "--out writes a figure"),
        (("--gallery-id", "01"), "exactly two"),
        (("--out", "a.pdf"), "must end in one of .png"),
        (("--scale", "0"), "not in the range"),
        (("--region", "900,900,5,5"), "outside the 30x44 image"),
    ],
)
def test_options_that_do_not_go_with_a_model_are_refused(
    served: Served, query: Path, pictures: Path, options: tuple[str, ...], message: str
) -> None:
    result = partlens("explain", query, pictures / "a.png", "--model", served.model, *options)
    assert result.exit_code != 0 and message in result.stderr


def test_no_server_credentials_are_read_with_a_model(
    served: Served, query: Path, pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PARTLENS_TOKEN_FILE", str(pictures / "missing"))
    asked = ("explain", query, pictures / "a.png")
    assert "missing" in partlens(*asked, "--server", served.target).stderr
    assert partlens(*asked, "--model", served.model).exit_code == 0


def test_ids_of_a_gallery_are_refused_with_a_model(served: Served) -> None:
    given = ("--gallery-id", "01", "--query-id", "q-0")
    result = partlens("explain", *given, "--model", served.model)
    assert result.exit_code == 2 and "give two pictures" in result.stderr


def test_a_missing_part_says_what_to_install() -> None:
    with pytest.raises(click.ClickException, match=r'pip install "partlens\[explainer\]"'):
        with needing("partlens.explainer"):
            raise ImportError("No module named 'torch'")


@pytest.mark.parametrize("region", [None, REGION])
def test_maps_of_a_folder_are_those_of_the_library(
    served: Served, query: Path, pictures: Path, tmp_path: Path, region: Box | None
) -> None:
    out = tmp_path / "maps"
    given = () if region is None else ("--region", GIVEN)
    asked = ("maps", pictures, "--against", query, "--model", served.model, "--out", out)
    result = partlens(*asked, *given, "--json")
    plain = json.loads(result.stdout)
    assert (plain["written"], plain["unchanged"]) == (3, 0) and result.exit_code == 0
    assert [one["image"] for one in plain["skipped"]] == ["bad.jpg"]
    assert "skipped bad.jpg: these 10 bytes are not an image" in result.stderr
    model = MetricModel.load(served.model)
    about, *lines = (json.loads(line) for line in (out / LISTED).read_text().splitlines())
    for line in lines:
        pair = model.explain(query, pictures / line["image"])
        map = pair.retrieved_map() if region is None else pair.partial_map(region)
        found = np.load(out / f"{line['image']}.npy", allow_pickle=False)
        np.testing.assert_allclose(found, map.numpy(), atol=1e-6)
        assert found.sum() + line["constant"] == pytest.approx(line["total"], abs=1e-5)
        assert line["total"] == pytest.approx(map.total, abs=1e-5)
        with Image.open(out / f"{line['image']}.png") as drawn:
            assert drawn.size == map.figure(about["scale"]).image.size
    names = {f"{name}{end}" for name in ("a.png", "b.png", "sub/c.png") for end in (".npy", ".png")}
    there = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert there == names | {LISTED}


def test_a_stopped_run_resumes_and_does_again_only_what_it_lacks(
    served: Served, query: Path, pictures: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "maps", MetricModel.load(served.model)
    asked = Asked(pictures, "query", query.read_bytes(), REGION, out)

    def run() -> dict[str, str]:
        done = write_maps(model, asked)
        return {
            one.image: "skipped" if one.skipped else "unchanged" if one.unchanged else "written"
            for one in done
        }

    next(write_maps(model, asked))  # killed after the first image
    with open(out / LISTED, "a") as file:
        file.write('{"image": "b.png", "digest": "cut sho')
    others = {"bad.jpg": "skipped", "sub/c.png": "written"}
    assert run() == {"a.png": "unchanged", "b.png": "written"} | others
    done = {"a.png": "unchanged", "b.png": "unchanged", "sub/c.png": "unchanged"}
    before = (out / LISTED).read_bytes()
    assert run() == done | {"bad.jpg": "skipped"}
    assert (out / LISTED).read_bytes() == before
    (pictures / "b.png").write_bytes(picture(9))
    (out / "sub/c.png.npy").unlink()
    (pictures / "bad.jpg").write_bytes(picture(10))
    changed = {"b.png": "written", "sub/c.png": "written", "bad.jpg": "written"}
    assert run() == done | changed
    run()
    lines = [json.loads(line) for line in (out / LISTED).read_text().splitlines()[1:]]
    assert sorted(line["image"] for line in lines) == ["a.png", "b.png", "bad.jpg", "sub/c.png"]


def test_maps_of_another_question_are_not_mixed(
    served: Served, query: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "maps"
    asked = ("maps", pictures, "--against", query, "--model", served.model, "--out", out)
    assert partlens(*asked, "--region", GIVEN).exit_code == 0
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    for other, differing in (
        (("--region", "5,6,15,21"), "region"),
        (("--region", GIVEN, "--scale", "7"), "scale"),
        (("--region", GIVEN, "--against", pictures / "a.png"), "query"),
    ):
        result = partlens(*asked, *other)
        assert result.exit_code == 6 and f"another {differing}" in result.stderr
    assert before == {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}


def test_folders_that_maps_cannot_be_read_from_or_written_to_are_refused(
    served: Served, query: Path, pictures: Path, tmp_path: Path
) -> None:
    asked = ("maps", pictures, "--against", query, "--model", served.model)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a.txt").write_text("")
    (tmp_path / "empty").mkdir()
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / LISTED).write_text("[1]\n")
    for arguments, message in (
        ((*asked, "--out", pictures / "maps"), "lies in"),
        ((*asked, "--out", tmp_path / "full"), "choose a new folder or an empty one"),
        ((*asked, "--out", tmp_path / "damaged"), "line 1: not a JSON object"),
        ((*asked, "--out", tmp_path / "m", "--region", GIVEN, "--point", "1,1"), "give one"),
        ((*asked, "--out", tmp_path / "m", "--region", "2:1,1,5,5"), "image 2"),
        ((*asked, "--out", tmp_path / "m", "--region", "1,1,5,5@2"), "no @WEIGHT"),
        (("maps", tmp_path / "empty", *asked[2:], "--out", tmp_path / "m"), "contains no images"),
    ):
        result = partlens(*arguments)
        assert result.exit_code != 0 and message in result.stderr, message
    assert not (tmp_path / "m").exists() and not (pictures / "maps").exists()


def test_a_folder_of_bad_pictures_only_is_a_failure(
    served: Served, query: Path, pictures: Path, tmp_path: Path
) -> None:
    bad = tmp_path / "bad"
    bad.mkdir()
    shutil.copy(pictures / "bad.jpg", bad / "only.jpg")
    (bad / ("n" * 240 + ".png")).write_bytes(picture(1))
    asked = ("--against", query, "--model", served.model, "--out", tmp_path / "m")
    result = partlens("maps", bad, *asked)
    assert result.exit_code == 1 and "no image of the folder could be read" in result.stderr
    assert "name is too long" in result.stderr


def test_a_map_that_cannot_be_written_ends_the_run(
    served: Served, query: Path, pictures: Path, tmp_path: Path
) -> None:
    out = tmp_path / "maps"
    asked = ("maps", pictures, "--against", query, "--model", served.model, "--out", out)
    assert partlens(*asked).exit_code == 0
    shutil.rmtree(out / "sub")
    (out / "sub").write_text("in the way")
    result = partlens(*asked)
    assert result.exit_code == 1 and "File exists" in result.stderr
    assert "skipped sub" not in result.stderr
