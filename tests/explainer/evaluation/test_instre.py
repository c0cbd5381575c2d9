"""INSTRE's layout, generated small: pictures and boxes are read, or refused by the file."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from PIL import Image

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.instre import read_instre
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate

FIRST = "INSTRE-S1/01a_canada_book/001.jpg"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two objects of three pictures in each of S1 and S2; M, which is not read, is empty."""
    folder = tmp_path_factory.mktemp("instre")
    pictures = iter(generate(12, 3, 2))
    for place in (
        "INSTRE-S1/01a_canada_book",
        "INSTRE-S1/01b_cup",
        "INSTRE-S2/02a",
        "INSTRE-S2/02b",
    ):
        (folder / place).mkdir(parents=True)
        for number in range(1, 4):
            picture = next(pictures)
            Image.fromarray(picture.image).save(folder / place / f"{number:03}.jpg")
            box = picture.box
            text = f"{int(box.x)} {int(box.y)} {int(box.width)} {int(box.height)}\n"
            (folder / place / f"{number:03}.txt").write_text(text)
    (folder / "INSTRE-M").mkdir()
    return folder


def test_the_object_is_label_and_attribute(made: Path) -> None:
    images, attributes = read_instre(made)
    assert len(images) == 12
    first = next(i for i, image in enumerate(images) if image.path == made / FIRST)
    found = attributes["object"]
    assert found.values[first] == images[first].label == "INSTRE-S1/01a_canada_book"
    x, y, width, height = map(int, (made / FIRST).with_suffix(".txt").read_text().split())
    assert found.boxes[first] == Box(x, y, width, height)
    assert sorted(found.values.values())[::3] == sorted(set(found.values.values()))


def test_the_command_searches_among_all_other_pictures(made: Path) -> None:
    given = ["attributes", "--model", str(model_folder()), "--instre", str(made), "--json"]
    run = CliRunner().invoke(evaluate, given)
    found = json.loads(run.output)
    # Of 11 other pictures, 2 show the object, and both are among the first 10 but for one.
    assert found["random"]["precision_at_10"] == pytest.approx(2 / 11)
    assert 0.1 <= found["part"]["precision_at_10"] <= 0.2
    assert found["part"]["precision_at_10_interval"] is not None
    half = json.loads(CliRunner().invoke(evaluate, [*given, "--half", "a"]).output)
    # Two objects, of 5 other pictures 2 show the same.
    assert half["random"]["precision_at_10"] == pytest.approx(2 / 5)
    objects = ("INSTRE-S1/01a_canada_book", "INSTRE-S1/01b_cup", "INSTRE-S2/02a", "INSTRE-S2/02b")
    assert set(found["part"]["by_value"]) == {f"object={name}" for name in objects}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda file: file.write_text("1 2 3\n"), "001.txt holds '1 2 3'; four numbers"),
        (lambda file: file.write_text("1 2 0 4\n"), "001.txt holds '1 2 0 4'; four numbers"),
        (lambda file: file.write_text("1 2 inf 4\n"), "001.txt holds '1 2 inf 4'; four numbers"),
        (lambda file: file.write_text("1 2 3 4\n5 6 7 8\n"), "001.txt holds .*; four numbers"),
        (lambda file: file.write_text("left 2 3 4\n"), "001.txt cannot be read as a box"),
        (lambda file: file.write_bytes(b"\xff"), "001.txt cannot be read as a box"),
        (lambda file: file.unlink(), "001.txt cannot be read as a box.*No such file"),
    ],
)
def test_a_damaged_box_is_named(
    damage: Callable[[Path], object], message: str, tmp_path: Path
) -> None:
    picture = tmp_path / FIRST
    picture.parent.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(picture)
    picture.with_suffix(".txt").write_text("1 2 3 4\n")
    assert len(read_instre(tmp_path)[0]) == 1
    damage(picture.with_suffix(".txt"))
    with pytest.raises(AnnotationError, match=message):
        read_instre(tmp_path)


def test_another_layout_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="has no pictures in INSTRE-S1 or INSTRE-S2"):
        read_instre(tmp_path)
    (tmp_path / "INSTRE-S1").mkdir()
    Image.new("RGB", (8, 8)).save(tmp_path / "INSTRE-S1" / "001.jpg")
    with pytest.raises(AnnotationError, match="not lie in a folder of its object"):
        read_instre(tmp_path)


@pytest.mark.parametrize(
    "more",
    [["--instre", "x", "--images", "y"], ["--images", "y"], ["--instre", "x", "--labels", "z"]],
)
def test_options_that_do_not_fit_are_refused(more: list[str]) -> None:
    run = CliRunner().invoke(evaluate, ["attributes", "--model", str(model_folder()), *more])
    assert run.exit_code == 2 and "give --images and --attributes, or --instre" in run.output
