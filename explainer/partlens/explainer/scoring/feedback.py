"""Relevance feedback: moves a region's features towards or away from marked images."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partlens.explainer.errors import RegionError, ShapeError
from partlens.explainer.scoring.part import FloatArray, QueryPart
from partlens.explainer.scoring.placement import laid, place
from partlens.explainer.scoring.stack import PartStack

LIKE, UNLIKE = 1.0, 0.4
"""Default weights: of each mark "more like this", and of all marks "less like this" together, which
share it equally. Measured on birds and people (docs/results.md)."""
_CANCELLED = 1e-3
"""Length of what marks leave of a feature of length 1, below which its direction is rounding."""


@dataclass(frozen=True, eq=False)
class Mark:
    """A region of an image that hits should be more, or less, like.

    Attributes:
        part: the region of the marked image.
        weight: a; above 0 for more like this, below 0 for less, 0 for no effect.

    Raises:
        ShapeError: the weight is not finite.
    """

    part: QueryPart
    weight: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.weight):
            raise ShapeError(f"a mark has weight {self.weight}; give a finite number")


def with_marks(part: QueryPart, marks: Sequence[Mark]) -> QueryPart:
    """The region after feedback: f' = |f| (f / |f| + sum_i a_i g_i / |g_i|), g_i of mark i.

    The same holds for the surroundings. Scores are linear in both, so they stay the sums of their
    maps. The marks do not decide where the region is laid. Their order does not matter.

    Args:
        part: a region of the query.
        marks: marked regions.

    Raises:
        RegionError: the marks cancel the region out.
    """
    if not marks:
        return part
    return replace(
        part,
        feature=_moved(part.feature, [(one.part.feature, one.weight) for one in marks]),
        surroundings=_moved(
            part.surroundings, [(one.part.surroundings, one.weight) for one in marks]
        ),
    )


def best_place(part: QueryPart, contributions: FloatArray, grid: tuple[int, int]) -> FloatArray:
    """The weights of a region laid over another image where it fits best, as PART lays it.

    Args:
        part: the region.
        contributions: c_q of the image, shape [P, D].
        grid: (rows, cols), P = rows * cols.

    Returns:
        Float32, shape [P].
    """
    stack = PartStack([part], placed=True)
    images = contributions.reshape(1, *grid, -1)
    lengths = np.linalg.norm(images, axis=3).astype(np.float32)
    placement = place(stack, stack.along(images), lengths)
    return laid(stack, placement, grid).reshape(-1)


def _moved(feature: FloatArray, examples: Sequence[tuple[FloatArray, float]]) -> FloatArray:
    start = feature.astype(np.float64)
    length = float(np.linalg.norm(start))
    moved = start.copy()
    for example, weight in examples:
        plain = example.astype(np.float64)
        size = float(np.linalg.norm(plain))
        if size > 0:
            moved += length * weight / size * plain
    if np.linalg.norm(moved) < _CANCELLED * length:
        raise RegionError(
            "the marks cancel the region out, so nothing is left to search for; give marks that"
            " are less like it lower weights"
        )
    return moved.astype(np.float32)
