"""Reduced contributions stay a decomposition: sums, products and scores, against naive oracles."""

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from token_model import positioned_model

from partlens.explainer.errors import ModelError, ShapeError
from partlens.explainer.halves import to_single
from partlens.explainer.head.run import run
from partlens.explainer.model import MetricModel
from partlens.explainer.pooling import pool
from partlens.explainer.reduction import FloatArray, Projection, reduced, smaller
from partlens.explainer.scoring import Score, query_part, score_images
from partlens.explainer.starter import model_folder
from partlens.explainer.stored import Stored

GRID, DIMENSIONS = (7, 6), 24


@pytest.fixture(scope="module")
def made() -> tuple[FloatArray, FloatArray]:
    """Contributions [N, P, D], most of whose length lies in 8 directions, and bias [N, D]."""
    random = np.random.default_rng(5)
    directions = np.linalg.qr(random.normal(size=(DIMENSIONS, DIMENSIONS)))[0]
    lengths = np.where(np.arange(DIMENSIONS) < 8, 1, 0.05)
    vectors = random.normal(size=(20, GRID[0] * GRID[1] + 1, DIMENSIONS)) * lengths @ directions
    vectors = vectors.astype(np.float32)
    return vectors[:, 1:], vectors[:, 0]


def halves(images: tuple[FloatArray, FloatArray]) -> list[tuple[FloatArray, FloatArray]]:
    contributions, bias = images
    return [(contributions[:7], bias[:7]), (contributions[7:], bias[7:])]


@pytest.mark.parametrize("to", [(7, 6), (7, 3), (4, 4), (3, 5), (1, 1)])
def test_pooling_keeps_embeddings_and_whole(
    made: tuple[FloatArray, FloatArray], to: tuple[int, int]
) -> None:
    contributions, bias = made
    pooled = pool(contributions, GRID, to)
    assert pooled.shape == (20, to[0] * to[1], DIMENSIONS)
    np.testing.assert_allclose(pooled.sum(1), contributions.sum(1), atol=1e-5)
    all_fine, all_coarse = (np.ones(n, np.float32) for n in (42, to[0] * to[1]))
    fine = query_part(contributions[0], bias[0], all_fine, GRID)
    coarse = query_part(pooled[0], bias[0], all_coarse, to)
    before = score_images("whole", [fine], contributions, bias, GRID)
    after = score_images("whole", [coarse], pooled, bias, to)
    np.testing.assert_allclose(after.scores, before.scores, atol=1e-6)


