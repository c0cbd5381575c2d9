"""Diagnosis on tiny sets: equal to naive measures, and able to tell a model that overfits."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rectangles
import torch
from click.testing import CliRunner

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_annotations
from partlens.explainer.evaluation.batches import batches, embedded, passes, passes_over
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.diagnosis.heads import (
    HeadTraining,
    Loss,
    pooling_head,
    train_head,
)
from partlens.explainer.evaluation.diagnosis.measure import (
    PAPER_ORDER,
    Diagnosis,
    Images,
    compare,
    diagnose,
    diagnose_models,
    divide,
    draw_labels,
    order_kept,
    recall_at_1,
)
from partlens.explainer.evaluation.diagnosis.trained import diagnose_losses
from partlens.explainer.evaluation.localisation import Localisation, measure_localisation
from partlens.explainer.head.linearise import linearise
from partlens.explainer.head.operators import Head
from partlens.explainer.head.run import run

LABELS = 4
QUICK = HeadTraining(dimensions=4, steps=6, labels_per_batch=2, images_per_label=2, watch_every=4)


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Rectangles of two colours, under four labels of four images each."""
    written = rectangles.write(tmp_path_factory.mktemp("rectangles"), 4 * LABELS)
    header, *rows = written.read_text().splitlines()
    names = [f"{row.split(',')[1]}{number // (2 * LABELS)}" for number, row in enumerate(rows)]
    lines = [
        ",".join([row.split(",")[0], name, *row.split(",")[2:]])
        for row, name in zip(rows, names, strict=True)
    ]
    written.write_text("\n".join([header, *lines]) + "\n")
    return written


def test_a_pooling_head_is_max_pooling_then_a_linear_layer_and_adds_up() -> None:
    generator = torch.Generator().manual_seed(0)
    feature = torch.randn(3, 5, 2, 4, generator=generator, dtype=torch.float64)
    weight, bias = torch.randn(6, 5, generator=generator), torch.randn(6, generator=generator)
    head = pooling_head(weight.double(), bias.double())
    expected = feature.flatten(2).max(2).values @ weight.T.double() + bias.double()
    torch.testing.assert_close(run(head, feature), expected)
    contributions, constant = linearise(head, feature)
    torch.testing.assert_close(contributions.sum(1) + constant, expected)


@pytest.mark.parametrize("loss", ["multi_similarity", "triplet"])
def test_training_pulls_labels_together_and_is_the_same_for_the_same_seed(loss: Loss) -> None:
    random = np.random.default_rng(0)
    labels = [str(n % 3) for n in range(30)]
    # Each label has its own direction under the noise of the images.
    pooled = random.normal(size=(30, 8)).astype(np.float32)
    pooled[np.arange(30), np.arange(30) % 3] += 1.5
    features = torch.from_numpy(pooled)
    settings = HeadTraining(dimensions=4, steps=150, labels_per_batch=3, images_per_label=5)
    watched: list[tuple[int, Head]] = []

    def trained(seed: int) -> Head:
        watched.clear()
        return train_head(
            features,
            labels,
            loss,
            seed,
            settings,
            lambda step, head: watched.append((step, head)),
        )

    first, again, other = trained(1), trained(1), trained(2)
    torch.testing.assert_close(first.weights, again.weights, rtol=0, atol=0)
    assert not torch.equal(first.weights["weight"], other.weights["weight"])
    assert [step for step, _ in watched] == [0, 50, 100, 150]

    def spread(head: Head) -> float:
        unit = torch.nn.functional.normalize(run(head, features[..., None, None]))
        same = torch.tensor([[a == b for b in labels] for a in labels])
        similar = unit @ unit.T
        return float(similar[same].mean() - similar[~same].mean())

    assert spread(watched[-1][1]) > spread(watched[0][1]) + 0.1


def test_too_little_to_train_on_is_refused() -> None:
    with pytest.raises(AnnotationError, match="two labels with two images"):
        train_head(torch.zeros(3, 2), ["a", "a", "b"], "triplet", 0)
    with pytest.raises(AnnotationError, match="two labels with two images"):
        train_head(torch.zeros(0, 2), [], "triplet", 0)


