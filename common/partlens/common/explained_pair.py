"""Why two images are similar, as plain values: what a server answers and a library computes."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from partlens.common.activation_map import ActivationMap

Side = Literal["query", "retrieved"]
"""One of the two images of a pair."""


@dataclass(frozen=True)
class SimilarityTerms:
    """The four sums of Eq. 3 that add up to the similarity."""

    position_position: float
    position_bias: float
    bias_position: float
    bias_bias: float


@dataclass(frozen=True, eq=False)
class PartialMap:
    """What one region explains of the similarity, spread over the other image.

    Attributes:
        side: image that the map lies on.
        map: map of that image.
        constant: what that image's bias adds.
    """

    side: Side
    map: ActivationMap
    constant: float


@dataclass(frozen=True, eq=False)
class ExplainedPair:
    """Why two images are similar.

    Attributes:
        similarity: cosine similarity of their embeddings.
        terms: add up to the similarity.
        query_map, retrieved_map: overall maps, which add up to terms.position_position.
        query_map_with_bias, retrieved_map_with_bias: overall maps against the other image's whole
            embedding; each adds up to the similarity with the constant of `constant_of`.
        partial_maps: one per region.
    """

    similarity: float
    terms: SimilarityTerms
    query_map: ActivationMap
    query_map_with_bias: ActivationMap
    retrieved_map: ActivationMap
    retrieved_map_with_bias: ActivationMap
    partial_maps: Sequence[PartialMap]

    def constant_of(self, side: Side) -> float:
        """What an image's own bias adds to the similarity, which its map with bias leaves out."""
        terms = self.terms
        own = terms.bias_position if side == "query" else terms.position_bias
        return own + terms.bias_bias

    def __repr__(self) -> str:
        return f"{type(self).__name__}(similarity {self.similarity:.4f})"
