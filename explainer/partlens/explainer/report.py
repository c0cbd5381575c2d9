"""The full explanation of a pair of images, with a check that it is complete."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import ShapeError
from partlens.explainer.head.run import run
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import FourTerms, PairExplanation

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class SignedMap:
    """A map split by sign: what makes two images similar, and what makes them differ.

    Attributes:
        raises: the positive part, shape [rows, cols], values at least 0.
        lowers: the negative part (counterfactual map), shape [rows, cols], values at most 0.
        similarity_without_lowering: the cosine similarity if the positions that lower it added
            nothing to their embedding.
    """

    raises: Tensor
    lowers: Tensor
    similarity_without_lowering: float


@dataclass(frozen=True)
class PairReport:
    """A pair's explanation, and the model's own similarity to compare it with.

    Attributes:
        pair: the explanation, with maps and matrices as methods.
        model_similarity: cosine similarity of the embeddings that the models' own heads compute.
    """

    pair: PairExplanation
    model_similarity: float

    @cached_property
    def terms(self) -> FourTerms:
        """The four terms of Eq. 3."""
        return self.pair.four_terms

    @property
    def shares(self) -> FourTerms:
        """Each term over the sum of the four magnitudes: signed, magnitudes add up to 1.

        The similarity would be no good divisor: it may be 0 while its terms are large.
        """
        total = sum(map(abs, self.terms)) or 1.0
        return FourTerms(*(term / total for term in self.terms))

    @property
    def completeness_residual(self) -> float:
        """The part of the models' own cosine similarity that the four terms do not explain."""
        return self.model_similarity - sum(self.terms)

    @cached_property
    def query_map(self) -> SignedMap:
        """The query's overall map (with bias) by sign."""
        overall = self.pair.query_map(with_bias=True)
        return _by_sign(overall, self.pair.query, self.pair.retrieved)

    @cached_property
    def retrieved_map(self) -> SignedMap:
        """The retrieved image's overall map (with bias) by sign."""
        overall = self.pair.retrieved_map(with_bias=True)
        return _by_sign(overall, self.pair.retrieved, self.pair.query)


def explain_pairs(
    model: MetricModel,
    query: Image,
    retrieved: Sequence[Image],
    *,
    retrieved_model: MetricModel | None = None,
) -> list[PairReport]:
    """Explain one query against k images; each model runs once.

    Args:
        model: the query's model.
        query: upright RGB, uint8 [height, width, 3], of any size.
        retrieved: k images of the same form.
        retrieved_model: the model of the retrieved images if two streams share one embedding space
            (cross-view); it may have another input size, grid and head. Default: the query's model.

    Returns:
        One report per retrieved image, in their order.

    Raises:
        ImageError: an array is not an image.
        ShapeError: no retrieved image, an embedding of zero length, or models whose embeddings
            differ in dimension.
    """
    if not retrieved:
        raise ShapeError("give at least one image to compare the query with")
    (ours,), own = _decompose(model, [query])
    theirs, their_own = _decompose(retrieved_model or model, retrieved)
    pairs = [PairExplanation(ours, other) for other in theirs]
    similarities = torch.cosine_similarity(own, their_own)
    return [
        PairReport(pair, float(similarity))
        for pair, similarity in zip(pairs, similarities, strict=True)
    ]


def _decompose(model: MetricModel, images: Sequence[Image]) -> tuple[list[Decomposition], Tensor]:
    """Decompositions, and the embeddings [N, D] of plain evaluation, which they must add up to."""
    preprocessing = model.spec.preprocessing
    pixels = np.stack([preprocessing.pixels(image) for image in images])
    feature = torch.from_numpy(model.backbone(pixels))
    seen = model.decompose_features(feature)
    return [seen[i] for i in range(len(seen))], run(model.head, feature)


def _by_sign(overall: Tensor, side: Decomposition, other: Decomposition) -> SignedMap:
    kept = side.contributions[overall.flatten() >= 0].sum(0) + side.bias
    without = torch.cosine_similarity(kept, other.embedding, dim=0)
    return SignedMap(overall.clamp(min=0), overall.clamp(max=0), float(without))
