"""Decompositions of several images as arrays."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.explainer.decomposition import Decomposition
from partlens.explainer.view import View

FloatArray = NDArray[np.float32]


@dataclass(frozen=True, eq=False, repr=False)
class Decompositions:
    """Decompositions of N images as arrays; `len`, `[number]` and iteration give each.

    Attributes:
        contributions: c_p, float32, shape [N, P, D].
        bias: b, all that belongs to no cell, the extras included; float32, shape [N, D].
        grid: (rows, cols), P = rows * cols.
        extras: what each token that lies on no cell put into the bias, shape [N, X, D].
        extra_names: what the X tokens are called.
        views: of each image; empty if they were made from preprocessed pixels.
        model_embeddings: what the model's own head computes, shape [N, D]; None if it was not
            computed.
    """

    contributions: FloatArray
    bias: FloatArray
    grid: tuple[int, int]
    extras: FloatArray
    extra_names: tuple[str, ...]
    views: tuple[View, ...] = ()
    model_embeddings: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.contributions)

    def __getitem__(self, index: int) -> Decomposition:
        own = self.model_embeddings
        return Decomposition(
            torch.from_numpy(self.contributions[index]),
            torch.from_numpy(self.bias[index]),
            self.grid,
            dict(zip(self.extra_names, torch.from_numpy(self.extras[index]), strict=True)),
            self.views[index] if self.views else None,
            None if own is None else torch.from_numpy(own[index]),
        )

    def __iter__(self) -> Iterator[Decomposition]:
        return (self[index] for index in range(len(self)))

    def __repr__(self) -> str:
        (count, _, dimensions), (rows, cols) = self.contributions.shape, self.grid
        return f"Decompositions({count} images, {rows}x{cols} positions, {dimensions} dimensions)"
