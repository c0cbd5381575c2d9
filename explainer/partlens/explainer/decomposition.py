"""One image's embedding as a sum of contributions: of its positions and of the head's constants."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.common.activation_map import ActivationMap
from partlens.common.drawing.figure import Figure
from partlens.common.drawing.pair_figure import overlay_figure
from partlens.common.drawing.shown_image import ShownImage
from partlens.common.regions import Region
from partlens.explainer.errors import ImageError, RegionError, ShapeError
from partlens.explainer.view import View
from partlens.explainer.weights import MapLike, RegionLike, numbers_of


@dataclass(frozen=True, eq=False, repr=False)
class Decomposition:
    """E = sum_p c_p + b for one image (completeness).

    Attributes:
        contributions: c_p = W_p A_p, shape [P, D], positions in row-major order over the grid.
        bias: b, everything that belongs to no cell: the head's constants and the extras; shape [D].
        grid: (rows, cols) of the feature map; P = rows * cols.
        extras: what each token that belongs to no cell (class and register tokens) adds to the
            bias, by name, shape [D] each.
        view: size, preprocessing and registration of the image, and its picture; None if it was
            made from preprocessed pixels.
        model_embedding: the embedding that the model's own head computes, shape [D], to compare
            with; None if it was not computed.

    Raises:
        ShapeError: the shapes do not fit the grid or each other, or a value is not finite.

    >>> d = Decomposition(torch.tensor([[1.0, 0.0], [0.0, 2.0]]), torch.tensor([0.5, 0.0]), (1, 2))
    >>> d.embedding.tolist()
    [1.5, 2.0]
    >>> d
    Decomposition(1x2 positions, 2 dimensions, bias share 0.20)
    """

    contributions: torch.Tensor
    bias: torch.Tensor
    grid: tuple[int, int]
    extras: Mapping[str, torch.Tensor] = field(default_factory=dict)
    view: View | None = None
    model_embedding: torch.Tensor | None = None

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
        if self.view is not None and self.view.registration.grid != self.grid:
            raise ShapeError(
                f"the view has a grid of {self.view.registration.grid}, the contributions one of"
                f" {self.grid}"
            )

    def __repr__(self) -> str:
        rows, cols = self.grid
        length = float(self.embedding.norm())
        share = f"{float(self.bias.norm()) / length:.2f}" if length else "undefined"
        image = ""
        if self.view is not None:
            name = f" {self.view.name}" if self.view.name else ""
            image = f", image{name} {self.view.size[0]}x{self.view.size[1]}"
        return (
            f"Decomposition({rows}x{cols} positions, {len(self.bias)} dimensions, bias share"
            f" {share}{image})"
        )

    def named(self, name: str) -> "Decomposition":
        """The same, with a name for its image in figures."""
        if self.view is None or self.view.shown is None:
            return self
        shown = replace(self.view.shown, name=name)
        return replace(self, view=replace(self.view, shown=shown))

    @property
    def embedding(self) -> torch.Tensor:
        """E before L2 normalisation, shape [D]."""
        return self.contributions.sum(0) + self.bias

    def weights(self, region: RegionLike) -> torch.Tensor:
        """The fraction of each position that a region covers, shape [P].

        Args:
            region: in pixels of the upright image; or the fractions, [rows, cols] or [P].

        Raises:
            RegionError: see snapping.region_weights; or the size of the image is not known, as
                the decomposition was made from preprocessed pixels.
            ShapeError: not one fraction per position, one outside 0..1, or none above zero.
        """
        if isinstance(region, Region):
            if self.view is None:
                raise RegionError(
                    "this decomposition was made from preprocessed pixels, so the size of its image"
                    " is not known: use MetricModel.decompose, or give the weight of each position"
                )
            found = self.view.weights(region, self.contributions.numpy())
            return torch.from_numpy(found).to(self.contributions)
        weights = numbers_of(region, self.grid, "the region").to(self.contributions)
        # Written so that NaN, which compares as false with everything, is refused too.
        if not bool(((weights >= 0) & (weights <= 1)).all()) or not bool((weights > 0).any()):
            raise ShapeError("region weights must lie in 0..1, and at least one must be above 0")
        return weights

    def partial_feature(self, region: RegionLike) -> torch.Tensor:
        """f = sum_p w_p c_p of a region, shape [D].

        Args, Raises: see weights.
        """
        return self.weights(region) @ self.contributions

    def placed(self, values: MapLike) -> ActivationMap:
        """A map of this image at its place, to be upsampled or drawn.

        Args:
            values: one number per position, [rows, cols] or [P].

        Raises:
            ImageError: the size of the image is not known (see weights).
            ShapeError: not one number per position.
        """
        if self.view is None:
            raise ImageError(
                "this decomposition was made from preprocessed pixels, so the size of its image is"
                " not known: use MetricModel.decompose"
            )
        numbers: NDArray[np.float32] = numbers_of(values, self.grid, "the map").float().numpy()
        return self.view.placed(numbers.reshape(self.grid))

    def upsample(self, values: MapLike) -> NDArray[np.float32]:
        """A map with one number per pixel of the image, float32 [height, width]; not rescaled.

        Args, Raises: see placed.
        """
        placed = self.placed(values)
        width, height = self.view.size if self.view else (0, 0)
        return placed.upsampled(width, height)

    def figure(self, values: MapLike, scale: float | None = None) -> Figure:
        """The image under any map of it, such as one of COMPARATORS.

        Args:
            values: one number per position, [rows, cols] or [P].
            scale: the value at which colours are strongest; by default a round number.

        Raises:
            FigureError: the scale is not above 0.
            ImageError, ShapeError: see placed.
        """
        placed = self.placed(values)
        return overlay_figure(self.shown, placed, scale)

    @property
    def has_picture(self) -> bool:
        """Whether figures of it can be drawn."""
        return self.view is not None and self.view.shown is not None

    @property
    def shown(self) -> ShownImage:
        """The picture for figures.

        Raises:
            ImageError: it is not known (see weights).
        """
        if self.view is None or self.view.shown is None:
            raise ImageError(
                "this decomposition has no picture to draw: use MetricModel.decompose or explain"
            )
        return self.view.shown
