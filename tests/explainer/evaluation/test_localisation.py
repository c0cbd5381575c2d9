"""Boxes and overlaps equal naive loops, and maps find rectangles that are there."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import rectangles
import torch
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import AnnotatedImage, read_annotations
from partlens.explainer.evaluation.batches import nearest, passes
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.localisation import (
    METHODS,
    THRESHOLDS,
    Localisation,
    box_of_map,
    intersection_over_union,
    measure_localisation,
)

BOXES = st.builds(Box, *(st.integers(0, 6) for _ in "xy"), *(st.integers(1, 6) for _ in "wh"))


@given(BOXES, BOXES)
def test_overlap_equals_counting_pixels(a: Box, b: Box) -> None:
    pixels = [{(x, y) for x in range(12) for y in range(12) if inside(box, x, y)} for box in (a, b)]
    expected = len(pixels[0] & pixels[1]) / len(pixels[0] | pixels[1])
    assert intersection_over_union(a, b) == pytest.approx(expected)


def inside(box: Box, x: int, y: int) -> bool:
    return box.x <= x < box.x + box.width and box.y <= y < box.y + box.height


def naive_box(values: NDArray[np.float64], threshold: float) -> Box:
    """Flood fill from each cell in turn; diagonal neighbours touch."""
    left = {(y, x) for y, x in np.ndindex(values.shape) if values[y, x] >= threshold * values.max()}
    components: list[set[tuple[int, ...]]] = []
    for cell in np.ndindex(values.shape):
        waiting, component = [cell] if cell in left else [], set[tuple[int, ...]]()
        while waiting:
            y, x = waiting.pop()
            if (y, x) in left:
                left.remove((y, x))
                component.add((y, x))
                waiting += [(y + dy, x + dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
        components.append(component)
    largest = np.array(max([sorted(component) for component in components], key=len))
    (top, start), (bottom, end) = largest.min(0), largest.max(0)
    return Box(float(start), float(top), float(end - start + 1), float(bottom - top + 1))


@given(st.integers(0, 2**16), st.integers(1, 7), st.integers(1, 7), st.sampled_from(THRESHOLDS))
def test_a_box_is_that_of_the_largest_flood_filled_component(
    seed: int, height: int, width: int, threshold: float
) -> None:
    values = np.random.default_rng(seed).standard_normal((height, width))
    values.flat[0] = 0.1  # a positive one
    assert box_of_map(values, threshold) == naive_box(values, threshold)


def test_a_map_without_a_positive_value_has_no_box() -> None:
    assert box_of_map(-np.ones((3, 3)), 0.5) is None
    assert box_of_map(np.zeros((3, 3)), 0.5) is None


def test_the_nearest_other_image_equals_a_loop_and_is_never_the_image_itself() -> None:
    embeddings = torch.randn(9, 4, generator=torch.Generator().manual_seed(0))
    for i, found in enumerate(nearest(embeddings)):
        others = [j for j in range(9) if j != i]
        cosine = {
            j: float(torch.cosine_similarity(embeddings[i], embeddings[j], dim=0)) for j in others
        }
        assert int(found) == max(cosine, key=lambda j: cosine[j])
    with pytest.raises(AnnotationError, match="at least two"):
        nearest(embeddings[:1])


def test_the_best_threshold_is_the_lowest_of_equals() -> None:
    found = Localisation({0.1: 0.25, 0.2: 0.75, 0.3: 0.75})
    assert (found.best, found.threshold) == (0.75, 0.2)
    assert found.to_json() == {
        "best": 0.75,
        "threshold": 0.2,
        "by_threshold": {"0.10": 0.25, "0.20": 0.75, "0.30": 0.75},
    }


def localised(folder: Path, images: Sequence[AnnotatedImage]) -> dict[str, Localisation]:
    model = rectangles.model()
    return measure_localisation(model, images, passes(model, folder, images))


def test_maps_find_the_rectangles(tmp_path: Path) -> None:
    images = read_annotations(rectangles.write(tmp_path))
    found = localised(tmp_path, images)
    for method in ("cam", "grad_cam_no_norm", "decomposition_bias", "decomposition"):
        assert found[method].by_threshold[0.5] == 1, method


def test_boxes_elsewhere_are_not_found(tmp_path: Path) -> None:
    table = rectangles.write(tmp_path)
    header, *rows = table.read_text().splitlines()
    moved = [",".join([*row.split(",")[:4], "40,40,8,8"]) for row in rows]
    table.write_text("\n".join([header, *moved]))
    found = localised(tmp_path, read_annotations(table))
    assert all(share == 0 for one in found.values() for share in one.by_threshold.values())


def test_the_command_prints_a_table_or_json_and_draws(tmp_path: Path) -> None:
    table = rectangles.write(tmp_path / "images")
    rectangles.model().save(tmp_path / "model")
    arguments = ["localize", "--model", str(tmp_path / "model"), "--images", str(table.parent)]
    arguments += ["--annotations", str(table)]
    run = CliRunner().invoke(evaluate, [*arguments, "--json"])
    printed = json.loads(run.output)
    assert list(printed) == list(METHODS)
    for one in printed.values():
        assert set(one) == {"best", "threshold", "by_threshold"}
        assert list(one["by_threshold"]) == [f"{threshold:.2f}" for threshold in THRESHOLDS]
        assert one["by_threshold"][f"{one['threshold']:.2f}"] == one["best"]
    figure = tmp_path / "figure.svg"
    shown = CliRunner().invoke(evaluate, [*arguments, "--figure", str(figure)])
    assert "decomposition_bias" in shown.output and "grad_cam_no_norm" in figure.read_text()
    wrong = CliRunner().invoke(evaluate, [*arguments, "--figure", str(tmp_path / "figure.txt")])
    assert wrong.exit_code == 1 and "figure.txt" in wrong.output
