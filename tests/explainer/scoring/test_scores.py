"""Laws of the scores: each is the sum of its map and constant, and equals a naive search."""

from collections.abc import Sequence
from dataclasses import replace
from typing import get_args

import numpy as np
import oracle
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from oracle import Search

from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring import (
    MIXTURES,
    ManySearches,
    QueryPart,
    Score,
    Scored,
    directions,
    query_part,
    score_images,
)
from partlens.explainer.scoring.part import CANCELLED


@st.composite
def searches(draw: st.DrawFn) -> Search:
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    rows, cols, dimensions = (draw(st.integers(1, most)) for most in (5, 5, 6))
    regions = []
    for _ in range(draw(st.integers(1, 3))):
        region = random.random(rows * cols) * (random.random(rows * cols) < 0.4)
        region[random.integers(rows * cols)] = 1
        regions.append((region, draw(st.sampled_from([1.0, 0.5, -1.0]))))
    count = draw(st.integers(0, 4))
    images = random.standard_normal((count, rows * cols, dimensions))
    # Positions that contribute nothing, as with global max pooling.
    images *= random.random((count, rows * cols, 1)) < 0.8
    return Search(
        random.standard_normal((rows * cols, dimensions)),
        random.standard_normal(dimensions),
        regions,
        images,
        random.standard_normal((count, dimensions)),
        (rows, cols),
    )


@pytest.mark.parametrize("score", get_args(Score))
@given(search=searches())
def test_scores_equal_a_naive_search_and_the_sum_of_their_maps(
    search: Search, score: Score
) -> None:
    found = scored(search, score)
    np.testing.assert_allclose(
        found.maps.sum((1, 2)) + found.constants, found.scores, rtol=1e-4, atol=1e-5
    )
    for image in range(len(search.images)):
        expected = oracle.score(search, score, image)
        if expected is not None:
            assert found.scores[image] == pytest.approx(expected, rel=1e-4, abs=1e-4)


@given(search=searches())
def test_what_whole_images_add_is_a_product_with_two_directions(search: Search) -> None:
    sums = search.images.sum(1)
    embeddings = sums + search.biases
    terms = np.linalg.norm(search.images, axis=2).sum(1) + np.linalg.norm(search.biases, axis=1)
    shortest = np.minimum(np.linalg.norm(sums, axis=1), np.linalg.norm(embeddings, axis=1))
    # Of vectors that cancel out, scoring counts the sum as nothing; see part.lengths_of_sums.
    whole = shortest > 10 * CANCELLED * terms
    of_images: dict[Score, NDArray[np.floating]] = {
        "whole": scored(search, "whole").scores,
        "part": np.zeros(len(sums)),
        "context": scored(search, "context").scores - scored(search, "part").scores,
    }
    for score in get_args(Score):
        along = directions(score, search.parts())
        products = units(sums) @ along.sums + units(embeddings) @ along.embeddings
        np.testing.assert_allclose(products[whole], of_images[score][whole], rtol=1e-4, atol=1e-4)


def units(vectors: NDArray[np.floating]) -> NDArray[np.floating]:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1))


def scored(search: Search, score: Score) -> Scored:
    images, biases = search.images.astype(np.float32), search.biases.astype(np.float32)
    return score_images(score, search.parts(), images, biases, search.grid)


