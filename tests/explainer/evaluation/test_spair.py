"""SPair-71k's layout, generated small: pairs are read whole, or refused by the file."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.spair import read_spair
from partlens.explainer.starter import model_folder

PAIR = "PairAnnotation/test/000001-a-b:bird.json"
POINTS = {
    "a": {"0": [3, 4], "1": [10, 4], "2": None},
    "b": {"0": None, "1": [12, 8], "2": [20, 9]},
    "c": {"0": [5, 6], "1": None, "2": None},
}


def pair(source: str, target: str, category: str) -> dict[str, Any]:
    return {
        "src_imname": f"{source}.jpg",
        "trg_imname": f"{target}.jpg",
        "src_imsize": [40, 30, 3],
        "trg_imsize": [40, 30, 3],
        "src_bndbox": [2, 1, 22, 11],
        "trg_bndbox": [2, 1, 22, 11],
        "category": category,
        "kps_ids": ["1"],
    }


@pytest.fixture
def spair(tmp_path: Path) -> Path:
    random = np.random.default_rng(0)
    for category in ("bird", "car"):
        for name, points in POINTS.items():
            picture = tmp_path / "JPEGImages" / category / f"{name}.jpg"
            picture.parent.mkdir(parents=True, exist_ok=True)
            pixels = random.integers(0, 255, (30, 40, 3), np.uint8)
            Image.fromarray(pixels).save(picture)
            write(tmp_path / "ImageAnnotation" / category / f"{name}.json", {"kps": points})
        for number, (one, other) in enumerate([("a", "b"), ("b", "a"), ("b", "c")], start=1):
            file = f"PairAnnotation/test/{number:06}-{one}-{other}:{category}.json"
            write(tmp_path / file, pair(one, other, category))
    return tmp_path


def write(file: Path, what: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(what if isinstance(what, str) else json.dumps(what))


def test_pairs_with_a_common_point_are_read(spair: Path) -> None:
    found = read_spair(spair)
    box = Box(2, 1, 20, 10)
    a = AnnotatedImage("bird/a.jpg", "bird", 40, 30, box, {"0": (3, 4), "1": (10, 4)})
    b = AnnotatedImage("bird/b.jpg", "bird", 40, 30, box, {"1": (12, 8), "2": (20, 9)})
    named = [(found.images[s], found.images[t]) for s, t in found.pairs]
    assert named[0] == (a, b) and (b, a) in named
    # b and c have no point in common.
    assert sorted((s.image, t.image) for s, t in named) == [
        ("bird/a.jpg", "bird/b.jpg"),
        ("bird/b.jpg", "bird/a.jpg"),
        ("car/a.jpg", "car/b.jpg"),
        ("car/b.jpg", "car/a.jpg"),
    ]
    of_birds = read_spair(spair, "test", "bird")
    assert {image.label for image in of_birds.images} == {"bird"} and len(of_birds.pairs) == 2


def changed(key: str, value: object) -> Callable[[Path], None]:
    return lambda folder: write(folder / PAIR, {**pair("a", "b", "bird"), key: value})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: write(f / PAIR, "{"), f"{PAIR} cannot be read as JSON"),
        (lambda f: write(f / PAIR, "[" * 100_000), f"{PAIR} cannot be read as JSON"),
        (lambda f: write(f / PAIR, "[1]"), f"{PAIR} must hold a JSON object, but holds list"),
        (lambda f: (f / PAIR).write_bytes(b"\xff\xfe{"), f"{PAIR} cannot be read as JSON"),
        (changed("category", None), "category is 'None'; a name without folder"),
        (changed("src_imname", "../a.jpg"), "src_imname is '../a.jpg'; a name without folder"),
        (changed("trg_imname", ".."), "trg_imname is '..'; a name without folder"),
        (changed("src_imsize", [40]), r"src_imsize is \[40\]; 2 numbers in pixels"),
        (changed("src_imsize", [40, "30"]), "src_imsize is .*; 2 numbers in pixels"),
        (changed("src_imsize", [40, 10**400]), "src_imsize is .*; 2 numbers in pixels"),
        (changed("trg_bndbox", [2, 1, 22, float("nan")]), "trg_bndbox is .*; 4 numbers"),
        (changed("trg_bndbox", [22, 1, 2, 11]), "trg_bndbox must have an area above 0"),
        (
            lambda f: write(f / "ImageAnnotation/bird/a.json", {"kps": [[3, 4]]}),
            "bird/a.json: kps must be an object",
        ),
        (
            lambda f: write(f / "ImageAnnotation/bird/a.json", {"kps": {"0": [3]}}),
            r"bird/a.json: 0 is \[3\]; 2 numbers in pixels",
        ),
        (
            lambda f: (f / "ImageAnnotation/bird/a.json").unlink(),
            "bird/a.json cannot be read as JSON: .*No such file",
        ),
    ],
)
def test_a_damaged_file_is_named(damage: Callable[[Path], None], message: str, spair: Path) -> None:
    damage(spair)
    with pytest.raises(AnnotationError, match=message):
        read_spair(spair)


def test_what_is_not_there_is_said_with_what_is(spair: Path) -> None:
    with pytest.raises(AnnotationError, match="no PairAnnotation/val"):
        read_spair(spair, "val")
    with pytest.raises(AnnotationError, match=r"no pair of category 'cow'.* bird, car"):
        read_spair(spair, "test", "cow")


def test_the_command_measures_its_pairs(spair: Path) -> None:
    given = ["keypoints", "--model", str(model_folder()), "--spair", str(spair), "--json"]
    run = CliRunner().invoke(evaluate, [*given, "--mirror", "1=2"])
    found = json.loads(run.output)["map"]
    assert found["per_image"]["tries"] == 4 and found["per_point"]["tries"] == 4
    # Point 1 goes to b twice, where point 2 is visible too.
    assert found["mirrored"]["tries"] == 2
    one = CliRunner().invoke(evaluate, [*given, "--category", "car"])
    assert json.loads(one.output)["map"]["per_image"]["tries"] == 2
    half = CliRunner().invoke(evaluate, [*given, "--half", "a"])
    assert json.loads(half.output)["map"]["per_image"]["tries"] == 2


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (["--spair", "x", "--images", "y"], "or --spair with or without --category"),
        (["--images", "y"], "give --images, --annotations and --parts"),
        (["--spair", "x", "--mirror", "eye"], "'eye' is not a pair of parts"),
        (["--spair", "nowhere"], "nowhere has no PairAnnotation"),
    ],
)
def test_options_that_do_not_fit_are_refused(more: list[str], message: str) -> None:
    run = CliRunner().invoke(evaluate, ["keypoints", "--model", str(model_folder()), *more])
    assert run.exit_code and message in run.output
