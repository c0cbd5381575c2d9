"""Weights of positions and other maps, given as arrays or tensors."""

from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.common.regions import Region
from partlens.explainer.errors import RegionError, ShapeError

MapLike: TypeAlias = NDArray[Any] | torch.Tensor
"""One number per position: an array or tensor of shape [rows, cols] or [P], row-major."""
RegionLike: TypeAlias = Region | MapLike
"""A region in pixels of the upright image, or the fraction of each position that it covers."""


def numbers_of(given: MapLike, grid: tuple[int, int], what: str) -> torch.Tensor:
    """A map as a tensor of shape [P].

    Args:
        given: an array or tensor, [rows, cols] or [P]; bool counts as 0 and 1.
        grid: (rows, cols).
        what: what the error calls it.

    Raises:
        RegionError: neither an array nor a tensor.
        ShapeError: another shape, or not numbers.
    """
    if not isinstance(given, np.ndarray | torch.Tensor):
        raise RegionError(
            f"{what} must be a Box, Point, Polygon, Mask or Whole in pixels of the image, or an"
            f" array or tensor with a number for each position; got {_short(given)}"
        )
    rows, cols = grid
    shape = tuple(given.shape)
    if shape not in ((rows * cols,), (rows, cols)):
        raise ShapeError(
            f"{what} has shape {shape}; this image needs [{rows * cols}] or [{rows}, {cols}]"
        )
    if isinstance(given, np.ndarray):
        if given.dtype.kind not in "fiub":
            raise ShapeError(f"{what} holds {given.dtype}; it must hold numbers")
        return torch.from_numpy(np.ascontiguousarray(given)).reshape(-1)
    return given.detach().cpu().reshape(-1)


def _short(given: object) -> str:
    text = repr(given)
    advice = ": write Box(x, y, width, height)" if isinstance(given, tuple | list) else ""
    return f"{text if len(text) <= 60 else type(given).__name__}{advice}"