def test_pooling_shares_by_area_as_a_loop_does(made: tuple[FloatArray, FloatArray]) -> None:
    contributions, to = made[0][:1], (3, 4)
    expected = np.zeros((1, *to, DIMENSIONS))
    # Every cell in 12 x 12 pieces, each of which lies in one coarser cell.
    for row, col in itertools.product(range(GRID[0] * 12), range(GRID[1] * 12)):
        at = (row * to[0] // (GRID[0] * 12), col * to[1] // (GRID[1] * 12))
        expected[0, *at] += contributions[0, row // 12 * GRID[1] + col // 12] / 144
    pooled = pool(contributions, GRID, to).reshape(expected.shape)
    np.testing.assert_allclose(pooled, expected, atol=1e-5)


def test_whole_neighbours_are_added(made: tuple[FloatArray, FloatArray]) -> None:
    cells = made[0].reshape(20, 7, 3, 2, DIMENSIONS)
    expected = cells.sum(3).reshape(20, 21, DIMENSIONS)
    np.testing.assert_allclose(pool(made[0], GRID, (7, 3)), expected, atol=1e-5)


@pytest.mark.parametrize("to", [(8, 6), (0, 3)])
def test_no_finer_or_empty_grid(made: tuple[FloatArray, FloatArray], to: tuple[int, int]) -> None:
    with pytest.raises(ShapeError, match="1x1 to 7x6 is allowed"):
        pool(made[0], GRID, to)


def test_a_projection_of_all_dimensions_changes_no_product(
    made: tuple[FloatArray, FloatArray],
) -> None:
    contributions, bias = made
    onto = Projection.fit([made], DIMENSIONS, DIMENSIONS)
    assert onto.lost == pytest.approx(0, abs=1e-6)
    flat = contributions.reshape(-1, DIMENSIONS)
    np.testing.assert_allclose(onto(flat) @ onto(bias).T, flat @ bias.T, atol=1e-4)


def test_a_projection_adds_up_and_says_what_it_lost(made: tuple[FloatArray, FloatArray]) -> None:
    contributions, bias = made
    onto = Projection.fit(halves(made), DIMENSIONS, 8)
    np.testing.assert_allclose(onto.basis.T @ onto.basis, np.eye(8), atol=1e-5)
    embeddings = onto(contributions.sum(1) + bias)
    np.testing.assert_allclose(onto(contributions).sum(1) + onto(bias), embeddings, atol=1e-4)
    every = np.concatenate([contributions.reshape(-1, DIMENSIONS), bias])
    kept = (onto(every).astype(np.float64) ** 2).sum() / (every.astype(np.float64) ** 2).sum()
    assert onto.lost == pytest.approx(1 - kept, abs=1e-6)
    # No 8 other directions keep more; the singular values say how much the best keep.
    singular = np.linalg.svd(every.astype(np.float64), compute_uv=False) ** 2
    assert onto.lost == pytest.approx(singular[8:].sum() / singular.sum(), abs=1e-6)
    assert 0 < onto.lost < 0.01


@pytest.mark.parametrize("dimensions", [0, DIMENSIONS + 1])
def test_no_projection_to_more_dimensions_or_none(
    made: tuple[FloatArray, FloatArray], dimensions: int
) -> None:
    with pytest.raises(ShapeError, match="1 to 24 is allowed"):
        Projection.fit([made], DIMENSIONS, dimensions)


@pytest.mark.parametrize("whitening", [0, 0.5, 1])
def test_whitening_divides_each_direction_by_a_power_of_its_eigenvalue(
    made: tuple[FloatArray, FloatArray], whitening: float
) -> None:
    onto = Projection.fit(halves(made), DIMENSIONS, 12, whitening=whitening)
    every = np.concatenate([made[0].reshape(-1, DIMENSIONS), made[1]]).astype(np.float64)
    eigenvalues = np.linalg.svd(every, compute_uv=False)[:12] ** 2
    projected = every @ onto.basis
    expected = np.diag(eigenvalues * (eigenvalues[0] / eigenvalues) ** whitening)
    np.testing.assert_allclose(projected.T @ projected, expected, atol=1e-4 * eigenvalues[0])
    embeddings = onto(made[0].sum(1) + made[1])
    np.testing.assert_allclose(onto(made[0]).sum(1) + onto(made[1]), embeddings, atol=1e-3)
    lengths = [np.linalg.norm(onto(v), axis=1) for v in (made[1], made[0].sum(1) + made[1])]
    assert onto.bias_share == pytest.approx((lengths[0] / lengths[1]).mean(), rel=1e-4)
    plain = Projection.fit(halves(made), DIMENSIONS, 12)
    assert onto.lost == pytest.approx(plain.lost, abs=1e-9)  # lengths before whitening


def test_products_of_whitened_vectors_are_those_of_mahalanobis(
    made: tuple[FloatArray, FloatArray],
) -> None:
    onto = Projection.fit([made], DIMENSIONS, whitening=1)
    every = np.concatenate([made[0].reshape(-1, DIMENSIONS), made[1]]).astype(np.float64)
    expected = made[1] @ np.linalg.solve(every.T @ every, made[1].T.astype(np.float64))
    largest = np.linalg.eigvalsh(every.T @ every)[-1]
    found = onto(made[1]) @ onto(made[1]).T / largest
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_directions_that_no_image_has_stay_small_when_whitened() -> None:
    flat = np.zeros((6, 4, 5), np.float32)
    flat[..., :2] = np.random.default_rng(0).normal(size=(6, 4, 2))
    onto = Projection.fit([(flat, flat[:, 0])], 5, whitening=1)
    assert np.isfinite(onto.basis).all() and np.abs(onto.basis).max() <= 1000
    nothing = np.zeros((2, 4, 5), np.float32)
    onto = Projection.fit([(nothing, nothing[:, 0])], 5, whitening=1)
    np.testing.assert_allclose(onto.basis.T @ onto.basis, np.eye(5), atol=1e-6)


@pytest.mark.parametrize("whitening", [-0.1, 1.1, float("nan")])
def test_whitening_is_a_fraction(made: tuple[FloatArray, FloatArray], whitening: float) -> None:
    with pytest.raises(ShapeError, match="0 to 1 is allowed"):
        Projection.fit([made], DIMENSIONS, 8, whitening=whitening)


def rolled(images: NDArray[np.uint8], down: int, right: int) -> NDArray[np.uint8]:
    """Pictures [N, 16, 16, 3] with their patches of 4x4 moved, round the edges."""
    return np.roll(images, (4 * down, 4 * right), (1, 2))


def test_without_directions_of_position_contributions_do_not_depend_on_it(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    encodings = random.normal(size=(16, 3)) @ random.normal(size=(3, 12))
    model = positioned_model(torch.tensor(encodings, dtype=torch.float32))
    images = random.integers(0, 256, (3, 16, 16, 3), np.uint8)
    # Each patch is at each position once, so that the positions differ by their encodings only.
    places = itertools.product(range(4), range(4))
    seen = model.decompose([one for place in places for one in rolled(images, *place)])
    given = ([(seen.contributions, seen.bias)], model.spec.dimensions)
    fewer = Projection.fit(*given, removed=2)
    onto = Projection.fit(*given, removed=3, whitening=0.5)
    made = smaller(model, "anywhere", projection=onto).save(tmp_path / "anywhere")
    assert made.spec.dimensions == model.spec.dimensions - 3
    assert made.spec.reduction and made.spec.reduction.removed == 3
    assert made.spec.bias_share == onto.bias_share != model.spec.bias_share
    loaded = MetricModel.load(tmp_path / "anywhere")

    new = random.integers(0, 256, (2, 16, 16, 3), np.uint8)
    for one, independent in (
        (model, False),
        (smaller(model, "2", None, fewer), False),
        (loaded, True),
    ):
        here, there = one.decompose(list(new)), one.decompose(list(rolled(new, 1, 2)))
        cells = here.contributions.reshape(2, 4, 4, -1)
        expected = np.roll(cells, (1, 2), (1, 2)).reshape(here.contributions.shape)
        scale = np.abs(expected).max()
        away = np.abs(there.contributions - expected).max() / scale
        assert away < 1e-4 if independent else away > 0.01, (one.spec.name, away)
        embeddings = there.contributions.sum(1) + there.bias
        pixels = np.stack([one.spec.preprocessing.pixels(i) for i in rolled(new, 1, 2)])
        head = run(one.head, torch.from_numpy(one.backbone(pixels))).numpy()
        np.testing.assert_allclose(embeddings, head, atol=1e-4 * np.abs(head).max())


@pytest.mark.parametrize("removed", [-1, 2])
def test_positions_differ_along_fewer_directions_than_there_are(removed: int) -> None:
    two = np.ones((5, 2, 8), np.float32)
    with pytest.raises(ShapeError, match="2 positions differ along at most 1 directions"):
        Projection.fit([(two, two[:, 0])], 8, removed=removed)


def test_int8_is_off_by_half_a_scale_at_most(made: tuple[FloatArray, FloatArray]) -> None:
    contributions = made[0].copy()
    contributions[3, 4] = 0
    contributions[5] *= 1e-9
    kept = Stored.of(contributions, "int8")
    largest = np.abs(contributions).max(-1, keepdims=True)
    assert (np.abs(kept[:] - contributions) <= largest / 254 * 1.0001).all()
    assert not kept[3][4].any()
    assert kept.bytes_per_image == 42 * (DIMENSIONS + 4)
    np.testing.assert_array_equal(kept[2:5], np.stack([kept[i] for i in range(2, 5)]))


def test_float16_is_rounded_once(made: tuple[FloatArray, FloatArray]) -> None:
    kept = Stored.of(made[0], "float16")
    np.testing.assert_array_equal(kept[:], to_single(made[0].astype(np.float16)))
    assert kept.bytes_per_image == 42 * DIMENSIONS * 2


@pytest.mark.parametrize(
    "refined", [{}, {"whitening": 0.5, "removed": 2}], ids=["plain", "refined"]
)
@pytest.mark.parametrize("score", get_args(Score))
def test_scores_of_reduced_images_are_the_sums_of_their_maps(
    made: tuple[FloatArray, FloatArray], score: Score, refined: dict[str, Any]
) -> None:
    to = (4, 3)
    onto = Projection.fit([made], DIMENSIONS, 8, **refined)
    kept, bias = Stored.of(onto(pool(made[0], GRID, to)), "int8"), onto(made[1])
    weights = np.zeros(12, np.float32)
    weights[4:6] = 1, 0.5
    part = query_part(kept[0], bias[0], weights, to)
    scored = score_images(score, [part], kept[:], bias, to)
    sums = scored.maps.reshape(len(bias), -1).sum(1) + scored.constants
    np.testing.assert_allclose(sums, scored.scores, atol=1e-5)
    if score == "whole":
        embeddings = kept[:].sum(1) + bias
        feature = 1.0 * kept[0][4] + 0.5 * kept[0][5]
        lengths = np.linalg.norm(embeddings, axis=1)
        expected = embeddings @ feature / (lengths * lengths[0])
        np.testing.assert_allclose(scored.scores, expected, atol=1e-5)


def test_no_projection_of_no_image() -> None:
    with pytest.raises(ShapeError, match="there are none"):
        Projection.fit([], DIMENSIONS, 8)


@pytest.fixture(scope="module")
def large() -> MetricModel:
    return MetricModel.load(model_folder())


@pytest.fixture(scope="module")
def pixels(large: MetricModel) -> FloatArray:
    preprocessing = large.spec.preprocessing
    random = np.random.default_rng(3)
    return random.normal(size=(5, 3, preprocessing.height, preprocessing.width)).astype(np.float32)


@pytest.fixture(scope="module")
def small(large: MetricModel, pixels: FloatArray) -> MetricModel:
    seen, (rows, cols) = large.decompose_pixels(pixels), large.spec.grid
    projection = Projection.fit([(seen.contributions, seen.bias)], large.spec.dimensions, 8)
    return smaller(large, "small", (rows // 2, cols), projection)


def test_a_smaller_model_gives_what_is_made_of_the_larger_ones(
    large: MetricModel, pixels: FloatArray, small: MetricModel, tmp_path: Path
) -> None:
    saved = small.save(tmp_path / "small")
    loaded = MetricModel.load(tmp_path / "small")
    rows, cols = large.spec.grid
    assert loaded.spec == saved.spec
    assert (loaded.spec.grid, loaded.spec.dimensions) == ((rows // 2, cols), 8)
    assert loaded.spec.reduction and loaded.spec.reduction.of == large.spec.digest
    assert loaded.spec.digest != large.spec.digest
    before, after = large.decompose_pixels(pixels), loaded.decompose_pixels(pixels)
    contributions, bias = reduced(loaded, before.contributions, before.bias)
    assert after.contributions.shape == (5, loaded.spec.positions, 8)
    np.testing.assert_allclose(after.contributions, contributions, atol=1e-5)
    np.testing.assert_allclose(after.bias, bias, atol=1e-5)
    # Completeness: what the head itself gives is the sum.
    embeddings = run(loaded.head, torch.from_numpy(loaded.backbone(pixels)))
    np.testing.assert_allclose(after.contributions.sum(1) + after.bias, embeddings, atol=1e-5)


def test_fewer_positions_alone_keep_the_embeddings(large: MetricModel, pixels: FloatArray) -> None:
    coarse = smaller(large, "coarse", (1, 1))
    before, after = large.decompose_pixels(pixels), coarse.decompose_pixels(pixels)
    np.testing.assert_allclose(after.contributions[:, 0], before.contributions.sum(1), atol=1e-5)
    np.testing.assert_array_equal(after.bias, before.bias)
    kept = reduced(coarse, before.contributions, before.bias)
    np.testing.assert_allclose(kept[0], after.contributions, atol=1e-6)


def test_maps_of_the_feature_map_are_added_up_to_the_smaller_grid(
    large: MetricModel, small: MetricModel
) -> None:
    rows, cols = large.spec.grid
    maps = torch.rand(2, 1, rows, cols)
    expected = maps.reshape(2, rows // 2, 2, cols).sum(2)
    torch.testing.assert_close(small.on_grid(maps), expected)
    torch.testing.assert_close(large.on_grid(maps), maps[:, 0])


def test_a_smaller_model_is_made_of_an_imported_one_only(
    large: MetricModel, small: MetricModel, made: tuple[FloatArray, FloatArray]
) -> None:
    with pytest.raises(ModelError, match="already a reduced model"):
        smaller(small, "smallest", (1, 1))
    with pytest.raises(ShapeError, match="cannot be pooled"):
        smaller(large, "finer", (1000, 1))
    with pytest.raises(ModelError, match="not made from a larger one"):
        reduced(large, *made)


def test_an_older_version_would_refuse_a_smaller_model_by_its_format(
    large: MetricModel, small: MetricModel, tmp_path: Path
) -> None:
    for name, model in (("large", large), ("small", small)):
        plain = replace(model, spec=replace(model.spec, registered=None))
        plain.save(tmp_path / name)
        found = json.loads((tmp_path / name / "model.json").read_text())["format"]
        assert found == {"large": 1, "small": 2}[name]
