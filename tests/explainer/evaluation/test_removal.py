"""Deletion and insertion curves equal hand-computed ones, and obey what removal means."""

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import rectangles
import torch
from click.testing import CliRunner
from token_model import tokens_model
from torch import Tensor

from partlens.common.registration import Registration
from partlens.explainer.comparators import COMPARATORS, Target
from partlens.explainer.errors import ShapeError
from partlens.explainer.evaluation.annotations import read_annotations, read_picture
from partlens.explainer.evaluation.batches import passes
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.localisation import measure_localisation
from partlens.explainer.evaluation.removal import (
    FRACTIONS,
    RANDOM,
    Removal,
    area,
    cells_to_pixels,
    mean_curves,
    measure_faithfulness,
)
from partlens.explainer.regions import position_weights

CONTRIBUTIONS = torch.tensor([[3.0, 0.0], [1.0, 0.0], [0.0, 0.0], [0.0, 4.0]])  # of a 2x2 grid
TARGET = Target(torch.tensor([[2.0, 0.0]]), torch.zeros(1, 2), torch.tensor([2.0]))


def embed(kept: Tensor) -> Tensor:
    return kept.to(CONTRIBUTIONS) @ CONTRIBUTIONS


def test_curves_of_a_2x2_map_are_those_computed_by_hand() -> None:
    """f = (2, 0) of norm 2, so the score is the cosine of E with the first axis."""
    curves = mean_curves({"map": torch.tensor([[0, 1, 2, 3]])}, embed, TARGET)["map"]
    # Tenths of 4 positions, rounded: 0, 0, 1, 1, 2, 2, 2, 3, 3, 4, 4.
    whole, without_first = 4 / math.hypot(4, 4), 1 / math.hypot(1, 4)
    deletion = [whole] * 2 + [without_first] * 2 + [0.0] * 7
    insertion = [0.0] * 2 + [1.0] * 7 + [whole] * 2
    np.testing.assert_allclose(curves, [deletion, insertion], atol=1e-6)
    by_hand = 0.05 * whole + 0.1 * (whole + 2 * without_first)
    assert area(curves[0]) == pytest.approx(by_hand, abs=1e-6)


def test_the_order_decides_and_equal_orders_are_run_once() -> None:
    calls = []

    def counted(kept: Tensor) -> Tensor:
        calls.append(kept)
        return embed(kept)

    best, worst = torch.tensor([[0, 1, 2, 3]]), torch.tensor([[3, 2, 1, 0]])
    curves = mean_curves({"a": best, "b": best.clone(), "c": worst}, counted, TARGET)
    assert len(calls) == 2 * 2 * len(FRACTIONS)
    np.testing.assert_array_equal(curves["a"], curves["b"])
    assert area(curves["a"][0]) < area(curves["c"][0])
    assert area(curves["a"][1]) > area(curves["c"][1])


@pytest.mark.parametrize("removal", get_args(Removal))
def test_maps_rank_rectangles_before_a_random_order(removal: Removal, tmp_path: Path) -> None:
    images = read_annotations(rectangles.write(tmp_path))
    found = measure_faithfulness(rectangles.model(), tmp_path, images, removal)
    assert set(found) == {*COMPARATORS, RANDOM}
    whole = found[RANDOM].deletion[0]
    for method, one in found.items():
        assert len(one.deletion) == len(one.insertion) == len(FRACTIONS), method
        assert one.deletion[0] == pytest.approx(whole, abs=1e-6)
        assert one.insertion[-1] == pytest.approx(whole, abs=1e-6)
        assert one.deletion[-1] == pytest.approx(one.insertion[0], abs=1e-6)
    for method in ("decomposition", "decomposition_bias", "rgrad_cam", "grad_cam_no_norm"):
        assert area(found[method].deletion) < area(found[RANDOM].deletion)
        assert area(found[method].insertion) > area(found[RANDOM].insertion)


def test_a_sample_explains_some_images_against_their_nearest_of_all(tmp_path: Path) -> None:
    images, model = read_annotations(rectangles.write(tmp_path)), rectangles.model()
    seen = model.decompose([read_picture(tmp_path, image) for image in images])
    embeddings = seen.contributions.sum(1) + seen.bias
    unit = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    other = 1 + int((unit[1:] @ unit[0]).argmax())
    size = (rectangles.SIDE, rectangles.SIDE)
    weights = position_weights(
        images[other].box, size, model.spec.preprocessing, model.spec.registration
    )
    length = float(np.linalg.norm(embeddings[other]))
    expected = float(unit[0] @ (weights @ seen.contributions[other])) / length
    one, some, every = (
        measure_faithfulness(model, tmp_path, images, "contributions", sample)["decomposition"]
        for sample in (1, 99, None)
    )
    assert one.deletion[0] == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(some.deletion, every.deletion)


def test_cells_cover_the_pixels_as_a_loop_says() -> None:
    cells = np.random.default_rng(0).random((2, 3, 2)) < 0.5
    pixels = cells_to_pixels(cells, Registration.nominal((3, 2)), (7, 5))
    for image, y, x in np.ndindex(pixels.shape):
        assert pixels[image, y, x] == cells[image, (2 * y + 1) * 3 // 14, (2 * x + 1) * 2 // 10]


def test_tokens_without_a_layout_have_no_cell_in_the_picture(tmp_path: Path) -> None:
    """As an import before the layout was checked may have left them."""
    model = tokens_model()
    stripes = replace(model, spec=replace(model.spec, grid=(16, 1)))
    images = read_annotations(rectangles.write(tmp_path))
    with pytest.raises(ShapeError, match="no cells in the picture"):
        measure_faithfulness(stripes, tmp_path, images, "blur")


@pytest.mark.parametrize("removal", get_args(Removal))
def test_a_class_token_is_no_position_to_remove(removal: Removal, tmp_path: Path) -> None:
    images = read_annotations(rectangles.write(tmp_path))
    model = tokens_model()
    assert model.spec.grid == (4, 4)
    found = measure_faithfulness(model, tmp_path, images, removal)
    assert set(found) == {*COMPARATORS, "random"}
    localised = measure_localisation(model, images, passes(model, tmp_path, images))
    assert set(localised) <= set(COMPARATORS)


def test_the_command_prints_a_table_or_json_and_draws(tmp_path: Path) -> None:
    table = rectangles.write(tmp_path / "images")
    rectangles.model().save(tmp_path / "model")
    arguments = ["faithfulness", "--model", str(tmp_path / "model"), "--images", str(table.parent)]
    arguments += ["--annotations", str(table), "--remove", "mean"]
    printed = json.loads(CliRunner().invoke(evaluate, [*arguments, "--json"]).output)
    assert printed["fractions"] == list(FRACTIONS)
    assert list(printed["methods"]) == [*COMPARATORS, RANDOM]
    for one in printed["methods"].values():
        assert one["deletion"] == pytest.approx(area(np.array(one["deletion_curve"])))
        assert one["insertion"] == pytest.approx(area(np.array(one["insertion_curve"])))
    figure = tmp_path / "figure.png"
    shown = CliRunner().invoke(evaluate, [*arguments, "--sample", "3", "--figure", str(figure)])
    assert "of 3 images, removal: mean" in shown.output and figure.stat().st_size > 10_000
