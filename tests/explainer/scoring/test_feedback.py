"""Laws of feedback: linear, without order, and every score is still the sum of its map."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.explainer.errors import RegionError, ShapeError
from partlens.explainer.scoring import (
    ManySearches,
    Mark,
    QueryPart,
    Score,
    Scored,
    best_place,
    directions,
    query_part,
    score_images,
    whole_part,
    with_marks,
)

ROWS, COLS, DIMENSIONS = 4, 3, 5
GRID = ROWS, COLS
Array = NDArray[np.float32]


def image(seed: int) -> tuple[Array, Array]:
    """Contributions and bias of a random image."""
    random = np.random.default_rng(seed)
    contributions = random.standard_normal((ROWS * COLS, DIMENSIONS)).astype(np.float32)
    return contributions, random.standard_normal(DIMENSIONS).astype(np.float32)


def covered(seed: int) -> Array:
    """Random weights of a region; the query's own region has another seed than any image."""
    random = np.random.default_rng([7, seed])
    weights = random.random(ROWS * COLS) * (random.random(ROWS * COLS) < 0.4)
    weights[random.integers(ROWS * COLS)] = 1
    return weights.astype(np.float32)


def part(seed: int) -> QueryPart:
    return query_part(*image(seed), covered(seed), GRID)


CONTRIBUTIONS, BIASES = map(np.stack, zip(*map(image, range(100, 106)), strict=True))
seeds = st.integers(0, 50)
marks = st.lists(st.tuples(seeds, st.floats(-0.3, 2)), max_size=4)


def scored(score: Score, moved: QueryPart) -> Scored:
    return score_images(score, [moved], CONTRIBUTIONS, BIASES, GRID)


def moved_by(start: QueryPart, given: list[tuple[int, float]]) -> QueryPart:
    try:
        return with_marks(start, [Mark(part(seed), weight) for seed, weight in given])
    except RegionError:
        assume(condition=False)
        raise


@pytest.mark.parametrize("score", get_args(Score))
@given(seed=seeds, given_marks=marks)
def test_a_score_after_feedback_is_the_sum_of_its_map_for_one_search_and_for_many(
    score: Score, seed: int, given_marks: list[tuple[int, float]]
) -> None:
    moved = moved_by(part(seed), given_marks)
    found = scored(score, moved)
    sums = found.maps.sum((1, 2)) + found.constants
    np.testing.assert_allclose(sums, found.scores, rtol=1e-4, atol=1e-5)
    many = ManySearches([("part", [part(seed)]), (score, [moved])])
    np.testing.assert_allclose(
        many.scores(CONTRIBUTIONS, BIASES, GRID)[:, 1], found.scores, rtol=1e-4, atol=1e-4
    )


@given(seed=seeds, given_marks=marks)
def test_whole_after_feedback_equals_the_formula(
    seed: int, given_marks: list[tuple[int, float]]
) -> None:
    contributions, bias = image(seed)
    f, expected = (covered(seed) @ contributions).astype(np.float64), np.zeros(len(BIASES))
    feature = f / np.linalg.norm(f)
    for other, weight in given_marks:
        g = (covered(other) @ image(other)[0]).astype(np.float64)
        feature = feature + weight * g / np.linalg.norm(g)
    query = np.linalg.norm(contributions.sum(0) + bias)
    for i, (of_image, of_bias) in enumerate(zip(CONTRIBUTIONS, BIASES, strict=True)):
        embedding = of_image.sum(0) + of_bias
        length = np.linalg.norm(embedding) * query / np.linalg.norm(f)
        expected[i] = feature @ embedding / length
    moved = moved_by(part(seed), given_marks)
    np.testing.assert_allclose(scored("whole", moved).scores, expected, rtol=1e-3, atol=1e-4)


