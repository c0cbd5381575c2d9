"""One image's embedding as a sum of contributions: of its positions and of the head's constants."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from partlens.explainer.errors import ShapeError


@dataclass(frozen=True)
class Decomposition:
    """E = sum_p c_p + b for one image (completeness).

    Attributes:
        contributions: c_p = W_p A_p, shape [P, D], positions in row-major order over the grid.
        bias: b, everything that belongs to no cell: the head's constants and the extras; shape [D].
        grid: (rows, cols) of the feature map; P = rows * cols.
        extras: what each token that belongs to no cell (class and register tokens) adds to the
            bias, by name, shape [D] each.

    Raises:
        ShapeError: the shapes do not fit the grid or each other, or a value is not finite.

    >>> d = Decomposition(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0.5, 0.0]), (1, 2))
    >>> d.embedding.tolist()
    [1.5, 2.0]
    """

    contributions: torch.Tensor
    bias: torch.Tensor
    grid: tuple[int, int]
    extras: Mapping[str, torch.Tensor] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows, cols = self.grid
        shape = tuple(self.contributions.shape)
        if self.contributions.ndim != 2 or rows < 1 or cols < 1 or shape[0] != rows * cols:
            raise ShapeError(
                f"contributions have shape {shape}; a {rows}x{cols} grid needs [{rows * cols}, D]"
            )
        if tuple(self.bias.shape) != shape[1:]:
            raise ShapeError(
                f"bias has shape {tuple(self.bias.shape)}; contributions {shape} need [{shape[1]}]"
            )
        for name, extra in self.extras.items():
            if extra.shape != self.bias.shape:
                raise ShapeError(
                    f"extra {name!r} has shape {tuple(extra.shape)}; the bias has {shape[1:]}"
                )
        if not (self.contributions.isfinite().all() and self.bias.isfinite().all()):
            raise ShapeError(
                "contributions and bias must be finite: the model gave NaN or infinity"
            )

    @property
    def embedding(self) -> torch.Tensor:
        """E before L2 normalisation, shape [D]."""
        return self.contributions.sum(0) + self.bias

    def partial_feature(self, weights: torch.Tensor) -> torch.Tensor:
        """f = sum_p w_p c_p, shape [D], of the region that covers weights[p] of position p.

        Args:
            weights: w_p in 0..1, shape [P].

        Raises:
            ShapeError: not one weight per position, a weight outside 0..1, or none above zero.
        """
        positions = self.contributions.shape[0]
        if tuple(weights.shape) != (positions,):
            raise ShapeError(
                f"region weights have shape {tuple(weights.shape)}; this image needs [{positions}]"
            )
        # Written so that NaN, which compares as false with everything, is refused too.
        if not bool(((weights >= 0) & (weights <= 1)).all()) or not bool((weights > 0).any()):
            raise ShapeError("region weights must lie in 0..1, and at least one must be above 0")
        return weights.to(self.contributions) @ self.contributions
