"""Laws of the scores: each is the sum of its map and constant, and equals a naive search."""

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring import MIXTURES, QueryPart, Score, score_images

Search = tuple[list[QueryPart], np.ndarray, np.ndarray, tuple[int, int]]


@st.composite
def searches(draw: st.DrawFn) -> Search:
    random = np.random.default_rng(draw(st.integers(0, 2**16)))
    rows, cols, dimensions = (
        draw(st.integers(1, 5)),
        draw(st.integers(1, 5)),
        draw(st.integers(1, 6)),
    )
    images = draw(st.integers(0, 4))
    parts = [
        QueryPart(
            random.standard_normal(dimensions).astype(np.float32),
            float(random.uniform(0.5, 2)),
            (draw(st.integers(1, 6)), draw(st.integers(1, 6))),
            draw(st.sampled_from([1.0, 0.5, -1.0])),
        )
        for _ in range(draw(st.integers(1, 3)))
    ]
    contributions = random.standard_normal((images, rows * cols, dimensions)).astype(np.float32)
    bias = random.standard_normal((images, dimensions)).astype(np.float32)
    return parts, contributions, bias, (rows, cols)


def naive(search: Search, score: Score, image: int) -> float:
    parts, contributions, bias, (rows, cols) = search
    cells = contributions[image].reshape(rows, cols, -1).astype(np.float64)
    embedding = cells.sum((0, 1)) + bias[image]
    total = 0.0
    for part in parts:
        feature = part.feature.astype(np.float64)
        whole = feature @ embedding / (part.embedding_norm * np.linalg.norm(embedding))
        height, width = min(part.window[0], rows), min(part.window[1], cols)
        cosines = []
        for row in range(rows - height + 1):
            for col in range(cols - width + 1):
                window = cells[row : row + height, col : col + width].sum((0, 1))
                lengths = np.linalg.norm(feature) * np.linalg.norm(window)
                cosines.append(feature @ window / lengths)
        whole_share, part_share = MIXTURES[score]
        total += part.weight * (whole_share * whole + part_share * max(cosines))
    return float(total)


@pytest.mark.parametrize("score", get_args(Score))
@given(search=searches())
def test_scores_equal_a_naive_search_and_the_sum_of_their_maps(
    search: Search, score: Score
) -> None:
    scored = score_images(score, *search)
    expected = [naive(search, score, image) for image in range(len(search[1]))]
    np.testing.assert_allclose(scored.scores, expected, atol=1e-4)
    np.testing.assert_allclose(scored.maps.sum((1, 2)) + scored.constants, expected, atol=1e-4)


def test_a_part_is_found_where_it_was_put_and_only_its_window_scores() -> None:
    contributions = np.zeros((1, 4, 5, 2), np.float32)
    contributions[..., 1] = 1
    contributions[0, 1:3, 2:4] = [1, 0]
    part = QueryPart(np.array([2, 0], np.float32), 1, (2, 2))
    scored = score_images(
        "part", [part], contributions.reshape(1, 20, 2), np.zeros((1, 2), np.float32), (4, 5)
    )
    assert scored.windows.tolist() == [[1, 2, 3, 4]]
    assert scored.scores == pytest.approx(1)
    assert scored.maps[0, 1:3, 2:4] == pytest.approx(0.25)
    assert np.count_nonzero(scored.maps) == 4


def test_an_image_of_no_contribution_scores_zero() -> None:
    part = QueryPart(np.ones(3, np.float32), 1, (1, 1))
    zeros = np.zeros((1, 4, 3), np.float32)
    assert score_images("default", [part], zeros, zeros[:, 0], (2, 2)).scores.tolist() == [0]


@pytest.mark.parametrize(
    ("parts", "message"),
    [
        ([], "at least one region"),
        ([QueryPart(np.ones(2, np.float32), 1, (1, 1))], r"need \(3,\)"),
        ([QueryPart(np.ones(3, np.float32), 1, (0, 1))], "holds nothing"),
    ],
)
def test_parts_that_cannot_be_searched_are_refused(parts: list[QueryPart], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        zeros = np.zeros((1, 4, 3), np.float32)
        score_images("part", parts, zeros, zeros[:, 0], (2, 2))