@pytest.mark.parametrize("score", get_args(Score))
@given(search=searches())
def test_regions_count_by_their_weights_alone(search: Search, score: Score) -> None:
    together = scored(search, score)
    alone = [
        scored(replace(search, regions=[(region, 1.0)]), score) for region, _ in search.regions
    ]
    for name in ("scores", "maps", "constants"):
        added = sum(
            weight * getattr(one, name)
            for (_, weight), one in zip(search.regions, alone, strict=True)
        )
        # Large shares of either sign may cancel, so that rounding of float32 shows.
        np.testing.assert_allclose(getattr(together, name), added, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("score", get_args(Score))
@given(search=searches(), scale=st.sampled_from([0.125, 0.5, 4.0]))
def test_the_length_of_a_retrieved_image_does_not_count(
    search: Search, score: Score, scale: float
) -> None:
    longer = replace(search, images=scale * search.images, biases=scale * search.biases)
    first, second = scored(search, score), scored(longer, score)
    np.testing.assert_allclose(first.scores, second.scores, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(first.maps, second.maps, rtol=1e-4, atol=1e-5)


@given(
    search=searches(),
    others=st.lists(st.tuples(st.sampled_from(get_args(Score)), searches()), max_size=3),
)
def test_searches_together_score_as_each_alone(
    search: Search, others: list[tuple[Score, Search]]
) -> None:
    images, biases = search.images.astype(np.float32), search.biases.astype(np.float32)
    asked = list[tuple[Score, Sequence[QueryPart]]]()
    for score in MIXTURES:
        asked.append((score, search.parts()))
    for score, other in others:
        if other.images.shape[1:] == search.images.shape[1:] and other.grid == search.grid:
            asked.append((score, other.parts()))
    together = ManySearches(asked).scores(images, biases, search.grid)
    for number, (score, parts) in enumerate(asked):
        alone = score_images(score, parts, images, biases, search.grid)
        np.testing.assert_allclose(together[:, number], alone.scores, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("shape", [(8, 4, 128), (7, 7, 130), (3, 2, 5), (16, 8, 512)])
@pytest.mark.parametrize("score", get_args(Score))
def test_an_image_scores_the_same_bit_by_bit_with_any_others(
    score: Score, shape: tuple[int, int, int]
) -> None:
    rows, cols, dimensions = shape
    random = np.random.default_rng(0)
    images = random.standard_normal((40, rows * cols, dimensions)).astype(np.float32)
    biases = random.standard_normal((40, dimensions)).astype(np.float32)
    region = (np.arange(rows * cols) < 5).astype(np.float32)
    part = query_part(images[0] + images[1], biases[0], region, (rows, cols))
    everything = score_images(score, [part], images, biases, (rows, cols))
    for start, end in ((0, 1), (39, 40), (3, 6), (1, 38), (7, 24), (20, 40)):
        some = slice(start, end)
        found = score_images(score, [part], images[some].copy(), biases[some], (rows, cols))
        for name in ("scores", "maps", "constants", "windows"):
            assert (getattr(found, name) == getattr(everything, name)[some]).all()


def test_a_region_goes_to_the_first_of_equal_places_whatever_else_is_searched() -> None:
    """Of an image that repeats itself, in which places differ by rounding at most."""
    random = np.random.default_rng(0)
    grid, bias = (6, 6), np.zeros((1, 64), np.float32)
    tile = random.standard_normal((2, 2, 64))
    image = np.tile(tile, (3, 3, 1)).reshape(1, 36, 64).astype(np.float32)
    image[0, 14] *= 1.5  # a place that it is part of fits as well, and sums to something else
    region = np.zeros(36, np.float32)
    region[[0, 1, 6, 7]] = 1
    part = query_part(image[0] * np.float32(1.0001), bias[0], region, grid)
    found = score_images("part", [part], image, bias, grid)
    assert found.windows.tolist() == [[0, 0, 2, 2]]
    for count in range(1, 40, 6):
        query = random.standard_normal((36, 64)).astype(np.float32)
        searched = [query_part(query, bias[0], region, grid)] * count + [part]
        together = ManySearches([("part", [one]) for one in searched])
        assert together.scores(image, bias, grid)[0, -1] == pytest.approx(found.scores[0], abs=1e-5)


@given(searches(), st.integers(0, 2**16))
def test_whole_is_additive_over_the_pieces_of_a_region(search: Search, seed: int) -> None:
    (region, _), *_ = search.regions
    cut = np.random.default_rng(seed).random(len(region))
    pieces = [(piece, 1.0) for piece in (region * cut, region * (1 - cut))]
    added = scored(replace(search, regions=pieces), "whole")
    whole = scored(replace(search, regions=[(region, 1.0)]), "whole")
    np.testing.assert_allclose(added.scores, whole.scores, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(added.maps, whole.maps, rtol=1e-4, atol=1e-4)


def two_by_two(of: float) -> tuple[QueryPart, NDArray[np.float32]]:
    """A query whose cells (0..1, 0..1) are [of, 0], and an image with the same at (1..2, 2..3)."""
    query = np.zeros((4, 5, 2), np.float32)
    query[..., 1] = 1
    image = query.copy()
    query[0:2, 0:2] = [of, 0]
    image[1:3, 2:4] = [of, 0]
    region = np.zeros((4, 5), np.float32)
    region[0:2, 0:2] = 1
    part = query_part(query.reshape(20, 2), np.zeros(2, np.float32), region.reshape(20), (4, 5))
    return part, image.reshape(1, 20, 2)


def test_a_part_is_found_where_it_was_put_and_only_its_place_scores() -> None:
    part, image = two_by_two(2)
    found = score_images("part", [part], image, np.zeros((1, 2), np.float32), (4, 5))
    assert found.windows.tolist() == [[1, 2, 3, 4]]
    assert found.scores == pytest.approx(1)
    assert found.maps[0, 1:3, 2:4] == pytest.approx(0.25)
    assert np.count_nonzero(found.maps) == 4


def test_whole_is_found_where_its_map_is_largest() -> None:
    part, image = two_by_two(2)
    image[0, 19] = [5, 0]
    found = score_images("whole", [part], image, np.zeros((1, 2), np.float32), (4, 5))
    assert found.maps.reshape(-1).argmax() == 19
    assert found.windows.tolist() == [[2.5, 3.5, 4, 5]]


def test_a_place_between_cells_is_found_there() -> None:
    """The same smooth picture moved down by 1.4 cells: the box moves by as much."""
    heights, knots = np.arange(8), np.arange(-3, 12)
    contents = np.random.default_rng(0).standard_normal((len(knots), 16))

    def seen(moved: float) -> NDArray[np.float32]:
        near = np.exp(-((heights[:, None] - moved - knots) ** 2) / 2)
        return np.asarray(near @ contents, np.float32)

    region = np.isin(heights, [2, 3, 4]).astype(np.float32)
    part = query_part(seen(0), np.zeros(16, np.float32), region, (8, 1))
    bias = np.zeros((1, 16), np.float32)
    found = score_images("part", [part], seen(1.4)[None], bias, (8, 1))
    assert found.windows[0, 0] == pytest.approx(2 + 1.4, abs=0.25)


def test_a_region_is_found_mirrored() -> None:
    """The window is where the mirrored region lies, and the score is that of the region itself."""
    random = np.random.default_rng(0)
    query = random.standard_normal((5, 7, 16)).astype(np.float32)
    region = np.zeros((5, 7), np.float32)
    region[1:3, 1:4] = [[1, 1, 0.5], [1, 0.25, 0]]
    bias = np.zeros((1, 16), np.float32)
    part = query_part(query.reshape(35, 16), bias[0], region.reshape(35), (5, 7))
    image = query[:, ::-1].reshape(1, 35, 16)
    found = score_images("part", [part], image, bias, (5, 7))
    assert found.scores == pytest.approx(1, abs=1e-5)
    row0, col0, row1, col1 = part.extent
    assert found.windows[0] == pytest.approx([row0, 7 - col1, row1, 7 - col0], abs=0.5)
    assert (found.maps[0] != 0).tolist() == (region[:, ::-1] != 0).tolist()


def test_the_extent_of_a_region_is_that_of_its_box() -> None:
    down, across = np.array([0, 0.25, 1, 0.5]), np.array([0, 1, 1, 0.75, 0])
    region = np.outer(down, across).astype(np.float32).reshape(20)
    part = query_part(np.ones((20, 1), np.float32), np.zeros(1, np.float32), region, (4, 5))
    assert part.extent == (1.75, 1, 3.5, 3.75)


def test_an_image_of_no_contribution_scores_zero() -> None:
    part, _ = two_by_two(1)
    zeros = np.zeros((1, 20, 2), np.float32)
    for score in get_args(Score):
        found = score_images(score, [part], zeros, zeros[:, 0], (4, 5))
        assert found.scores.tolist() == [0]


def test_a_region_of_many_cells_is_still_laid_over_itself() -> None:
    random = np.random.default_rng(0)
    query = random.standard_normal((144, 4)).astype(np.float32)
    part = query_part(query, np.zeros(4, np.float32), np.ones(144, np.float32), (12, 12))
    found = score_images("part", [part], query[None], np.zeros((1, 4), np.float32), (12, 12))
    assert found.scores == pytest.approx(1, abs=1e-5)
    assert found.windows == pytest.approx(np.array([[0, 0, 12, 12]]), abs=0.5)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda part: [], "at least one region"),
        (lambda part: [part, query_part(*_wider())], r"need \(2,\)"),
    ],
)
def test_parts_that_cannot_be_searched_are_refused(make, message: str) -> None:  # type: ignore[no-untyped-def]
    part, image = two_by_two(1)
    with pytest.raises(ShapeError, match=message):
        score_images("part", make(part), image, np.zeros((1, 2), np.float32), (4, 5))


def test_a_part_of_a_larger_grid_is_refused() -> None:
    part, _ = two_by_two(1)
    with pytest.raises(ShapeError, match="outside the 1x4 grid"):
        score_images(
            "part",
            [part],
            np.ones((1, 4, 2), np.float32),
            np.zeros((1, 2), np.float32),
            (1, 4),
        )


def test_a_region_that_covers_nothing_is_refused() -> None:
    with pytest.raises(ShapeError, match="covers no position"):
        query_part(*_wider()[:2], np.zeros(20, np.float32), (4, 5))


def _wider() -> tuple[
    NDArray[np.float32], NDArray[np.float32], NDArray[np.float32], tuple[int, int]
]:
    return np.ones((20, 3), np.float32), np.zeros(3, np.float32), np.ones(20, np.float32), (4, 5)
