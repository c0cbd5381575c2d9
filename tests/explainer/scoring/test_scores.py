"""Laws of the scores: each is the sum of its map and constant, and equals a naive search."""

from dataclasses import dataclass
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring import MIXTURES, QueryPart, Score, query_part, score_images

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Search:
    """Regions of a query, as (region weights [P], weight in the score), and images to score."""

    query: Array
    query_bias: Array
    regions: list[tuple[Array, float]]
    images: Array
    biases: Array
    grid: tuple[int, int]

    def parts(self) -> list[QueryPart]:
        query, bias = self.query.astype(np.float32), self.query_bias.astype(np.float32)
        return [
            query_part(query, bias, region.astype(np.float32), self.grid, weight)
            for region, weight in self.regions
        ]


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


def cosine(one: Array, two: Array) -> float:
    lengths = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / lengths if lengths > 1e-12 else 0.0


def places(search: Search, region: Array, image: int) -> list[tuple[float, float]]:
    """(fit, PART) of every place of a region, by loops over cells."""
    rows, cols = search.grid
    covered = [divmod(int(p), cols) for p in np.flatnonzero(region)]
    anchor = covered[int(np.argmax([region[r * cols + c] for r, c in covered]))]
    feature = sum((region[p] * search.query[p] for p in range(rows * cols)), np.zeros(()))
    found = []
    for row in range(rows):
        for col in range(cols):
            fit, laid = 0.0, np.zeros(search.query.shape[1])
            for r, c in covered:
                there = (r + row - anchor[0], c + col - anchor[1])
                if 0 <= there[0] < rows and 0 <= there[1] < cols:
                    share, cell = (
                        region[r * cols + c],
                        search.images[image][there[0] * cols + there[1]],
                    )
                    fit += share * cosine(search.query[r * cols + c], cell)
                    laid = laid + share * cell
            found.append((fit, cosine(feature, laid)))
    return found


def surrounded(search: Search, region: Array) -> Array:
    """The region's feature with its surroundings, by a double loop."""
    rows, cols = search.grid
    deviation = float(np.sqrt(region.sum()))
    total = np.zeros(search.query.shape[1])
    for p in range(rows * cols):
        for q in range(rows * cols):
            down, across = p // cols - q // cols, p % cols - q % cols
            bell = np.exp(-(down**2 + across**2) / (2 * deviation**2))
            total += bell * region[q] * search.query[p]
    return total


def naive(search: Search, score: Score, image: int) -> float:
    embedding = search.images[image].sum(0) + search.biases[image]
    query_length = float(np.linalg.norm(search.query.sum(0) + search.query_bias))
    shares, total = MIXTURES[score], 0.0
    for region, weight in search.regions:
        feature = region @ search.query
        lengths = query_length * float(np.linalg.norm(embedding))
        whole = float(feature @ embedding) / lengths
        part = max(places(search, region, image))[1]
        around = cosine(surrounded(search, region), embedding)
        total += weight * (shares.whole * whole + shares.part * part + shares.surroundings * around)
    return total


@pytest.mark.parametrize("score", get_args(Score))
@given(search=searches())
def test_scores_equal_a_naive_search_and_the_sum_of_their_maps(
    search: Search, score: Score
) -> None:
    images, biases = search.images.astype(np.float32), search.biases.astype(np.float32)
    scored = score_images(score, search.parts(), images, biases, search.grid)
    np.testing.assert_allclose(scored.maps.sum((1, 2)) + scored.constants, scored.scores, atol=1e-5)
    for image in range(len(images)):
        # Of places that fit equally well to within rounding, any may be taken.
        if score == "whole" or all(unambiguous(search, r, image) for r, _ in search.regions):
            assert scored.scores[image] == pytest.approx(
                naive(search, score, image), rel=1e-4, abs=1e-4
            )


def unambiguous(search: Search, region: Array, image: int) -> bool:
    fits = sorted((fit for fit, _ in places(search, region, image)), reverse=True)
    return len(fits) < 2 or fits[0] - fits[1] > 1e-4


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
    scored = score_images("part", [part], image, np.zeros((1, 2), np.float32), (4, 5))
    assert scored.windows.tolist() == [[1, 2, 3, 4]]
    assert scored.scores == pytest.approx(1)
    assert scored.maps[0, 1:3, 2:4] == pytest.approx(0.25)
    assert np.count_nonzero(scored.maps) == 4


def test_whole_is_found_where_its_map_is_largest() -> None:
    part, image = two_by_two(2)
    image[0, 19] = [5, 0]
    scored = score_images("whole", [part], image, np.zeros((1, 2), np.float32), (4, 5))
    assert scored.maps.reshape(-1).argmax() == 19
    assert scored.windows.tolist() == [[2.5, 3.5, 4, 5]]


def test_a_place_between_cells_is_found_there() -> None:
    """The same bump seen half a cell lower: the box moves by that half."""
    heights = np.arange(8)
    query = np.stack([np.exp(-((heights - 3.0) ** 2) / 4), 0.3 + 0 * heights], 1)
    image = np.stack([np.exp(-((heights - 4.4) ** 2) / 4), 0.3 + 0 * heights], 1)
    region = np.isin(heights, [2, 3, 4]).astype(np.float32)
    part = query_part(query.astype(np.float32), np.zeros(2, np.float32), region, (8, 1))
    bias = np.zeros((1, 2), np.float32)
    scored = score_images("part", [part], image[None].astype(np.float32), bias, (8, 1))
    assert scored.windows[0, 0] == pytest.approx(2 + 1.4, abs=0.15)


def test_the_extent_of_a_region_is_that_of_its_box() -> None:
    down, across = np.array([0, 0.25, 1, 0.5]), np.array([0, 1, 1, 0.75, 0])
    region = np.outer(down, across).astype(np.float32).reshape(20)
    part = query_part(np.ones((20, 1), np.float32), np.zeros(1, np.float32), region, (4, 5))
    assert part.extent == (1.75, 1, 3.5, 3.75)


def test_an_image_of_no_contribution_scores_zero() -> None:
    part, _ = two_by_two(1)
    zeros = np.zeros((1, 20, 2), np.float32)
    for score in get_args(Score):
        scored = score_images(score, [part], zeros, zeros[:, 0], (4, 5))
        assert scored.scores.tolist() == [0]


def test_a_region_of_many_cells_is_still_laid_over_itself() -> None:
    random = np.random.default_rng(0)
    query = random.standard_normal((144, 4)).astype(np.float32)
    part = query_part(query, np.zeros(4, np.float32), np.ones(144, np.float32), (12, 12))
    scored = score_images("part", [part], query[None], np.zeros((1, 4), np.float32), (12, 12))
    assert scored.scores == pytest.approx(1, abs=1e-5)
    assert scored.windows == pytest.approx(np.array([[0, 0, 12, 12]]), abs=0.5)


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
    with pytest.raises(ShapeError, match="1x4 grid has not"):
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
