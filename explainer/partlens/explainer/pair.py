"""Explains why two images are similar: Eq. 3 of Zhu, Yang, Chen (2021), split over positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import ShapeError

FloatArray = NDArray[np.float32]


class FourTerms(NamedTuple):
    """The four terms of Eq. 3, each over Z = |E_q||E_r|; they add up to the cosine similarity."""

    positions: float
    query_positions_retrieved_bias: float
    query_bias_retrieved_positions: float
    biases: float


class PositionPairs(NamedTuple):
    """What pairs of positions add to the similarity: I positions of one image, the rows, with all
    P positions of the other.

    The partial map of a region of the rows' image that covers only these positions is
    weights @ values, and its constant weights @ bias. For the whole of that image, if the rows are
    all its positions, the map is values.sum(0) + other_bias and the constant the rest of the
    similarity.

    Attributes:
        values: c_i . c_p / Z, signed, shape [I, P].
        bias: c_i . b / Z, b the bias of the other image, shape [I].
        other_bias: b . c_p / Z, b the bias of the rows' image, shape [P].
    """

    values: torch.Tensor
    bias: torch.Tensor
    other_bias: torch.Tensor


@dataclass(frozen=True)
class PairExplanation:
    """The cosine similarity of a query and a retrieved image, as signed maps that add up to it.

    The two may come from different models with different grids, as in cross-view retrieval, as
    long as their embeddings share one space.

    Raises:
        ShapeError: the embeddings differ in dimension, or one of them is zero.
    """

    query: Decomposition
    retrieved: Decomposition

    def __post_init__(self) -> None:
        dimensions = [int(side.bias.shape[0]) for side in (self.query, self.retrieved)]
        if dimensions[0] != dimensions[1]:
            raise ShapeError(
                f"embeddings of {dimensions[0]} and {dimensions[1]} dimensions cannot be compared"
            )
        if not self.normaliser > 0:
            raise ShapeError("an embedding of zero length has no cosine similarity to explain")

    @cached_property
    def normaliser(self) -> float:
        """Z = |E_q||E_r|."""
        return float(self.query.embedding.norm() * self.retrieved.embedding.norm())

    @property
    def similarity(self) -> float:
        """Cosine similarity of the two embeddings."""
        return float(self.query.embedding @ self.retrieved.embedding) / self.normaliser

    @property
    def four_terms(self) -> FourTerms:
        """The four terms of Eq. 3."""
        q, r = self.query, self.retrieved
        sum_q, sum_r = q.contributions.sum(0), r.contributions.sum(0)
        pairs = (sum_q @ sum_r, sum_q @ r.bias, q.bias @ sum_r, q.bias @ r.bias)
        return FourTerms(*(float(pair) / self.normaliser for pair in pairs))

    def query_map(self, *, with_bias: bool) -> torch.Tensor:
        """Overall map of the query, shape [rows, cols], signed.

        c_p . E_r / Z with bias ("decomposition + bias"), c_p . sum_q c_q / Z without
        ("decomposition").
        """
        return self._overall(self.query, self.retrieved, with_bias)

    def retrieved_map(self, *, with_bias: bool) -> torch.Tensor:
        """Overall map of the retrieved image, shape [rows, cols], signed; see query_map."""
        return self._overall(self.retrieved, self.query, with_bias)

    @property
    def query_extras(self) -> dict[str, float]:
        """What each query token that belongs to no cell adds to the similarity, e . E_r / Z.

        They, query_map(with_bias=True) and the rest of the bias add up to the similarity.
        """
        return self._extras(self.query, self.retrieved)

    @property
    def retrieved_extras(self) -> dict[str, float]:
        """What each extra of the retrieved image adds to the similarity; see query_extras."""
        return self._extras(self.retrieved, self.query)

    def partial_map_of_retrieved(self, query_weights: torch.Tensor) -> torch.Tensor:
        """f . c_q / Z over the retrieved image, for a region of the query; shape [rows, cols].

        Args:
            query_weights: fraction of each query position that the region covers, 0..1, shape [P].

        Raises:
            ShapeError: as Decomposition.partial_feature.
        """
        return self._against(self.query.partial_feature(query_weights), self.retrieved)

    def partial_map_of_query(self, retrieved_weights: torch.Tensor) -> torch.Tensor:
        """f . c_p / Z over the query, for a region of the retrieved image; shape [rows, cols]."""
        return self._against(self.retrieved.partial_feature(retrieved_weights), self.query)

    def partial_constant_of_retrieved(self, query_weights: torch.Tensor) -> float:
        """f . b_r / Z; together with the partial map of the retrieved image it gives f . E_r / Z.

        Arguments and errors as in partial_map_of_retrieved.
        """
        feature = self.query.partial_feature(query_weights)
        return float(feature @ self.retrieved.bias) / self.normaliser

    def partial_constant_of_query(self, retrieved_weights: torch.Tensor) -> float:
        """f . b_q / Z, for a region of the retrieved image; see partial_constant_of_retrieved."""
        feature = self.retrieved.partial_feature(retrieved_weights)
        return float(feature @ self.query.bias) / self.normaliser

    def pairs_of_query(self, positions: Sequence[int]) -> PositionPairs:
        """Pairs of some positions of the query, the rows, with all of the retrieved image.

        Args:
            positions: numbers of the rows' positions, row-major over the grid, from 0.

        Raises:
            ShapeError: a position outside the grid.
        """
        return self._pairs(self.query, self.retrieved, positions)

    def pairs_of_retrieved(self, positions: Sequence[int]) -> PositionPairs:
        """Pairs of some positions of the retrieved image, the rows, with all of the query.

        Arguments and errors as in pairs_of_query.
        """
        return self._pairs(self.retrieved, self.query, positions)

    def region_matrix(
        self, query_weights: torch.Tensor, retrieved_weights: torch.Tensor
    ) -> torch.Tensor:
        """f_i . f_j / Z for each region i of the query and j of the retrieved image.

        If the regions of each image cover every position once, the matrix adds up to the first of
        the four terms. pairs_of_query gives the matrix of single positions.

        Args:
            query_weights: fraction of each query position that region i covers, 0..1, shape [I, P].
            retrieved_weights: the same for region j of the retrieved image, shape [J, P].

        Returns:
            Signed, shape [I, J].

        Raises:
            ShapeError: no region, or as in Decomposition.partial_feature.
        """
        if not (len(query_weights) and len(retrieved_weights)):
            raise ShapeError("a region-to-region matrix needs at least one region of each image")
        ours = torch.stack([self.query.partial_feature(w) for w in query_weights])
        theirs = torch.stack([self.retrieved.partial_feature(w) for w in retrieved_weights])
        return ours @ theirs.T / self.normaliser

    def _overall(self, side: Decomposition, other: Decomposition, with_bias: bool) -> torch.Tensor:
        return self._against(other.embedding if with_bias else other.contributions.sum(0), side)

    def _extras(self, side: Decomposition, other: Decomposition) -> dict[str, float]:
        return {
            name: float(extra @ other.embedding) / self.normaliser
            for name, extra in side.extras.items()
        }

    def _pairs(
        self, side: Decomposition, other: Decomposition, positions: Sequence[int]
    ) -> PositionPairs:
        count = len(side.contributions)
        for position in positions:
            if not 0 <= position < count:
                raise ShapeError(f"position {position} is not one of 0 to {count - 1}")
        rows = side.contributions[torch.tensor(positions, dtype=torch.long)]
        return PositionPairs(
            rows @ other.contributions.T / self.normaliser,
            rows @ other.bias / self.normaliser,
            other.contributions @ side.bias / self.normaliser,
        )

    def _against(self, feature: torch.Tensor, side: Decomposition) -> torch.Tensor:
        return (side.contributions @ feature).reshape(side.grid) / self.normaliser


def maps_of_retrieved(
    feature: FloatArray,
    query: FloatArray,
    contributions: FloatArray,
    bias: FloatArray,
    grid: tuple[int, int],
) -> FloatArray:
    """f . c_q / Z over many retrieved images: an overall map if f = E_q, else a partial map.

    Args:
        feature: f, shape [D].
        query: E_q, the query's embedding before L2 normalisation, shape [D].
        contributions: contributions of M retrieved images, shape [M, P, D].
        bias: bias of each, shape [M, D].
        grid: (rows, cols) of their positions.

    Returns:
        Signed, float32 [M, rows, cols]; 0 for embeddings of zero length.
    """
    z = np.linalg.norm(contributions.sum(1) + bias, axis=1) * np.linalg.norm(query)
    scale = np.divide(1.0, z, out=np.zeros_like(z), where=z > 0)
    maps = (contributions @ feature) * scale[:, None]
    return np.asarray(maps, np.float32).reshape(-1, *grid)
