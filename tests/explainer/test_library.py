"""The explainer as a library: images know their size, so regions and pixels need nothing more."""

import html
from functools import cache
from pathlib import Path

import head_modules
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from token_model import tokens_model

from partlens.common.explained_pair import Side
from partlens.explainer import (
    COMPARATORS,
    Box,
    Decomposition,
    FigureError,
    ImageError,
    MetricModel,
    Point,
    Polygon,
    Preprocessing,
    RegionError,
    ShapeError,
    Target,
    Whole,
)
from partlens.explainer.preprocessing import Resize
from partlens.explainer.regions import position_weights, window_box
from partlens.explainer.registering import register
from partlens.explainer.starter.pictures import probes


@cache
def made(resize: Resize) -> MetricModel:
    model = MetricModel.from_module(
        head_modules.make("gmp, fc"),
        feature_layer="stem",
        preprocessing=Preprocessing(32, 16, resize=resize),
        name="gmp",
    )
    return register(model, probes())[0]


@pytest.fixture(scope="module", params=["stretch", "shortest_side_crop"])
def model(request: pytest.FixtureRequest) -> MetricModel:
    return made(request.param)


@cache
def tokens() -> MetricModel:
    return tokens_model()


def picture(seed: int, width: int = 40, height: int = 60) -> NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)


SIDES: tuple[Side, Side] = ("query", "retrieved")
REGIONS = (Box(12, 20, 18, 25), Point(20, 30), Polygon(((5, 5), (35, 8), (20, 55))), Whole())


@pytest.mark.parametrize("of", SIDES)
@pytest.mark.parametrize("region", REGIONS, ids=repr)
def test_a_region_in_pixels_is_the_positions_that_it_covers(
    model: MetricModel, region: Box | Point | Polygon | Whole, of: Side
) -> None:
    pair, spec = model.explain(picture(0), picture(1)), model.spec
    covered = position_weights(region, (40, 60), spec.preprocessing, spec.registration)
    expected = pair.partial_map(covered, of=of)
    found = pair.partial_map(region, of=of)
    torch.testing.assert_close(found.values, expected.values)
    assert found.constant == expected.constant
    matrix = pair.region_matrix(*((region, Whole()) if of == "query" else (Whole(), region)))
    assert float(matrix) == pytest.approx(float(found.values.sum()), abs=1e-5)


def test_weights_are_arrays_or_tensors_of_either_shape(model: MetricModel) -> None:
    pair = model.explain(picture(0), picture(1))
    weights = np.random.default_rng(0).random((8, 4))
    expected = pair.partial_map(weights)
    for form in (
        weights.ravel(),
        torch.from_numpy(weights),
        torch.from_numpy(weights.ravel()).float(),
        weights[:, ::-1][:, ::-1],
    ):
        torch.testing.assert_close(pair.partial_map(form).values, expected.values)
    ones = np.ones((8, 4), np.bool_)
    torch.testing.assert_close(pair.partial_map(ones).values, pair.partial_map(Whole()).values)
    eye = np.eye(32).reshape(32, 8, 4)
    matrix = pair.region_matrix(eye, torch.eye(32))
    assert float(matrix.sum()) == pytest.approx(pair.four_terms.positions, abs=1e-5)


def test_a_map_is_upsampled_to_its_image_and_numpy_takes_it(model: MetricModel) -> None:
    pair = model.explain(picture(0), picture(1, 90, 30))
    map, spec = pair.partial_map(Box(12, 20, 18, 25)), model.spec
    large = map.upsample()
    assert large.shape == (30, 90)
    np.testing.assert_array_equal(large, map.placed.upsampled(90, 30))
    expected = window_box(0, 0, 8, 4, (90, 30), spec.preprocessing, spec.registration)
    assert map.placed.extent == expected and map.placed.registration == spec.registration
    np.testing.assert_array_equal(np.asarray(map), map.values.numpy())
    np.testing.assert_array_equal(pair.retrieved.upsample(map.numpy().ravel()), large)


def test_plain_values_are_those_of_the_explanation(model: MetricModel) -> None:
    pair = model.explain(picture(0), picture(1))
    partial = [pair.partial_map(Whole()), pair.partial_map(Point(20, 30), of="retrieved")]
    plain = pair.plain(partial)
    assert (plain.similarity, [one.side for one in plain.partial_maps]) == (
        pair.similarity,
        ["retrieved", "query"],
    )
    sides: list[tuple[Side, float]] = [
        ("query", plain.query_map_with_bias.sums.sum),
        ("retrieved", plain.retrieved_map_with_bias.sums.sum),
    ]
    for side, total in sides:
        assert total + plain.constant_of(side) == pytest.approx(pair.similarity, abs=1e-5)