@given(seed=seeds, given_marks=marks)
def test_candidates_are_looked_for_with_the_features_that_score(
    seed: int, given_marks: list[tuple[int, float]]
) -> None:
    moved = moved_by(part(seed), given_marks)
    sums = CONTRIBUTIONS.sum(1)
    units = sums / np.linalg.norm(sums, axis=1, keepdims=True)
    surroundings = scored("context", moved).scores - scored("part", moved).scores
    np.testing.assert_allclose(
        units @ directions("context", [moved]).sums, surroundings, rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("score", get_args(Score))
@given(seed=seeds, others=st.lists(seeds, min_size=1, max_size=3))
def test_marks_of_weight_0_change_nothing(score: Score, seed: int, others: list[int]) -> None:
    start = part(seed)
    moved = with_marks(start, [Mark(part(other), 0.0) for other in others])
    for name in ("scores", "maps", "constants", "windows"):
        before, after = getattr(scored(score, start), name), getattr(scored(score, moved), name)
        np.testing.assert_array_equal(before, after)


@given(seed=seeds, given_marks=marks, order=st.randoms())
def test_the_order_of_marks_does_not_matter(
    seed: int, given_marks: list[tuple[int, float]], order: object
) -> None:
    shuffled = list(given_marks)
    order.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = moved_by(part(seed), given_marks), moved_by(part(seed), shuffled)
    np.testing.assert_allclose(first.feature, second.feature, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(first.surroundings, second.surroundings, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("score", get_args(Score))
@given(seed=seeds, weight=st.floats(0, 3))
def test_more_like_the_query_itself_changes_only_the_scale(
    score: Score, seed: int, weight: float
) -> None:
    start = part(seed)
    same = best_place(start, image(seed)[0], GRID)
    np.testing.assert_array_equal(same, covered(seed))
    moved = with_marks(start, [Mark(query_part(*image(seed), same, GRID), weight)])
    scale = 1 + weight if score == "whole" else 1
    np.testing.assert_allclose(
        scored(score, moved).scores, scale * scored(score, start).scores, rtol=1e-4, atol=1e-5
    )


@given(seed=seeds)
def test_a_region_is_laid_on_a_mark_where_part_lays_it(seed: int) -> None:
    found = scored("part", part(seed))
    for contributions, map in zip(CONTRIBUTIONS, found.maps, strict=True):
        laid = best_place(part(seed), contributions, GRID)
        assert ((laid > 0) == (map.reshape(-1) != 0)).all()
        assert laid.sum() <= covered(seed).sum() + 1e-5 and laid.max() == covered(seed).max()


def test_marks_that_cancel_the_region_out_are_refused() -> None:
    start = part(3)
    with pytest.raises(RegionError, match="cancel the region out"):
        with_marks(start, [Mark(start, -1.0)])
    with pytest.raises(ShapeError, match="give a finite number"):
        Mark(start, float("nan"))
    assert with_marks(start, [Mark(start, -0.9)]).feature.any()


def test_the_query_decides_where_a_region_is_laid() -> None:
    start = part(3)
    moved = with_marks(start, [Mark(part(4), 1.5)])
    assert (moved.feature != start.feature).any()
    before, after = scored("part", start), scored("part", moved)
    np.testing.assert_array_equal(before.windows, after.windows)


@given(seed=seeds)
def test_a_whole_picture_is_ranked_by_the_cosine_of_embeddings_and_lies_on_whole_images(
    seed: int,
) -> None:
    contributions, bias = image(seed)
    whole = whole_part(contributions, bias, np.ones(ROWS * COLS, np.float32), GRID)
    query, embeddings = contributions.sum(0) + bias, CONTRIBUTIONS.sum(1) + BIASES
    cosines = embeddings @ query / np.linalg.norm(embeddings, axis=1) / np.linalg.norm(query)
    found = scored("whole", whole)
    np.testing.assert_allclose(found.scores, cosines, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.maps.sum((1, 2)) + found.constants, cosines, atol=1e-5)
    assert (found.windows == (0, 0, *GRID)).all()
