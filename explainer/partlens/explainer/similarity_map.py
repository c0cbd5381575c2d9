"""A map of one image of a pair: what each of its positions adds to the similarity."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.figure import Figure
from partlens.common.drawing.pair_figure import MarkedRegion, ShownMap, pair_figure
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.explained_pair import Side
from partlens.common.regions import Point, Region
from partlens.explainer.decomposition import Decomposition

Total = Literal["similarity", "positions of both", "contribution"]
"""What a map and its constant add up to: the similarity, the first of the four terms, or what a
region of the other image adds to the similarity."""


@dataclass(frozen=True, eq=False, repr=False)
class SimilarityMap:
    """What each position of one image adds to a similarity; signed, not rescaled.

    `values.sum() + constant == total`. `numpy.asarray(map)` gives the values too.

    Attributes:
        values: shape [rows, cols].
        constant: what no position adds.
        total_name: what they add up to.
        on: the image that the map lies on.
        image: that image.
        other: the other image of the pair.
        region: region of the other image that the map is about; None for the whole of it, or if
            only its weights are known.
        weights: fraction of each position of the other image that the region covers, shape [P];
            None for the whole of it.
    """

    values: torch.Tensor
    constant: float
    total_name: Total
    on: Side
    image: Decomposition
    other: Decomposition
    region: Region | None = None
    weights: torch.Tensor | None = None

    def __repr__(self) -> str:
        rows, cols = self.values.shape
        red, blue = float(self.raises.sum()), float(self.lowers.sum())
        about = "" if self.weights is None else " for a region of the other image"
        return (
            f"SimilarityMap({rows}x{cols} positions of the {self.on} image{about}: red {red:+.4f},"
            f" blue {blue:+.4f}, constant {self.constant:+.4f}, {self.total_name}"
            f" {self.total:+.4f})"
        )

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.array(self.values.numpy(), dtype=dtype, copy=copy)

    def numpy(self) -> NDArray[np.floating]:
        """The values, shape [rows, cols]."""
        values: NDArray[np.floating] = self.values.numpy()
        return values

    @property
    def total(self) -> float:
        """What the positions and the constant add up to."""
        return float(self.values.sum()) + self.constant

    @property
    def raises(self) -> torch.Tensor:
        """The positive part, shape [rows, cols]: what makes the images similar."""
        return self.values.clamp(min=0)

    @property
    def lowers(self) -> torch.Tensor:
        """The negative part (counterfactual map), shape [rows, cols]: what makes them differ."""
        return self.values.clamp(max=0)

    @property
    def similarity_without_lowering(self) -> float:
        """The cosine similarity if the positions with negative values added nothing to their
        image's embedding."""
        kept = self.image.contributions[self.values.flatten() >= 0].sum(0) + self.image.bias
        return float(torch.cosine_similarity(kept, self.other.embedding, dim=0))

    @property
    def placed(self) -> ActivationMap:
        """The map at its place on the image.

        Raises:
            ImageError: the size of the image is not known (see Decomposition.placed).
        """
        return self.image.placed(self.values)

    def upsample(self) -> NDArray[np.float32]:
        """One number per pixel of the image, float32 [height, width]; signed, not rescaled.

        Raises:
            ImageError: see placed.
        """
        return self.image.upsample(self.values)

    def figure(self, scale: float | None = None) -> Figure:
        """Both images, the map in red and blue over its own, its sums and a numbered colour scale.

        Args:
            scale: the value at which colours are strongest. To compare figures, give all of them
                the same; by default a round number that suits this map.

        Raises:
            FigureError: the scale is not a finite number above 0.
            ImageError: there is no picture to draw (see Decomposition.shown).
        """
        return pair_figure(images_of(self.on, self.image, self.other), [self.shown], scale)

    @property
    def shown(self) -> ShownMap:
        """The map as figures show it."""
        region = None
        if self.weights is not None:
            region = marked_region(self.other, self.region, self.weights)
        return ShownMap(self.on, self.placed, self.constant, self.total_name, region)

    def _repr_html_(self) -> str | None:
        drawable = self.image.has_picture and self.other.has_picture
        return self.figure()._repr_html_() if drawable else None


def marked_region(
    image: Decomposition, region: Region | None, weights: torch.Tensor
) -> MarkedRegion:
    """A region as figures show it: points, and regions known by their weights, by their cells."""
    by_cells = region is None or isinstance(region, Point)
    return MarkedRegion(region, image.placed(weights) if by_cells else None)


def images_of(side: Side, image: Decomposition, other: Decomposition) -> dict[Side, ShownImage]:
    """The two images of a pair as figures show them, the query first.

    Args:
        side: of `image`.
    """
    query, retrieved = (image, other) if side == "query" else (other, image)
    return {"query": query.shown, "retrieved": retrieved.shown}