@given(st.integers(0, 2**16))
@settings(max_examples=10)
def test_decompose_gives_what_the_models_own_head_computes(seed: int) -> None:
    seen = tokens().decompose([picture(seed), picture(seed + 1, 30, 30)])
    for one in seen:
        assert one.model_embedding is not None
        torch.testing.assert_close(one.embedding, one.model_embedding, atol=1e-5, rtol=1e-5)


def test_one_image_is_taken_for_several_and_decompositions_are_a_sequence() -> None:
    model, one = tokens(), picture(0)
    seen = model.decompose(one)
    assert len(seen) == len(list(seen)) == 1
    with pytest.raises(IndexError):
        seen[1]
    (pair,) = model.explain_many(one, one)
    assert pair.similarity == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(
        Target.regions(seen, np.ones((1, 16))).feature,
        Target.regions(seen, torch.ones(1, 4, 4)).feature,
    )


def test_any_map_can_be_drawn_over_its_image() -> None:
    model = made("stretch")
    seen = model.decompose(picture(0))
    feature = model.features(picture(0))
    pixels = model.spec.preprocessing.pixels(picture(0))[None]
    torch.testing.assert_close(feature, torch.from_numpy(model.backbone(pixels)))
    target = Target.images(model.decompose(picture(1)))
    map = COMPARATORS["grad_cam"](model.head, feature, target)[0]
    assert seen[0].figure(map).image.size == seen[0].figure(map.numpy()).image.size


@pytest.mark.parametrize(
    ("region", "error", "message"),
    [
        ((26, 62, 52, 50), RegionError, r"got \(26, 62, 52, 50\): write Box\(x, y, width, height"),
        ("0,0,5,5", RegionError, "must be a Box, Point, Polygon, Mask or Whole"),
        (np.ones((4, 8)), ShapeError, r"shape \(4, 8\); this image needs \[32\] or \[8, 4\]"),
        (np.full(32, 2.0), ShapeError, "must lie in 0..1"),
        (np.array(["a"] * 32), ShapeError, "must hold numbers"),
        (Box(500, 0, 5, 5), RegionError, "outside the 40x60 image"),
    ],
)
def test_what_is_no_region_is_refused(region: object, error: type[Exception], message: str) -> None:
    pair = made("stretch").explain(picture(0), picture(1))
    with pytest.raises(error, match=message):
        pair.partial_map(region)  # type: ignore[arg-type]


def test_what_needs_an_image_says_so_where_only_pixels_were_given() -> None:
    model = made("stretch")
    seen = model.decompose_pixels(np.ones((1, 3, 32, 16), np.float32))[0]
    assert isinstance(seen, Decomposition)
    with pytest.raises(RegionError, match=r"use MetricModel\.decompose, or give the weight"):
        seen.weights(Box(0, 0, 5, 5))
    for ask in (lambda: seen.placed(np.ones(32)), lambda: seen.figure(np.ones(32))):
        with pytest.raises(ImageError, match=r"use MetricModel\.decompose"):
            ask()
    with pytest.raises(ShapeError, match="'query' or 'retrieved', not 'left'"):
        model.explain(picture(0), picture(1)).partial_map(Whole(), of="left")  # type: ignore[arg-type]


def test_texts_for_people_are_one_short_line(tmp_path: Path) -> None:
    model, path = made("stretch"), tmp_path / "a.png"
    Image.fromarray(picture(0)).save(path)
    pair = model.explain(path, picture(1))
    shown = [model, pair, pair.query, pair.query_map(), pair.plain(), pair.query_map().placed]
    for one in (*shown, model.decompose(path), pair.figure()):
        assert len(repr(one)) < 260 and "\n" not in repr(one)
    assert "image a.png 40x60" in repr(pair.query)
    assert f"{pair.query_map().total:+.4f}" in repr(pair.query_map())


def test_a_notebook_shows_figures_and_no_name_is_markup(tmp_path: Path) -> None:
    model, path = made("stretch"), tmp_path / "<img onerror=x>.png"
    Image.fromarray(picture(0)).save(path)
    pair = model.explain(path, picture(1))
    for shown in (pair, pair.partial_map(Whole()), pair.partial_map(Whole(), of="retrieved")):
        page = shown._repr_html_()
        assert page is not None and "data:image/png;base64," in page
        assert "<img onerror" not in page
    assert html.escape("<img onerror=x>") in (pair.query_map()._repr_html_() or "")
    assert "<table>" in model._repr_html_()
    pixels = model.decompose_pixels(np.ones((2, 3, 32, 16), np.float32))
    assert "similarity" in type(pair)(*pixels)._repr_html_()


def test_a_scale_that_is_none_is_refused() -> None:
    pair = made("stretch").explain(picture(0), picture(1))
    for scale in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(FigureError, match="must be a finite number above 0"):
            pair.figure(scale)
