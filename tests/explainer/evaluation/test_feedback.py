"""What a round of feedback adds is measured on images that were not shown."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from partlens.explainer.evaluation.annotations import read_annotations
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.feedback import Weights, evaluate_feedback
from partlens.explainer.evaluation.part_quality import PartQuery
from partlens.explainer.evaluation.part_search import choose_queries, decompose_all, part_region
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import (
    Mark,
    QueryPart,
    best_place,
    query_part,
    score_images,
    with_marks,
)
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate
from partlens.explainer.starter.pictures.manifest import write_pictures


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("people")
    write_pictures(generate(60, 4321, 4), made)
    return made


def test_one_query_is_judged_as_by_hand(folder: Path) -> None:
    model, shown = MetricModel.load(model_folder()), 6
    images = read_annotations(folder / "images.csv", folder / "parts.csv")
    seen, grid = decompose_all(model, images, folder), model.spec.grid
    number = next(i for i, image in enumerate(images) if "shoes" in image.parts)
    part = part_region(model, images, seen, PartQuery(number, "shoes"))
    same = [image.label == images[number].label for image in images]
    everything = slice(0, len(images))

    def order(searched: QueryPart) -> list[int]:
        found = score_images(
            "context", [searched], seen.contributions[everything], seen.bias, grid
        ).scores
        return [i for i in np.argsort(-found, kind="stable").tolist() if i != number]

    first = order(part)
    marks = []
    wrong = sum(not same[i] for i in first[:shown])
    for i in first[:shown]:
        covered = best_place(part, seen.contributions[i], grid)
        laid = query_part(seen.contributions[i], seen.bias[i], covered, grid)
        marks.append(Mark(laid, 0.9 if same[i] else -0.3 / wrong))
    again = [i for i in order(with_marks(part, marks)) if i not in first[:shown]]
    hits = [place for place, i in enumerate(again, 1) if same[i]]
    query, weights = PartQuery(number, "shoes"), Weights(0.9, 0.3)
    found = evaluate_feedback(model, images, seen, [query], shown, weights)["both"]
    assert 0 < wrong < shown and found.queries == 1
    average = np.mean([n / place for n, place in enumerate(hits, 1)])
    assert found.average_after == pytest.approx(average)
    assert found.precision_after == sum(same[i] for i in again[:10]) / min(10, len(hits))
    gain = found.average_after - found.average_before
    assert found.interval == pytest.approx((gain, gain))


def test_weights_of_0_gain_nothing(folder: Path) -> None:
    model = MetricModel.load(model_folder())
    images = read_annotations(folder / "images.csv", folder / "parts.csv")
    seen = decompose_all(model, images, folder)
    queries = choose_queries(images, ["shoes", "hat"], 4, seed=0)
    found = evaluate_feedback(model, images, seen, queries, 5, Weights(0, 0))
    for one in found.values():
        assert one.average_after == one.average_before and one.interval == (0, 0)


def test_the_command_prints_the_same_json_twice_and_refuses_wrong_weights(folder: Path) -> None:
    arguments = ["feedback", "--model", str(model_folder()), "--images", str(folder)]
    arguments += ["--annotations", str(folder / "images.csv"), "--parts", str(folder / "parts.csv")]
    arguments += ["--part", "shoes", "--queries", "5"]
    first, second = (CliRunner().invoke(evaluate, [*arguments, "--json"]).output for _ in range(2))
    assert first == second
    assert set(json.loads(first)) <= {"like", "unlike", "both"} and json.loads(first)
    assert "mAP" in CliRunner().invoke(evaluate, arguments).output
    for weight in ("nan", "-1", "inf"):
        wrong = CliRunner().invoke(evaluate, [*arguments, "--unlike", weight])
        assert wrong.exit_code == 1 and "give a finite number" in wrong.output
    nothing = CliRunner().invoke(evaluate, [*arguments, "--shown", "1000"])
    assert nothing.exit_code == 1 and "Error: after the first 1000 hits, no image" in nothing.output
