"""PCK: pairs, thresholds and mirrored parts as worked out by hand, transfers as by a naive loop."""

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

from partlens.common.regions import Box
from partlens.common.registration import Axis, Registration
from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.annotations import (
    AnnotatedImage,
    read_annotations,
    read_picture,
)
from partlens.explainer.evaluation.commands.evaluate import evaluate
from partlens.explainer.evaluation.keypoint_features import METHODS, KeypointFeatures
from partlens.explainer.evaluation.keypoint_pairs import (
    KeypointPairs,
    mirrored_names,
    random_pairs,
)
from partlens.explainer.evaluation.keypoints import Share, measure_keypoints
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.explainer.starter.pictures import generate
from partlens.explainer.starter.pictures.manifest import write_pictures


def image(name: str, label: str, *shown: str) -> AnnotatedImage:
    return AnnotatedImage(name, label, 100, 100, Box(0, 0, 80, 20), dict.fromkeys(shown, (5, 5)))


IMAGES = (
    image("0", "wren", "beak", "left wing"),
    image("1", "wren", "beak"),
    image("2", "lark", "left wing"),
    image("3", "lark"),
)


def test_pairs_are_distinct_and_share_a_point() -> None:
    every = random_pairs(IMAGES, 100, seed=0)
    assert sorted(every.pairs) == [(0, 1), (0, 2), (1, 0), (2, 0)]
    some = random_pairs(IMAGES, 3, seed=5)
    assert some == random_pairs(IMAGES, 3, seed=5)
    assert len(set(some.pairs)) == 3 and set(some.pairs) < set(every.pairs)
    with pytest.raises(AnnotationError, match="no two of the 2 images"):
        random_pairs(IMAGES[1:3], 3, seed=0)
    with pytest.raises(AnnotationError, match="no two of the 0 images"):
        random_pairs([], 3, seed=0)


def test_sides_are_mirrored_only_where_both_exist() -> None:
    found = mirrored_names(["left eye", "right eye", "left leg", "leftover", "right"])
    assert found == {"left eye": "right eye", "right eye": "left eye"}


def test_an_interval_weights_a_pair_by_both_its_labels() -> None:
    random = np.random.default_rng(3)
    tries = random.integers(1, 9, (7, 7)).astype(float)
    hits = random.binomial(tries.astype(int), 0.4).astype(float)
    means = []
    for _ in range(4000):
        drawn = random.integers(0, 7, 7)
        both = np.ix_(drawn, drawn)
        means.append(hits[both].sum() / tries[both].sum())
    expected = tuple(np.percentile(means, [2.5, 97.5]))
    assert Share(hits, tries).interval() == pytest.approx(expected, abs=0.015)
    assert Share(hits, tries).value == pytest.approx(hits.sum() / tries.sum())
    assert Share(hits[:1, :1], tries[:1, :1]).interval() is None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Generated people; hats count as left shoes, so that there is something to mix up."""
    made = tmp_path_factory.mktemp("people")
    write_pictures(generate(24, 99, 4), made)
    text = (made / "parts.csv").read_text()
    (made / "parts.csv").write_text(text.replace(",hat,", ",left,").replace(",shoes,", ",right,"))
    return made


def command(folder: Path, *more: str) -> list[str]:
    given = {"--model": model_folder(), "--images": folder}
    given |= {"--annotations": folder / "images.csv", "--parts": folder / "parts.csv"}
    return ["keypoints", *(str(x) for pair in given.items() for x in pair), *more]


def parabola(values: NDArray[np.float64], at: int) -> float:
    if not 0 < at < len(values) - 1:
        return 0.0
    before, top, after = values[at - 1 : at + 2]
    bend = before - 2 * top + after
    return float(np.clip(0.5 * (before - after) / bend, -0.5, 0.5)) if bend < 0 else 0.0


def knots(axis: Axis) -> tuple[list[float], list[float]]:
    """Fractions of the input, and the same places in cells."""
    count = len(axis.centres)
    return [0, *axis.centres, 1], [0, *(i + 0.5 for i in range(count)), count]


def peak(
    values: NDArray[np.float64], size: tuple[int, int], looks: Registration
) -> tuple[float, float]:
    """Where a map of cells is largest, in pixels of an image that is stretched to the input."""
    row, col = np.unravel_index(values.argmax(), values.shape)
    y = row + 0.5 + parabola(values[:, col], int(row))
    x = col + 0.5 + parabola(values[row], int(col))
    (across, in_cols), (down, in_rows) = knots(looks.cols), knots(looks.rows)
    return float(np.interp(x, in_cols, across)) * size[0], float(
        np.interp(y, in_rows, down)
    ) * size[1]


def interpolated(
    vectors: NDArray[np.float64],
    size: tuple[int, int],
    point: tuple[float, float],
    looks: Registration,
) -> NDArray[np.float64]:
    """Bilinear between the cells' centres; beyond the last ones that of the last."""
    rows, cols, _ = vectors.shape
    x = np.clip(np.interp(point[0] / size[0], *knots(looks.cols)) - 0.5, 0, cols - 1)
    y = np.clip(np.interp(point[1] / size[1], *knots(looks.rows)) - 0.5, 0, rows - 1)
    total = np.zeros(vectors.shape[2])
    for row in range(rows):
        for col in range(cols):
            share = max(0, 1 - abs(row - y)) * max(0, 1 - abs(col - x))
            total += share * vectors[row, col]
    return total