def test_passes_over_held_maps_and_through_the_backbone_agree(table: Path) -> None:
    model, images = rectangles.model(), read_annotations(table)
    maps = torch.cat([batch.feature for batch in batches(model, table.parent, images)])
    held, streamed = passes_over(maps), passes(model, table.parent, images)
    for ours, theirs in zip(embedded(model, held), embedded(model, streamed), strict=True):
        assert torch.equal(ours, theirs)
    assert torch.equal(torch.cat([some for _, some in held()]), maps)
    assert torch.equal(torch.cat([maps[numbers] for numbers, _ in held()]), maps)


def test_recall_equals_a_loop_over_all_pairs(table: Path) -> None:
    images = read_annotations(table)
    embeddings = np.random.default_rng(0).normal(size=(len(images), 3))
    right = 0
    for i in range(len(images)):
        cosine = {
            j: embeddings[i] @ embeddings[j] / np.linalg.norm(embeddings[j])
            for j in range(len(images))
            if j != i
        }
        right += images[max(cosine, key=lambda j: cosine[j])].label == images[i].label
    assert recall_at_1(embeddings, images) == right / len(images)


def test_labels_are_halved_anew_for_each_seed_and_no_image_is_lost(table: Path) -> None:
    images = read_annotations(table)
    draws = [draw_labels(images, seed) for seed in range(8)]
    assert all(len(labels) == LABELS // 2 for labels in draws)
    assert draws[3] == draw_labels(images, 3) and len(set(draws)) > 1
    seen, unseen = divide(images, draws[0])
    assert sorted(seen + unseen) == list(range(len(images)))
    assert {images[n].label for n in seen} == draws[0]
    with pytest.raises(AnnotationError, match="'wren'"):
        divide(images, frozenset(["wren"]))
    with pytest.raises(AnnotationError, match="others unseen"):
        divide(images, frozenset(image.label for image in images))


def test_localisation_is_measured_on_seen_labels_only(table: Path) -> None:
    model, images = rectangles.model(), read_annotations(table)
    labels = draw_labels(images, 0)
    found = diagnose_models({"cells": model}, table.parent, images, labels)["cells"][0]
    seen = [image for image in images if image.label in labels]
    expected = measure_localisation(model, seen, passes(model, table.parent, seen))
    assert found.localisation == expected and found.localisation["decomposition"].best == 1
    assert found.curve == ()


def test_a_head_that_knows_only_the_images_it_saw_has_the_larger_gap(table: Path) -> None:
    names = ["seen0", "seen1", "seen0", "seen1", "new0", "new1", "new0", "new1"]
    images = [AnnotatedImage(str(n), name, 8, 8, Box(0, 0, 4, 4)) for n, name in enumerate(names)]
    # A strong channel, which tells the seen labels only, and a weak one, which tells every label.
    maps = torch.zeros(8, 6, 2, 2)
    for n, strong in enumerate([0, 1, 2, 3, 0, 2, 1, 3]):
        maps[n, strong, 0, 0] = 1.0
        maps[n, 4 + n % 2, 1, 1] = 0.4
    general, memorised = torch.zeros(2, 6), torch.zeros(2, 6)
    general[0, 4] = general[1, 5] = 1
    memorised[0, [0, 2]] = memorised[1, [1, 3]] = 1
    cells = rectangles.model()
    model = replace(cells, spec=replace(cells.spec, grid=(2, 2), dimensions=2))
    seen, unseen = (Images(images[s], passes_over(maps[s])) for s in (slice(4), slice(4, 8)))
    runs = {
        name: [diagnose(replace(model, head=pooling_head(weight, torch.zeros(2))), seen, unseen)]
        for name, weight in (("general", general), ("memorised", memorised))
    }
    recalls = {name: (one.train, one.validation) for name, (one,) in runs.items()}
    assert recalls == {"general": (1, 1), "memorised": (1, 0)}
    assert compare(runs).overfits == "memorised" and compare(runs).gap == [1]


def diagnosis(train: float, validation: float, *best: float) -> Diagnosis:
    found = {m: Localisation({0.5: value}) for m, value in zip(PAPER_ORDER, best, strict=True)}
    return Diagnosis(train, validation, found)


def test_differences_and_orders_are_as_worked_out_by_hand() -> None:
    runs = {
        "a": [
            diagnosis(1, 0.9, 0.5, 0.4, 0.3, 0.2, 0.1),
            diagnosis(1, 0.8, 0.5, 0.5, 0.3, 0.2, 0.1),
        ],
        "b": [
            diagnosis(1, 0.7, 0.4, 0.4, 0.4, 0.3, 0.1),
            diagnosis(1, 0.5, 0.6, 0.1, 0.2, 0.3, 0.1),
        ],
    }
    found = compare(runs)
    assert found.overfits == "b"
    assert found.gap == pytest.approx([0.2, 0.3])
    assert found.localisation["decomposition"] == pytest.approx([-0.1, 0.1])
    plain = found.to_json()
    assert plain["gap_difference"] == pytest.approx({"mean": 0.25, "std": 0.05 * 2**0.5})
    assert plain["runs_where_it_localises_worse"] == {
        "decomposition": 1,
        "grad_cam_no_norm": 1,
        "decomposition_bias": 1,
        "cam": 0,
        "grad_cam": 0,
    }
    assert order_kept(runs["a"]) == {
        "decomposition > grad_cam_no_norm": 1,
        "grad_cam_no_norm > decomposition_bias": 2,
        "decomposition_bias > cam": 2,
        "cam > grad_cam": 2,
        "all": 1,
    }
    with pytest.raises(ValueError, match="two models"):
        compare({"a": runs["a"]})


def test_losses_of_one_seed_share_labels_and_first_weights(table: Path) -> None:
    images = read_annotations(table)
    found = diagnose_losses(
        rectangles.model(), table.parent, images, ["multi_similarity", "triplet"], [0, 1], QUICK
    )
    for first, second in zip(*found.values(), strict=True):
        assert first.curve[0] == second.curve[0]
        assert [point.step for point in first.curve] == [0, 4, 6]
        last = first.curve[-1]
        assert (first.train, first.validation) == (last.train, last.validation)


def arguments(table: Path, model: Path) -> list[str]:
    model_folder = ["--model", str(model)]
    return ["diagnose", *model_folder, "--images", str(table.parent), "--annotations", str(table)]


def test_the_command_trains_prints_and_draws(table: Path, tmp_path: Path) -> None:
    rectangles.model().save(tmp_path / "model")
    given = arguments(table, tmp_path / "model")
    given += ["--loss", "multi_similarity", "--loss", "triplet", "--seeds", "2", "--steps", "5"]
    figure = tmp_path / "figure.svg"
    once = CliRunner().invoke(evaluate, [*given, "--json"])
    again = CliRunner().invoke(evaluate, [*given, "--json", "--figure", str(figure)])
    plain = json.loads(once.stdout)
    assert plain == json.loads(again.stdout)
    assert "triplet, unseen" in figure.read_text()
    assert set(plain["models"]) == {"multi_similarity", "triplet"}
    for model in plain["models"].values():
        assert len(model["runs"]) == 2
        assert set(model["localisation"]) == set(PAPER_ORDER)
    shown = CliRunner().invoke(evaluate, given)
    assert "recall@1, unseen" in shown.stdout and "triplet, seed 1" in shown.stderr


def test_the_command_compares_two_given_models(table: Path, tmp_path: Path) -> None:
    for name in ("one", "two"):
        rectangles.model().save(tmp_path / name)
    given = [*arguments(table, tmp_path / "one"), "--model", str(tmp_path / "two")]
    unsaid = CliRunner().invoke(evaluate, given)
    assert unsaid.exit_code == 2 and "--seen" in unsaid.output
    (tmp_path / "seen.txt").write_text("a0\nb0\n")
    run = CliRunner().invoke(evaluate, [*given, "--seen", str(tmp_path / "seen.txt"), "--json"])
    plain = json.loads(run.output)
    assert plain["comparison"]["gap_difference"] == {"mean": 0, "std": 0}
    alone = CliRunner().invoke(evaluate, arguments(table, tmp_path / "one"))
    given = arguments(table, tmp_path / "one")
    same = CliRunner().invoke(evaluate, [*given, *given[1:3]])
    for wrong in (alone, same):
        assert wrong.exit_code == 2 and "two different --model" in wrong.output
