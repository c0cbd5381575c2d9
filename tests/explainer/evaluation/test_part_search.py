"""The measure of part search: right where worked out by hand, better for a better ranking."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_annotations
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.part_search import (
    PartQuery,
    PartScores,
    choose_queries,
    decompose_all,
    evaluate_parts,
    judge,
)
from partlens.explainer.model import MetricModel, read_spec
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate
from partlens.explainer.starter.pictures.manifest import write_pictures


def image(name: str, label: str, **parts: tuple[float, float]) -> AnnotatedImage:
    return AnnotatedImage(name, label, 100, 100, Box(0, 0, 80, 20), parts)


# REACH * sqrt(80 * 20) = 10 pixels.
IMAGES = (
    image("0", "wren", beak=(50, 50)),
    image("1", "wren", beak=(20, 20)),
    image("2", "lark", beak=(30, 30)),
    image("3", "lark"),
)


def test_a_ranking_is_judged_as_worked_out_by_hand() -> None:
    scores = np.array([[9.0, 3.0, 2.0, 1.0]])
    places = np.array([[[0, 0], [26, 28], [30, 40.1], [0, 0]]], float)
    found = judge(IMAGES, [PartQuery(0, "beak")], scores, places)
    # Own image first and passed over; of 3 others 1 is a wren; of 2 beaks 1 lies within 10 pixels.
    assert found.by_part == {"beak": PartScores(1 / 3, 0.5)}
    assert found.mean == found.by_part["beak"]


def test_only_the_first_ten_count() -> None:
    images = [image(str(i), "wren" if i < 12 else "lark", beak=(i, 0)) for i in range(24)]
    scores = -np.arange(24.0)[None]
    places = np.array([[i, 0.0] for i in range(24)])[None]
    best = judge(images, [PartQuery(0, "beak")], scores, places)
    worst = judge(images, [PartQuery(0, "beak")], -scores, places + 50)
    assert (best.mean, worst.mean) == (PartScores(1, 1), PartScores(0, 0))


def test_queries_are_visible_distinct_and_the_same_for_the_same_seed() -> None:
    queries = choose_queries(IMAGES, ["beak"], 2, seed=3)
    assert queries == choose_queries(IMAGES, ["beak"], 2, seed=3)
    assert len({query.image for query in queries}) == 2
    assert all("beak" in IMAGES[query.image].parts for query in queries)
    with pytest.raises(AnnotationError, match=r"'tail' is visible in 0 images.*beak"):
        choose_queries(IMAGES, ["tail"], 2, seed=3)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("people")
    write_pictures(generate(80, 4321, 4), made)
    return made


def test_the_starter_finds_shoes_far_more_often_than_chance(folder: Path) -> None:
    model = MetricModel.load(model_folder())
    images = read_annotations(folder / "images.csv", folder / "parts.csv")
    queries = choose_queries(images, ["shoes", "hat"], 12, seed=0)
    found = evaluate_parts(model, images, decompose_all(model, images, folder), queries)
    assert found["context"].mean.precision_at_10 > 2 * found["random"].mean.precision_at_10
    assert found["context"].mean.part_hit > 2 * found["random"].mean.part_hit


def test_the_command_prints_the_documented_json_twice_alike(folder: Path) -> None:
    arguments = ["parts", "--model", str(model_folder()), "--images", str(folder)]
    arguments += ["--annotations", str(folder / "images.csv"), "--parts", str(folder / "parts.csv")]
    arguments += ["--part", "shoes", "--queries", "5", "--json"]
    first, second = (CliRunner().invoke(evaluate, arguments).output for _ in range(2))
    assert first == second
    plain = json.loads(first)
    assert set(plain) == {"random", "whole", "part", "context"}
    for found in plain.values():
        assert set(found) == {"precision_at_10", "part_hit", "by_part"}
        assert set(found["by_part"]["shoes"]) == {"precision_at_10", "part_hit"}
    table = CliRunner().invoke(evaluate, arguments[:-1]).output
    assert "shoes" in table and "context" in table


def test_the_command_measures_contributions_of_one_byte(folder: Path) -> None:
    arguments = ["parts", "--model", str(model_folder()), "--images", str(folder)]
    arguments += ["--annotations", str(folder / "images.csv"), "--parts", str(folder / "parts.csv")]
    arguments += ["--part", "shoes", "--queries", "2"]
    spec = read_spec(model_folder())
    for storage, each in (("float16", 2 * spec.dimensions), ("int8", spec.dimensions + 4)):
        run = CliRunner().invoke(evaluate, [*arguments, "--storage", storage])
        size = spec.positions * each + 4 * spec.dimensions
        assert f"{size:,} bytes per image" in run.output


def test_an_image_of_another_size_is_refused(folder: Path, tmp_path: Path) -> None:
    wrong = (folder / "images.csv").read_text().replace(",96,", ",97,")
    assert wrong != (folder / "images.csv").read_text()
    (tmp_path / "images.csv").write_text(wrong)
    arguments = ["parts", "--model", str(model_folder()), "--images", str(folder)]
    arguments += ["--annotations", str(tmp_path / "images.csv")]
    arguments += ["--parts", str(folder / "parts.csv"), "--part", "shoes"]
    run = CliRunner().invoke(evaluate, arguments)
    assert run.exit_code == 1
    assert "but annotated as 97x" in run.output
