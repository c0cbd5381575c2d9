"""Explains why two images are similar: Eq. 3 of Zhu, Yang, Chen (2021), split over positions."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from partlens.common.drawing.figure import Figure
from partlens.common.drawing.pair_figure import pair_figure
from partlens.common.explained_pair import ExplainedPair, PartialMap, Side, SimilarityTerms
from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import ShapeError
from partlens.explainer.similarity_map import SimilarityMap, images_of
from partlens.explainer.weights import RegionLike

FloatArray = NDArray[np.float32]
RegionsLike: TypeAlias = RegionLike | Sequence[RegionLike]


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


@dataclass(frozen=True, eq=False, repr=False)
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

    def __repr__(self) -> str:
        (rows, cols), (other_rows, other_cols) = self.query.grid, self.retrieved.grid
        return (
            f"PairExplanation(similarity {self.similarity:.4f}, {rows}x{cols} positions against"
            f" {other_rows}x{other_cols})"
        )

    @cached_property
    def normaliser(self) -> float:
        """Z = |E_q||E_r|."""
        return float(self.query.embedding.norm() * self.retrieved.embedding.norm())

    @property
    def similarity(self) -> float:
        """Cosine similarity of the two embeddings."""
        return float(self.query.embedding @ self.retrieved.embedding) / self.normaliser

    @property
    def model_similarity(self) -> float | None:
        """Cosine similarity of the embeddings that the models' own heads compute, to compare with.

        None if they were not computed (see Decomposition.model_embedding).
        """
        own = self.query.model_embedding, self.retrieved.model_embedding
        if own[0] is None or own[1] is None:
            return None
        return float(torch.cosine_similarity(own[0], own[1], dim=0))

    @property
    def completeness_residual(self) -> float | None:
        """The part of model_similarity that the four terms do not explain; None without it."""
        model = self.model_similarity
        return None if model is None else model - sum(self.four_terms)

    @property
    def four_terms(self) -> FourTerms:
        """The four terms of Eq. 3."""
        q, r = self.query, self.retrieved
        sum_q, sum_r = q.contributions.sum(0), r.contributions.sum(0)
        pairs = (sum_q @ sum_r, sum_q @ r.bias, q.bias @ sum_r, q.bias @ r.bias)
        return FourTerms(*(float(pair) / self.normaliser for pair in pairs))

    @property
    def shares(self) -> FourTerms:
        """Each term over the sum of the four magnitudes: signed, magnitudes add up to 1.

        The similarity would be no good divisor: it may be 0 while its terms are large.
        """
        terms = self.four_terms
        total = sum(map(abs, terms)) or 1.0
        return FourTerms(*(term / total for term in terms))

    def query_map(self, *, with_bias: bool = True) -> SimilarityMap:
        """Overall map of the query.

        c_p . E_r / Z with bias ("decomposition + bias"), which adds up to the similarity with its
        constant; c_p . sum_q c_q / Z without ("decomposition"), which adds up to the first term.
        """
        return self._overall("query", with_bias)

    def retrieved_map(self, *, with_bias: bool = True) -> SimilarityMap:
        """Overall map of the retrieved image; see query_map."""
        return self._overall("retrieved", with_bias)

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

    def partial_map(self, region: RegionLike, *, of: Side = "query") -> SimilarityMap:
        """What a region of one image matches on the other: f . c / Z, f of the region.

        The map and its constant f . b / Z add up to the region's contribution f . E / Z to the
        similarity.

        Args:
            region: in pixels of the upright image that it lies on; or the fraction of each of its
                positions that it covers, 0..1, an array or tensor [rows, cols] or [P].
            of: the image that the region lies on; the map lies on the other one.

        Raises:
            RegionError, ShapeError: see Decomposition.weights.
        """
        source, image, on = self._sides(of)
        weights = source.weights(region)
        feature = weights @ source.contributions
        return SimilarityMap(
            self._against(feature, image),
            float(feature @ image.bias) / self.normaliser,
            "contribution",
            on,
            image,
            source,
            None if isinstance(region, np.ndarray | torch.Tensor) else region,
            weights,
        )

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

    def region_matrix(self, query_regions: RegionsLike, retrieved_regions: RegionsLike) -> Tensor:
        """f_i . f_j / Z for each region i of the query and j of the retrieved image.

        If the regions of each image cover every position once, the matrix adds up to the first of
        the four terms. pairs_of_query gives the matrix of single positions.

        Args:
            query_regions: one or several, each as in partial_map; several may be rows of an array
                or tensor [I, P] or [I, rows, cols].
            retrieved_regions: the same for the retrieved image, J of them.

        Returns:
            Signed, shape [I, J].

        Raises:
            ShapeError: no region, or as in Decomposition.weights.
            RegionError: as in Decomposition.weights.
        """
        ours = _features(self.query, query_regions)
        theirs = _features(self.retrieved, retrieved_regions)
        if not (ours and theirs):
            raise ShapeError("a region-to-region matrix needs at least one region of each image")
        return torch.stack(ours) @ torch.stack(theirs).T / self.normaliser

    def figure(self, scale: float | None = None) -> Figure:
        """Both images under their overall maps with bias; see SimilarityMap.figure."""
        maps = [self.query_map().shown, self.retrieved_map().shown]
        return pair_figure(images_of("query", self.query, self.retrieved), maps, scale)

    def plain(self, partial_maps: Sequence[SimilarityMap] = ()) -> ExplainedPair:
        """The explanation as plain values, as a server answers it.

        Raises:
            ImageError: the size of an image is not known (see Decomposition.placed).
        """
        return ExplainedPair(
            self.similarity,
            SimilarityTerms(*self.four_terms),
            self.query_map(with_bias=False).placed,
            self.query_map().placed,
            self.retrieved_map(with_bias=False).placed,
            self.retrieved_map().placed,
            [PartialMap(one.on, one.placed, one.constant) for one in partial_maps],
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr><th>{name.replace('_', ' ')}</th><td>{value:+.4f}</td></tr>"
            for name, value in [*self.four_terms._asdict().items(), ("similarity", self.similarity)]
        )
        drawable = self.query.has_picture and self.retrieved.has_picture
        figure = self.figure()._repr_html_() if drawable else ""
        return f"{figure}<table>{rows}</table>"

    def _sides(self, side: Side) -> tuple[Decomposition, Decomposition, Side]:
        """The image of a side, the other image, and the side of the other."""
        if side == "query":
            return self.query, self.retrieved, "retrieved"
        if side == "retrieved":
            return self.retrieved, self.query, "query"
        raise ShapeError(f"the image of a pair is 'query' or 'retrieved', not {side!r}")

    def _overall(self, on: Side, with_bias: bool) -> SimilarityMap:
        image, other, _ = self._sides(on)
        if not with_bias:
            values = self._against(other.contributions.sum(0), image)
            return SimilarityMap(values, 0.0, "positions of both", on, image, other)
        values = self._against(other.embedding, image)
        constant = float(image.bias @ other.embedding) / self.normaliser
        return SimilarityMap(values, constant, "similarity", on, image, other)

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


def _features(image: Decomposition, regions: RegionsLike) -> list[Tensor]:
    """The partial feature of each region, of one or several."""
    if isinstance(regions, np.ndarray | Tensor):
        one = tuple(regions.shape) in ((image.grid[0] * image.grid[1],), image.grid)
        return [image.partial_feature(row) for row in ([regions] if one else regions)]
    if isinstance(regions, Sequence):
        return [image.partial_feature(region) for region in regions]
    return [image.partial_feature(regions)]


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
