"""Region search written naively: loops over cells in float64, no code shared with the search.

Follows the definitions in the docstrings of partlens.explainer.scoring; slow on purpose.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise, product

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring import MIXTURES, QueryPart, Score, query_part

Array = NDArray[np.float64]
Grid = tuple[int, int]


@dataclass(frozen=True)
class Search:
    """A query image, regions of it, and images to score; all with the same grid.

    Attributes:
        query, query_bias: contributions [P, D] and bias [D].
        regions: (fraction of each position that the region covers [P], weight in the score).
        images, biases: contributions [M, P, D] and bias [M, D].
    """

    query: Array
    query_bias: Array
    regions: list[tuple[Array, float]]
    images: Array
    biases: Array
    grid: Grid

    def parts(self) -> list[QueryPart]:
        """The regions as the search takes them."""
        query, bias = self.query.astype(np.float32), self.query_bias.astype(np.float32)
        return [
            query_part(query, bias, region.astype(np.float32), self.grid, weight)
            for region, weight in self.regions
        ]


def cosine(one: Array, two: Array) -> float:
    """Cosine of two vectors; 0 if one is zero."""
    lengths = float(np.linalg.norm(one) * np.linalg.norm(two))
    return float(one @ two) / lengths if lengths > 1e-12 else 0.0


def box_weights(
    box: tuple[float, float, float, float],
    image_size: tuple[int, int],
    rows: Sequence[float],
    cols: Sequence[float],
) -> Array:
    """Fraction of each cell that the box (x, y, width, height) covers, with resize "stretch".

    Args:
        rows, cols: where each row and column of cells looks, as fractions of the image.
    """
    x, y, width, height = box
    left, right = (in_cells(at / image_size[0], cols) for at in (x, x + width))
    top, bottom = (in_cells(at / image_size[1], rows) for at in (y, y + height))
    weights = np.zeros((len(rows), len(cols)))
    for row, col in product(range(len(rows)), range(len(cols))):
        across, down = min(right, col + 1) - max(left, col), min(bottom, row + 1) - max(top, row)
        weights[row, col] = max(across, 0) * max(down, 0)
    return weights.reshape(-1)


def in_cells(place: float, centres: Sequence[float]) -> float:
    """A fraction of an image's side in units of cells: cell i has its centre at i + 0.5."""
    knots = [(0.0, 0.0), *((at, i + 0.5) for i, at in enumerate(centres)), (1.0, len(centres))]
    for (at, cells), (later, more) in pairwise(knots):
        if place <= later:
            return cells + (place - at) / (later - at) * (more - cells)
    return float(len(centres))


def places(search: Search, region: Array, image: int) -> list[tuple[float, float]]:
    """(fit, PART) of every place of a region, upright and mirrored."""
    rows, cols = search.grid
    positions = [divmod(p, cols) for p in range(rows * cols)]
    anchor = positions[int(np.argmax(region))]
    feature = sum((region[p] * search.query[p] for p in range(rows * cols)), np.zeros(()))
    rest = search.query[region == 0].sum(0)
    shares, found = judged(search, region), []
    for turned, row, col in product((1, -1), range(rows), range(cols)):
        fit, laid = 0.0, np.zeros(search.query.shape[1])
        for p, (r, c) in enumerate(positions):
            there = (row + r - anchor[0], col + turned * (c - anchor[1]))
            if 0 <= there[0] < rows and 0 <= there[1] < cols:
                cell = search.images[image][there[0] * cols + there[1]]
                fit += shares[p] * cosine(without(search.query[p], rest), without(cell, rest))
                laid = laid + region[p] * cell
        found.append((fit, cosine(feature, laid)))
    return found


def judged(search: Search, region: Array) -> Array:
    """How much each position counts for the place of a region, 0 for most of a large grid: at most
    32 count, of the region's own at most 16 unless there are few others."""
    around = blurred(search, region, 2.0)
    shares = region / region.sum() + 3 * around / around.sum()
    own = [p for p in range(len(region)) if region[p] > 0]
    others = [p for p in range(len(region)) if region[p] == 0]
    count = min(len(own), max(16, 32 - len(others)))
    chosen = [own[round(i * (len(own) - 1) / max(count - 1, 1))] for i in range(count)]
    heaviest = sorted(others, key=lambda p: (-round(shares[p], 5), p))[: 32 - count]
    scale = shares[own].sum() / shares[chosen].sum()
    counted = np.zeros(len(region))
    counted[chosen], counted[heaviest] = scale * shares[chosen], shares[heaviest]
    return counted


def without(vector: Array, other: Array) -> Array:
    """What a vector has beyond another; zero if that is only rounding."""
    if not other.any():
        return vector
    apart = vector - (vector @ other) / (other @ other) * other
    return apart if apart @ apart > 2.0**-16 * (vector @ vector) else 0 * vector


def blurred(search: Search, region: Array, reach: float) -> Array:
    """A region's weights blurred by a Gaussian of a number of its sides, shape [P]."""
    cols, found = search.grid[1], np.zeros(len(region))
    deviation = reach * float(np.sqrt(region.sum()))
    for p, q in product(range(len(region)), np.flatnonzero(region)):
        down, across = p // cols - q // cols, p % cols - q % cols
        found[p] += region[q] * np.exp(-(down**2 + across**2) / (2 * deviation**2))
    return found


def surrounded(search: Search, region: Array) -> Array:
    """The region's feature with its surroundings, shape [D]."""
    return np.asarray(blurred(search, region, 1.0) @ search.query)


def score(search: Search, kind: Score, image: int) -> float | None:
    """The score of one image; None if two places fit equally well, so either may be chosen."""
    embedding = search.images[image].sum(0) + search.biases[image]
    query_length = float(np.linalg.norm(search.query.sum(0) + search.query_bias))
    shares, total = MIXTURES[kind], 0.0
    for region, weight in search.regions:
        if shares.whole:
            lengths = query_length * float(np.linalg.norm(embedding))
            total += weight * shares.whole * float(region @ search.query @ embedding) / lengths
        if shares.surroundings:
            around = cosine(surrounded(search, region), search.images[image].sum(0))
            total += weight * shares.surroundings * around
        if shares.part:
            found = places(search, region, image)
            best = max(found)
            near = [value for fit, value in found if best[0] - fit <= 1e-4]
            if max(near) - min(near) > 1e-6:
                return None
            total += weight * shares.part * best[1]
    return total
