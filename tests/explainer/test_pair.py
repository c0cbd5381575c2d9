"""Laws of decompositions and pair explanations: additivity, and equality with naive loops."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.explained_pair import Side
from partlens.explainer import Decomposition, PairExplanation, ShapeError
from partlens.explainer.pair import maps_of_retrieved

GRIDS = st.tuples(st.integers(1, 4), st.integers(1, 4))


def decomposition(grid: tuple[int, int], dimensions: int, seed: int) -> Decomposition:
    random = torch.Generator().manual_seed(seed)
    shape = (grid[0] * grid[1], dimensions)
    return Decomposition(
        torch.randn(shape, generator=random, dtype=torch.float64),
        torch.randn(dimensions, generator=random, dtype=torch.float64),
        grid,
    )


SIDES: tuple[Side, Side] = ("query", "retrieved")


def sides(pair: PairExplanation, of: Side) -> tuple[Decomposition, Decomposition]:
    """The image of a side, and the other."""
    return (pair.query, pair.retrieved) if of == "query" else (pair.retrieved, pair.query)


@st.composite
def pairs(draw: st.DrawFn) -> PairExplanation:
    dimensions, seed = draw(st.integers(1, 8)), draw(st.integers(0, 2**16))
    return PairExplanation(
        decomposition(draw(GRIDS), dimensions, seed),
        decomposition(draw(GRIDS), dimensions, seed + 1),
    )


@given(pairs())
def test_the_similarity_is_the_cosine_and_the_sum_of_the_four_terms(pair: PairExplanation) -> None:
    cosine = torch.cosine_similarity(pair.query.embedding, pair.retrieved.embedding, dim=0)
    assert pair.similarity == pytest.approx(float(cosine), abs=1e-12)
    assert sum(pair.four_terms) == pytest.approx(pair.similarity, abs=1e-12)


@given(pairs())
def test_maps_add_up_to_the_terms_that_they_explain(pair: PairExplanation) -> None:
    terms = pair.four_terms
    for of_both in (pair.query_map(with_bias=False), pair.retrieved_map(with_bias=False)):
        assert float(of_both.values.sum()) == pytest.approx(terms.positions, abs=1e-12)
        assert of_both.total == float(of_both.values.sum())
    for overall, against_bias in (
        (pair.query_map(), terms.query_positions_retrieved_bias),
        (pair.retrieved_map(), terms.query_bias_retrieved_positions),
    ):
        found = float(overall.values.sum())
        assert found == pytest.approx(terms.positions + against_bias, abs=1e-12)
        assert overall.total == pytest.approx(pair.similarity, abs=1e-12)


@given(pairs(), st.integers(0, 2**16))
def test_partial_maps_equal_a_loop_over_position_pairs(pair: PairExplanation, seed: int) -> None:
    random = torch.Generator().manual_seed(seed)
    for of in SIDES:
        side, other = sides(pair, of)
        weights = torch.rand(len(side.contributions), generator=random, dtype=torch.float64) + 1e-6
        weights = weights.clamp(max=1)
        naive = [
            sum(
                float(w) * float(c @ c_other)
                for w, c in zip(weights, side.contributions, strict=True)
            )
            / pair.normaliser
            for c_other in other.contributions
        ]
        map = pair.partial_map(weights, of=of)
        assert map.on != of and map.image is other
        assert map.values.flatten().tolist() == pytest.approx(naive, abs=1e-9)


@given(pairs(), st.integers(0, 2**16))
def test_partial_maps_of_the_pieces_of_a_region_add_up_to_its_own(
    pair: PairExplanation, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    weights = torch.rand(len(pair.query.contributions), generator=random, dtype=torch.float64)
    weights = weights.clamp(min=1e-3)
    shares = torch.rand(len(weights), generator=random, dtype=torch.float64).clamp(1e-3, 1 - 1e-3)
    pieces = [pair.partial_map(weights * some).values for some in (shares, 1 - shares)]
    torch.testing.assert_close(pieces[0] + pieces[1], pair.partial_map(weights).values)


@given(pairs(), st.integers(0, 2**16))
def test_a_partial_map_and_its_constant_add_up_to_what_the_region_explains(
    pair: PairExplanation, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    for of in SIDES:
        side, other = sides(pair, of)
        weights = torch.rand(len(side.contributions), generator=random, dtype=torch.float64)
        weights = weights.clamp(min=1e-3)
        explained = float(side.partial_feature(weights) @ other.embedding) / pair.normaliser
        assert pair.partial_map(weights, of=of).total == pytest.approx(explained, abs=1e-9)


@given(pairs(), st.integers(0, 2**16))
def test_maps_of_many_retrieved_images_equal_those_of_each(
    pair: PairExplanation, seed: int
) -> None:
    random = torch.Generator().manual_seed(seed)
    query, retrieved = pair.query, pair.retrieved
    weights = torch.rand(len(query.contributions), generator=random, dtype=torch.float64)
    weights = weights.clamp(min=1e-3)
    contributions, bias = (
        torch.stack([one, torch.zeros_like(one)])
        for one in (retrieved.contributions, retrieved.bias)
    )
    for feature, each in (
        (query.embedding, pair.retrieved_map()),
        (query.partial_feature(weights), pair.partial_map(weights)),
    ):
        maps = maps_of_retrieved(
            feature.numpy(),
            query.embedding.numpy(),
            contributions.numpy(),
            bias.numpy(),
            retrieved.grid,
        )
        np.testing.assert_allclose(maps[0], each.numpy(), rtol=1e-5, atol=1e-6)
        assert not maps[1].any()


@given(pairs())
def test_explaining_the_other_way_round_swaps_the_sides(pair: PairExplanation) -> None:
    swapped, terms = PairExplanation(pair.retrieved, pair.query), pair.four_terms
    assert swapped.similarity == pytest.approx(pair.similarity, abs=1e-12)
    assert swapped.four_terms == pytest.approx((terms[0], terms[2], terms[1], terms[3]), abs=1e-12)
    for with_bias in (False, True):
        ours, theirs = (
            swapped.query_map(with_bias=with_bias),
            pair.retrieved_map(with_bias=with_bias),
        )
        torch.testing.assert_close(ours.values, theirs.values)


def test_every_position_covered_in_full_gives_the_overall_map() -> None:
    pair = PairExplanation(decomposition((2, 3), 5, 0), decomposition((4, 2), 5, 1))
    overall = pair.retrieved_map(with_bias=False)
    torch.testing.assert_close(pair.partial_map(torch.ones(6)).values, overall.values)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], r"shape \(1,\); this image needs \[2\] or \[1, 2\]"),
        ([0.0, 0.0], "at least one must be above 0"),
        ([2.0, 0.0], "must lie in 0..1"),
        ([float("nan"), 1.0], "must lie in 0..1"),
    ],
)
def test_weights_that_describe_no_region_are_refused(weights: list[float], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        decomposition((1, 2), 3, 0).partial_feature(torch.tensor(weights))


def test_arrays_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ShapeError, match="2x2 grid needs"):
        Decomposition(torch.zeros(3, 5), torch.zeros(5), (2, 2))
    with pytest.raises(ShapeError, match=r"need \[5\]"):
        Decomposition(torch.zeros(4, 5), torch.zeros(4), (2, 2))
    with pytest.raises(ShapeError, match="finite"):
        Decomposition(torch.full((4, 5), torch.nan), torch.zeros(5), (2, 2))
    with pytest.raises(ShapeError, match="5 and 6 dimensions"):
        PairExplanation(decomposition((1, 1), 5, 0), decomposition((1, 1), 6, 0))
    with pytest.raises(ShapeError, match="zero length"):
        zero = Decomposition(torch.zeros(1, 5), torch.zeros(5), (1, 1))
        PairExplanation(zero, decomposition((1, 1), 5, 0))


@given(pairs(), st.data())
def test_pairs_of_positions_equal_a_loop_and_give_every_partial_map(
    pair: PairExplanation, data: st.DataObject
) -> None:
    pairs_of = {"query": pair.pairs_of_query, "retrieved": pair.pairs_of_retrieved}
    for of in SIDES:
        side, other = sides(pair, of)
        count = len(side.contributions)
        rows = data.draw(st.lists(st.integers(0, count - 1), min_size=1, unique=True))
        found = pairs_of[of](rows)
        naive = [
            [float(side.contributions[p] @ c) / pair.normaliser for c in other.contributions]
            for p in rows
        ]
        np.testing.assert_allclose(found.values, naive, atol=1e-12)
        # A region of these positions only.
        shares = torch.linspace(1, 0.1, len(rows), dtype=torch.float64)
        weights = torch.zeros(count, dtype=torch.float64)
        weights[rows] = shares
        map = pair.partial_map(weights, of=of)
        torch.testing.assert_close(shares @ found.values, map.values.flatten())
        assert float(shares @ found.bias) == pytest.approx(map.constant, abs=1e-12)


@given(pairs())
def test_all_pairs_and_both_biases_are_the_four_terms_and_the_overall_maps(
    pair: PairExplanation,
) -> None:
    ours, theirs, terms = (
        pair.pairs_of_query(range(len(pair.query.contributions))),
        pair.pairs_of_retrieved(range(len(pair.retrieved.contributions))),
        pair.four_terms,
    )
    torch.testing.assert_close(ours.values, theirs.values.T)
    for one, other in ((ours, theirs), (theirs, ours)):
        torch.testing.assert_close(one.bias, other.other_bias)
        assert float(one.values.sum()) == pytest.approx(terms.positions, abs=1e-12)
    assert float(ours.bias.sum()) == pytest.approx(terms.query_positions_retrieved_bias, abs=1e-12)
    assert float(theirs.bias.sum()) == pytest.approx(
        terms.query_bias_retrieved_positions, abs=1e-12
    )
    # The whole query: its bias counts, and with the constant the map is the whole similarity.
    whole = ours.values.sum(0) + ours.other_bias
    torch.testing.assert_close(whole, pair.retrieved_map().values.flatten())
    constant = float(ours.bias.sum()) + terms.biases
    assert float(whole.sum()) + constant == pytest.approx(pair.similarity, abs=1e-12)


@pytest.mark.parametrize("position", [-1, 2])
def test_a_position_outside_the_grid_is_refused(position: int) -> None:
    pair = PairExplanation(decomposition((1, 2), 5, 0), decomposition((1, 3), 5, 1))
    with pytest.raises(ShapeError, match=f"position {position} is not one of 0 to 1"):
        pair.pairs_of_query([0, position])
