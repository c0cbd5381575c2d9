"""The target that a similarity is explained against: another image, a region of one, or a class."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from partlens.explainer.decompositions import Decompositions
from partlens.explainer.errors import ShapeError


@dataclass(frozen=True)
class Target:
    """The other side of the similarity f.E / (|E| norm); E belongs to the explained image.

    N targets explain N images, one each; one target explains any number.

    Attributes:
        feature: f, shape [N, D]: the other image's E_r, a region's sum_p w_p c_p, or the weights
            with which a classifier scores a class.
        bias: the part of f that comes from no position, shape [N, D]: b_r for a whole image.
        norm: length of the embedding that f is a part of, shape [N].

    Raises:
        ShapeError: the shapes do not fit, or a norm is not above zero.
    """

    feature: Tensor
    bias: Tensor
    norm: Tensor

    def __post_init__(self) -> None:
        shapes = [tuple(t.shape) for t in (self.feature, self.bias, self.norm)]
        if self.feature.ndim != 2 or shapes[1:] != [shapes[0], shapes[0][:1]]:
            raise ShapeError(
                f"a target's feature {shapes[0]}, bias {shapes[1]} and norm {shapes[2]} must be"
                " [N, D], [N, D] and [N]"
            )
        if not bool((self.norm > 0).all()):
            raise ShapeError("an embedding of zero length has no cosine similarity to explain")

    def __getitem__(self, some: slice | Tensor) -> "Target":
        """Some of the targets, by a slice or by numbers int64 [M]."""
        return Target(self.feature[some], self.bias[some], self.norm[some])

    @classmethod
    def images(cls, others: Decompositions) -> "Target":
        """Whole images: f = E_r."""
        contributions, bias = torch.from_numpy(others.contributions), torch.from_numpy(others.bias)
        embedding = contributions.sum(1) + bias
        return cls(embedding, bias, embedding.norm(dim=1))

    @classmethod
    def regions(cls, others: Decompositions, weights: Tensor | NDArray[np.floating]) -> "Target":
        """One region of each image: f = sum_p w_p c_p, which contains no bias.

        Args:
            others: the images that contain the regions.
            weights: fraction of each position that the region covers, 0..1, shape [N, P] or
                [N, rows, cols].

        Raises:
            ShapeError: as Decomposition.partial_feature.
        """
        if len(weights) != len(others):
            raise ShapeError(f"{len(weights)} regions were given for {len(others)} images")
        features = torch.stack(
            [one.partial_feature(region) for one, region in zip(others, weights, strict=True)]
        )
        return cls(features, torch.zeros_like(features), cls.images(others).norm)

    @classmethod
    def classes(cls, weights: Tensor) -> "Target":
        """Classes that a linear classifier scores by weights.E; weights has shape [N, D]."""
        return cls(weights, torch.zeros_like(weights), weights.norm(dim=1))
