"""Regions of queries, stacked so that a few products score images against all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.part import FloatArray, QueryPart


@dataclass(frozen=True, eq=False)
class Cells:
    """Cells of Q parts, concatenated, K in all.

    Attributes:
        cells: (row, col), shape [K, 2].
        shares: w_p of each, shape [K].
        owners: number of the part that each belongs to, shape [K].
    """

    cells: NDArray[np.int64]
    shares: FloatArray
    owners: NDArray[np.int64]

    @classmethod
    def of(cls, each: Sequence[tuple[NDArray[np.int64], FloatArray]]) -> "Cells":
        """The cells and shares of each part."""
        return cls(
            np.concatenate([cells for cells, _ in each]),
            np.concatenate([shares for _, shares in each]),
            np.repeat(np.arange(len(each)), [len(cells) for cells, _ in each]),
        )


class Along(NamedTuple):
    """Products of the positions of M images with Q parts.

    Attributes:
        directions: c_q.d for each judged direction d, shape [M, K, rows, cols]; K is 0 if parts
            are not placed.
        rests: c_q.u with the rest u of each part's image, shape [M, Q, rows, cols]; Q is 0 if parts
            are not placed.
        features, surroundings: c_q.f and c_q.f' of each part, shape [M, Q, rows, cols].
    """

    directions: FloatArray
    rests: FloatArray
    features: FloatArray
    surroundings: FloatArray


class PartStack:
    """Q parts of queries, at least one.

    Args:
        parts: in any order.
        placed: whether they are laid over images, which needs their cells.

    Attributes:
        covered: all cells that the parts cover.
        judged: (row, col) of the K cells that decide each part's place, shape [K, 2].
        judges: number of the part that each of them decides for, shape [K].
        anchors: the cell that each part covers most, shape [Q, 2].
        extents: of each part, shape [Q, 4].
    """

    def __init__(self, parts: Sequence[QueryPart], *, placed: bool) -> None:
        self.parts = tuple(parts)
        self.covered = Cells.of([(part.cells, part.shares) for part in parts])
        judged = [part.judged.cells for part in parts]
        self.judged = np.concatenate(judged)
        self.judges = np.repeat(np.arange(len(parts)), [len(cells) for cells in judged])
        self.anchors = np.stack([part.judged.anchor for part in parts])
        self.extents = np.array([part.extent for part in parts])
        rows = [[part.feature for part in parts], [part.surroundings for part in parts]]
        if placed:
            rows += [[part.judged.rest for part in parts]]
            rows += [[*part.judged.directions] for part in parts]
        self._matrix = np.stack([row for some in rows for row in some])

    def __len__(self) -> int:
        return len(self.parts)

    @property
    def columns(self) -> int:
        """Length of the product for each position of an image."""
        return len(self._matrix)

    def along(self, images: FloatArray) -> Along:
        """Multiply images [M, rows, cols, D] with all parts.

        Each image has its own product: in a single product for all, the last bits of a number
        depend on its row, and copies of an image would score differently.
        """
        count, rows, cols, dimensions = images.shape
        product = self._matrix @ images.reshape(count, rows * cols, dimensions).transpose(0, 2, 1)
        product = product.reshape(count, self.columns, rows, cols)
        ends = len(self), 2 * len(self), 3 * len(self)
        features, surroundings, rests, directions = np.split(product, ends, axis=1)
        return Along(directions, rests, features, surroundings)

    @cached_property
    def by_offset(self) -> tuple[tuple[int, int, "Where", "Where"], ...]:
        """For each offset (row, col) from the anchor at which parts have a judged cell (at most one
        each): row, col, the indices of these cells, and their parts."""
        offsets = self.judged - self.anchors[self.judges]
        apart, which = np.unique(offsets, axis=0, return_inverse=True)
        order = np.argsort(which.reshape(-1), kind="stable")
        groups = np.split(order, np.bincount(which.reshape(-1)).cumsum()[:-1])
        return tuple(
            (int(row), int(col), _where(cells), _where(self.judges[cells]))
            for (row, col), cells in zip(apart.tolist(), groups, strict=True)
        )


Where = NDArray[np.int64] | slice


def _where(indices: NDArray[np.int64]) -> Where:
    """Ascending indices as a slice if they are consecutive, which is faster."""
    first, last = int(indices[0]), int(indices[-1])
    if last - first + 1 == len(indices):
        return slice(first, last + 1)
    return indices
