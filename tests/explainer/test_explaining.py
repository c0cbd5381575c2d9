"""Explanations of images: they equal the model's own similarity, and their parts add up."""

import subprocess
import sys
from dataclasses import replace

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
    Preprocessing,
    ShapeError,
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
def across_views() -> list[PairExplanation]:
    """One query against three images of another model: other size, grid and head, one space."""
    query, *retrieved = pictures(4)
    return model("gmp, fc", 32, 16).explain_many(
        query, retrieved, retrieved_model=model("flatten, fc")
    )


def test_two_streams_of_different_size_are_explained_in_one_space(
    across_views: list[PairExplanation],
) -> None:
    assert len(across_views) == 3
    for pair in across_views:
        assert pair.query_map(with_bias=True).values.shape == (8, 4)
        assert pair.retrieved_map(with_bias=True).values.shape == (4, 2)


def test_the_model_similarity_is_the_cosine_of_the_modules_own_embeddings(
    across_views: list[PairExplanation],
) -> None:
    nets = head_modules.make("gmp, fc"), head_modules.make("flatten, fc")
    query, *retrieved = pictures(4)
    for pair, image in zip(across_views, retrieved, strict=True):
        with torch.no_grad():
            ours = nets[0](torch.from_numpy(Preprocessing(32, 16).pixels(query))[None])
            theirs = nets[1](torch.from_numpy(Preprocessing(16, 8).pixels(image))[None])
        expected = float(torch.cosine_similarity(ours, theirs))
        assert pair.model_similarity == pytest.approx(expected, abs=1e-5)


def test_terms_and_residual_add_up_to_the_models_similarity(
    across_views: list[PairExplanation],
) -> None:
    for pair in across_views:
        assert pair.completeness_residual is not None
        total = sum(pair.four_terms) + pair.completeness_residual
        assert total == pytest.approx(pair.model_similarity, abs=1e-12)
        assert abs(pair.completeness_residual) < 1e-5
        assert sum(map(abs, pair.shares)) == pytest.approx(1)
        assert np.sign(pair.shares).tolist() == np.sign(pair.four_terms).tolist()


def test_the_residual_shows_what_an_explanation_leaves_out(
    across_views: list[PairExplanation],
) -> None:
    pair = across_views[0]
    own = pair.retrieved.model_embedding
    assert own is not None and pair.model_similarity is not None
    opposite = replace(pair.retrieved, model_embedding=-own)
    wrong = PairExplanation(pair.query, opposite)
    assert wrong.completeness_residual == pytest.approx(-2 * pair.model_similarity, abs=1e-5)


def test_decompositions_of_pixels_have_no_similarity_of_the_model_to_compare_with() -> None:
    seen = model("gap").decompose_pixels(np.ones((2, 3, 16, 8), np.float32))
    pair = PairExplanation(*seen)
    assert pair.model_similarity is None and pair.completeness_residual is None


def test_no_term_has_a_share_where_all_are_zero() -> None:
    across = [Decomposition(row[None], torch.zeros(2), (1, 1)) for row in torch.eye(2)]
    assert PairExplanation(*across).shares == FourTerms(0.0, 0.0, 0.0, 0.0)


def test_a_map_is_what_raises_and_what_lowers_the_similarity(
    across_views: list[PairExplanation],
) -> None:
    for pair in across_views:
        for map in (pair.query_map(), pair.retrieved_map()):
            torch.testing.assert_close(map.raises + map.lowers, map.values)
            assert (map.raises >= 0).all() and (map.lowers <= 0).all()
            embedding = map.image.bias.clone()
            parts = zip(map.values.flatten(), map.image.contributions, strict=True)
            for value, contribution in parts:
                if value >= 0:
                    embedding += contribution
            without = torch.cosine_similarity(embedding, map.other.embedding, dim=0)
            assert map.similarity_without_lowering == pytest.approx(float(without), abs=1e-6)


def test_a_region_matrix_equals_a_loop_and_adds_up_to_the_first_term(
    across_views: list[PairExplanation],
) -> None:
    pair = across_views[0]
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
    query, *retrieved = pictures(4)
    together = shared.explain_many(query, retrieved)
    for pair, image in zip(together, retrieved, strict=True):
        alone = shared.explain(query, image)
        assert pair.model_similarity == pytest.approx(alone.model_similarity, abs=1e-5)
        assert pair.four_terms == pytest.approx(alone.four_terms, abs=1e-5)


def test_a_class_token_belongs_to_no_position() -> None:
    pair = tokens_model().explain(*pictures(2))
    assert pair.query_map().values.shape == (4, 4)
    assert pair.completeness_residual == pytest.approx(0, abs=1e-6)


def test_models_of_different_spaces_and_empty_results_are_refused() -> None:
    query, retrieved = pictures(2)
    with pytest.raises(ShapeError, match="8 and 5 dimensions"):
        model("gap").explain(query, retrieved, retrieved_model=model("gmp, fc"))
    with pytest.raises(ShapeError, match="at least one image"):
        model("gap").explain_many(query, [])


def test_the_public_names_are_these() -> None:
    public = partlens.explainer
    assert (
        sorted(public.__all__)
        == sorted(set(dir(public)))
        == [
            "ActivationMap",
            "Box",
            "COMPARATORS",
            "Comparator",
            "CompletenessError",
            "Decomposition",
            "Decompositions",
            "ExplainerError",
            "Figure",
            "FigureError",
            "FourTerms",
            "ImageError",
            "ImageLike",
            "ImagesLike",
            "Mask",
            "MetricModel",
            "ModelError",
            "ModelFileError",
            "ModelSpec",
            "PairExplanation",
            "Point",
            "Polygon",
            "PositionPairs",
            "Preprocessing",
            "RegionError",
            "ShapeError",
            "SimilarityMap",
            "Target",
            "UnsupportedOperatorError",
            "View",
            "Whole",
            "read_image",
        ]
    )
    assert public.PairExplanation is PairExplanation
    assert all(hasattr(public, name) for name in public.__all__)
    with pytest.raises(AttributeError, match="no attribute 'explain_pairs'"):
        vars(public)["__getattr__"]("explain_pairs")


def test_names_are_imported_when_they_are_first_used() -> None:
    code = (
        "import sys, partlens.explainer as e; early = 'torch' in sys.modules; e.Box;"
        " box = 'torch' in sys.modules; e.MetricModel; print(early, box, 'torch' in sys.modules)"
    )
    command = [sys.executable, "-c", code]
    found = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert found.stdout.split() == ["False", "False", "True"]