def test_transfers_are_those_of_a_naive_loop(folder: Path) -> None:
    model = MetricModel.load(model_folder())
    images = read_annotations(folder / "images.csv", folder / "parts.csv")[:8]
    given = random_pairs(images, 20, seed=1)
    grid, looks = model.spec.grid, model.spec.registration
    seen = model.decompose([read_picture(folder, one) for one in images]).contributions
    vectors = seen.astype(np.float16).astype(np.float64).reshape(len(images), *grid, -1)
    right: dict[str, list[list[bool]]] = {"contributions": [], "map": []}
    near_edge = 0
    for source, target in given.pairs:
        first, second = images[source], images[target]
        sizes = [(one.width, one.height) for one in (first, second)]
        hits: dict[str, list[bool]] = {"contributions": [], "map": []}
        for name in first.parts.keys() & second.parts.keys():
            query = interpolated(vectors[source], sizes[0], first.parts[name], looks)
            product = vectors[target] @ query
            lengths = np.maximum(np.linalg.norm(vectors[target], axis=2), 1e-30)
            for method, values in (("map", product), ("contributions", product / lengths)):
                away = np.hypot(*(np.array(peak(values, sizes[1], looks)) - second.parts[name]))
                reach = 0.1 * max(second.box.width, second.box.height)
                near_edge += abs(away - reach) < 0.02 * reach
                hits[method].append(away < reach)
        for method, some in hits.items():
            right[method].append(some)
    features = KeypointFeatures(model, folder, images)
    mirrored = mirrored_names(["left", "right"])
    found = measure_keypoints(model, features, given, mirrored)
    assert set(found) == set(METHODS)
    for method, expected in right.items():
        shares = found[method]  # type: ignore[index]
        points = [hit for hits in expected for hit in hits]
        slack = (near_edge + 1e-9) / len(points)  # halves round
        assert shares.per_point.value == pytest.approx(np.mean(points), abs=slack)
        per_image = np.mean([np.mean(hits) for hits in expected])
        assert shares.per_image.value == pytest.approx(per_image, abs=slack)
        assert shares.per_point.tries.sum() == len(points)
    both = sum(
        name in images[s].parts and {"left", "right"} <= images[t].parts.keys()
        for s, t in given.pairs
        for name in ("left", "right")
    )
    assert found["map"].mirrored.tries.sum() == both > 0


def test_points_transfer_to_a_copy_of_the_image(folder: Path) -> None:
    model = MetricModel.load(model_folder())
    images = read_annotations(folder / "images.csv", folder / "parts.csv")[:4]
    same = KeypointPairs(images, [(i, i) for i in range(4)])
    found = measure_keypoints(model, KeypointFeatures(model, folder, images), same, {}, alpha=0.3)
    other = measure_keypoints(
        model, KeypointFeatures(model, folder, images), random_pairs(images, 9, 0), {}, alpha=0.3
    )
    for method in ("features", "contributions", "region"):
        assert found[method].per_point.value > max(0.7, other[method].per_point.value)
    assert np.isnan(found["map"].mirrored.value)


def test_the_command_prints_the_documented_json_twice_alike(folder: Path) -> None:
    arguments = command(folder, "--pairs", "12", "--json")
    first, second = (CliRunner().invoke(evaluate, arguments).output for _ in range(2))
    assert first == second
    plain = json.loads(first)
    assert set(plain) == set(METHODS)
    for found in plain.values():
        assert set(found) == {"per_image", "per_point", "mirrored", "by_name"}
        assert found["per_image"]["tries"] == 12
        low, high = found["per_point"]["interval"]
        assert low <= found["per_point"]["pck"] <= high
    table = CliRunner().invoke(evaluate, arguments[:-1]).output
    assert "PCK@0.1" in table and "12 pairs" in table


def test_a_larger_alpha_never_lowers_pck(folder: Path) -> None:
    found = [
        json.loads(
            CliRunner()
            .invoke(evaluate, command(folder, "--pairs", "9", "--alpha", a, "--json"))
            .output
        )
        for a in ("0.05", "0.2", "1")
    ]
    for method in METHODS:
        values = [one[method]["per_point"]["pck"] for one in found]
        assert values == sorted(values) and values[-1] > values[0]
