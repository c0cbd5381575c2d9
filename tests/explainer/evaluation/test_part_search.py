"""The measure of part search: right where worked out by hand, better for a better ranking."""

import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_annotations
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.commands.options import of_half
from partlens.explainer.evaluation.part_quality import PartQuery, PartScores, judge
from partlens.explainer.evaluation.part_search import choose_queries, decompose_all, evaluate_parts
from partlens.explainer.evaluation.region_search import best
from partlens.explainer.model import MetricModel, read_spec
from partlens.explainer.regions import position_weights
from partlens.explainer.scoring import Score, query_part, score_images
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
    first = best(np.array([[9.0, 3.0, 2.0, 1.0]]), np.array([[True, False, False, False]]))
    assert first[0].tolist() == [1, 2, 3]
    places = np.array([[[26, 28], [30, 40.1], [0, 0]]], float)
    found = judge(IMAGES, [PartQuery(0, "beak")], first, [*places])
    # Of 3 other images 1 is a wren; of 2 beaks 1 lies within 10 pixels.
    assert found.by_part == {"beak": PartScores(1 / 3, 0.5)}
    assert found.mean == found.by_part["beak"]


def test_only_the_first_ten_count() -> None:
    images = [image(str(i), "wren" if i < 12 else "lark", beak=(i, 0)) for i in range(24)]
    places = np.array([[i, 0.0] for i in range(24)])
    queries, scores = [PartQuery(0, "beak")], -np.arange(24.0)[None]
    (most,), (least,) = (best(one, np.eye(1, 24, dtype=bool)) for one in (scores, -scores))
    assert judge(images, queries, [most], [places[most]]).mean == PartScores(1, 1)
    assert judge(images, queries, [least], [places[least] + 50]).mean == PartScores(0, 0)


def test_the_best_are_those_of_a_full_sort_without_the_skipped() -> None:
    random = np.random.default_rng(0)
    scores = random.integers(0, 6, (20, 15)).astype(float)  # many equal ones
    skipped = random.random((20, 15)) < 0.3
    for found, row, out in zip(best(scores, skipped), scores, skipped, strict=True):
        others = [i for i in range(15) if not out[i]]
        assert found.tolist() == sorted(others, key=lambda i: (-row[i], i))[:10]


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
        names = {"precision_at_10", "part_hit"}
        assert set(found) == {"by_part", "counts", *names, *(f"{name}_interval" for name in names)}
        for name in names:
            low, high = found[f"{name}_interval"]
            assert low <= found[name] <= high
        assert set(found["by_part"]["shoes"]) == {"precision_at_10", "part_hit"}
    table = CliRunner().invoke(evaluate, arguments[:-1]).output
    assert "shoes" in table and "context" in table and "95 % from" in table


def test_halves_of_the_labels_are_measured_apart(folder: Path) -> None:
    arguments = ["parts", "--model", str(model_folder()), "--images", str(folder)]
    arguments += ["--annotations", str(folder / "images.csv"), "--parts", str(folder / "parts.csv")]
    arguments += ["--part", "shoes", "--queries", "5", "--json"]
    images = read_annotations(folder / "images.csv", folder / "parts.csv")
    apart = set[str]()
    for half in ("a", "b"):
        run = CliRunner().invoke(evaluate, [*arguments, "--half", half, "--half-seed", "3"])
        mine = of_half(images, half, 3)
        assert not apart & {image.label for image in mine}
        apart |= {image.label for image in mine}
        model = MetricModel.load(model_folder())
        queries = choose_queries(mine, ["shoes"], 5, seed=0)
        seen = decompose_all(model, mine, folder)
        expected = evaluate_parts(model, mine, seen, queries)["context"].to_json()
        assert json.loads(run.output)["context"] == json.loads(json.dumps(expected))
    assert apart == {image.label for image in images}


def test_stacked_searches_rank_as_one_at_a_time(folder: Path) -> None:
    """Against score_images for one part and all images, the places from the same call."""
    model = MetricModel.load(model_folder())
    images = read_annotations(folder / "images.csv", folder / "parts.csv")
    queries = choose_queries(images, ["shoes", "hat"], 2, seed=1)
    seen = decompose_all(model, images, folder)
    found = evaluate_parts(model, images, seen, queries)
    spec = model.spec
    for score in get_args(Score):
        first, places = [], []
        for query in queries:
            it = images[query.image]
            (x, y), side = it.parts[query.part], 0.25 * (it.box.width * it.box.height) ** 0.5
            square = Box(x - side / 2, y - side / 2, side, side)
            weights = position_weights(
                square, (it.width, it.height), spec.preprocessing, spec.registration
            )
            contributions, bias = seen.contributions[query.image], seen.bias[query.image]
            part = query_part(contributions, bias, weights, spec.grid)
            every = seen.contributions[slice(None)]
            scored = score_images(score, [part], every, seen.bias, spec.grid)
            order = sorted(range(len(images)), key=lambda i: -scored.scores[i])
            first.append([i for i in order if i != query.image][:10])
            # This preprocessing stretches each picture to the model's input.
            looks = spec.registration
            places.append(
                [
                    (
                        images[i].width * looks.cols.to_places(np.array((col0 + col1) / 2)),
                        images[i].height * looks.rows.to_places(np.array((row0 + row1) / 2)),
                    )
                    for i in first[-1]
                    for row0, col0, row1, col1 in [scored.windows[i]]
                ]
            )
        expected = judge(images, queries, [*map(np.array, first)], [*map(np.array, places)])
        assert found[score].by_part == expected.by_part


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
