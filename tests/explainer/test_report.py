"""Reports say all there is to say about a pair, and the parts of it add up."""

import head_modules
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from token_model import tokens_model

import partlens.explainer
from partlens.explainer import (
    Decomposition,
    FourTerms,
    MetricModel,
    PairExplanation,
    PairReport,
    Preprocessing,
    ShapeError,
    explain_pairs,
)


def model(head: str, height: int = 16, width: int = 8) -> MetricModel:
    return MetricModel.from_module(
        head_modules.make(head),
        feature_layer="stem",
        preprocessing=Preprocessing(height, width),
        name=head,
    )


def pictures(count: int, seed: int = 5) -> list[NDArray[np.uint8]]:
    random = np.random.default_rng(seed)
    return [random.integers(0, 256, (20 + i, 30, 3), np.uint8) for i in range(count)]


@pytest.fixture(scope="module")
def across_views() -> list[PairReport]:
    """One query against three images of another model: other size, grid and head, one space."""
    query, *retrieved = pictures(4)
    return explain_pairs(
        model("gmp, fc", 32, 16), query, retrieved, retrieved_model=model("flatten, fc")
    )


def test_two_streams_of_different_size_are_explained_in_one_space(
    across_views: list[PairReport],
) -> None:
    assert len(across_views) == 3
    for report in across_views:
        assert report.pair.query_map(with_bias=True).shape == (8, 4)
        assert report.pair.retrieved_map(with_bias=True).shape == (4, 2)


def test_the_model_similarity_is_the_cosine_of_the_modules_own_embeddings(
    across_views: list[PairReport],
) -> None:
    nets = head_modules.make("gmp, fc"), head_modules.make("flatten, fc")
    query, *retrieved = pictures(4)
    for report, image in zip(across_views, retrieved, strict=True):
        with torch.no_grad():
            ours = nets[0](torch.from_numpy(Preprocessing(32, 16).pixels(query))[None])
            theirs = nets[1](torch.from_numpy(Preprocessing(16, 8).pixels(image))[None])
        expected = float(torch.cosine_similarity(ours, theirs))
        assert report.model_similarity == pytest.approx(expected, abs=1e-5)


def test_terms_and_residual_add_up_to_the_models_similarity(
    across_views: list[PairReport],
) -> None:
    for report in across_views:
        total = sum(report.terms) + report.completeness_residual
        assert total == pytest.approx(report.model_similarity, abs=1e-12)
        assert abs(report.completeness_residual) < 1e-5
        assert sum(map(abs, report.shares)) == pytest.approx(1)
        assert np.sign(report.shares).tolist() == np.sign(report.terms).tolist()


def test_the_residual_shows_what_an_explanation_leaves_out(across_views: list[PairReport]) -> None:
    report = across_views[0]
    wrong = PairReport(report.pair, report.model_similarity + 0.25)
    assert wrong.completeness_residual == pytest.approx(0.25, abs=1e-5)


def test_no_term_has_a_share_where_all_are_zero() -> None:
    across = [Decomposition(row[None], torch.zeros(2), (1, 1)) for row in torch.eye(2)]
    assert PairReport(PairExplanation(*across), 0.0).shares == FourTerms(0.0, 0.0, 0.0, 0.0)


def test_a_map_is_what_raises_and_what_lowers_the_similarity(
    across_views: list[PairReport],
) -> None:
    for report in across_views:
        sides = (
            (report.query_map, report.pair.query_map(with_bias=True), report.pair.query),
            (
                report.retrieved_map,
                report.pair.retrieved_map(with_bias=True),
                report.pair.retrieved,
            ),
        )
        for signed, overall, side in sides:
            torch.testing.assert_close(signed.raises + signed.lowers, overall)
            assert (signed.raises >= 0).all() and (signed.lowers <= 0).all()
            embedding = side.bias.clone()
            for value, contribution in zip(overall.flatten(), side.contributions, strict=True):
                if value >= 0:
                    embedding += contribution
            other = report.pair.retrieved if side is report.pair.query else report.pair.query
            without = torch.cosine_similarity(embedding, other.embedding, dim=0)
            assert signed.similarity_without_lowering == pytest.approx(float(without), abs=1e-6)


def test_a_region_matrix_equals_a_loop_and_adds_up_to_the_first_term(
    across_views: list[PairReport],
) -> None:
    pair = across_views[0].pair
    random = torch.Generator().manual_seed(0)
    ours = torch.softmax(torch.randn(3, 32, generator=random), 0)  # cover each position once
    theirs = torch.eye(8)  # one region a position
    matrix = pair.region_matrix(ours, theirs)
    for i, weights in enumerate(ours):
        weighted = [w * c for w, c in zip(weights, pair.query.contributions, strict=True)]
        feature = torch.stack(weighted).sum(0)
        for j, contribution in enumerate(pair.retrieved.contributions):
            naive = float(feature @ contribution) / pair.normaliser
            assert float(matrix[i, j]) == pytest.approx(naive, rel=1e-3, abs=1e-5)
    assert float(matrix.sum()) == pytest.approx(pair.four_terms.positions, abs=1e-5)
    with pytest.raises(ShapeError, match="needs at least one region of each image"):
        pair.region_matrix(ours, torch.empty(0, 8))


def test_many_images_in_one_call_are_the_same_images_one_by_one() -> None:
    shared = model("gap, fc, bn, relu, dropout")
    query, retrieved = _query_and_rest(4)
    together = explain_pairs(shared, query, retrieved)
    for report, image in zip(together, retrieved, strict=True):
        (alone,) = explain_pairs(shared, query, [image])
        assert report.model_similarity == pytest.approx(alone.model_similarity, abs=1e-5)
        assert report.terms == pytest.approx(alone.terms, abs=1e-5)


def test_a_class_token_belongs_to_no_position() -> None:
    (report,) = explain_pairs(tokens_model(), *_query_and_rest(2))
    assert report.pair.query_map(with_bias=True).shape == (4, 4)
    assert report.completeness_residual == pytest.approx(0, abs=1e-6)


def test_models_of_different_spaces_and_empty_results_are_refused() -> None:
    query, retrieved = _query_and_rest(2)
    with pytest.raises(ShapeError, match="8 and 5 dimensions"):
        explain_pairs(model("gap"), query, retrieved, retrieved_model=model("gmp, fc"))
    with pytest.raises(ShapeError, match="at least one image"):
        explain_pairs(model("gap"), query, [])


def _query_and_rest(count: int) -> tuple[NDArray[np.uint8], list[NDArray[np.uint8]]]:
    query, *rest = pictures(count)
    return query, rest


def test_the_public_names_are_these() -> None:
    assert partlens.explainer.PairExplanation is PairExplanation
    assert sorted(partlens.explainer.__all__) == [
        "Box",
        "COMPARATORS",
        "Comparator",
        "CompletenessError",
        "Decomposition",
        "Decompositions",
        "ExplainerError",
        "FourTerms",
        "ImageError",
        "Mask",
        "MetricModel",
        "ModelError",
        "ModelFileError",
        "ModelSpec",
        "PairExplanation",
        "PairReport",
        "Point",
        "Polygon",
        "PositionPairs",
        "Preprocessing",
        "RegionError",
        "ShapeError",
        "SignedMap",
        "Target",
        "UnsupportedOperatorError",
        "Whole",
        "decode",
        "explain_pairs",
        "position_weights",
        "region_weights",
        "upsample",
    ]
    assert all(hasattr(partlens.explainer, name) for name in partlens.explainer.__all__)
