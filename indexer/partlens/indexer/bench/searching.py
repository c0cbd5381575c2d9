"""Contenders in this process: partlens itself, and brute force in numpy and torch."""

import sys
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.common.filters import Filter
from partlens.explainer.scoring import score_images
from partlens.indexer.bench.contenders import TOP
from partlens.indexer.bench.synthetic import DIMENSIONS, GRID, Query, name
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.ranking import contenders
from partlens.indexer.gallery.search import search

_CHUNK = 128


class InProcess:
    """A gallery opened in this process."""

    def __init__(self, gallery: Gallery) -> None:
        self._gallery = gallery

    def search(self, query: Query) -> Sequence[str]:
        """By CONTEXT."""
        found = self._gallery.view.search([query.part], "context", Filter(), TOP)
        return [one.id for one in found]


class Numpy:
    """Scores every image by CONTEXT: the exact result.

    Args:
        contributions: float32 [M, P, D], of images ordered by number.
        bias: float32 [M, D].
    """

    def __init__(self, contributions: NDArray[np.float32], bias: NDArray[np.float32]) -> None:
        self._contributions, self._bias = contributions, bias

    def search(self, query: Query) -> Sequence[str]:
        """Search by CONTEXT, in batches of images that fit the processor's cache."""
        scores = np.concatenate(
            [
                score_images(
                    "context",
                    [query.part],
                    self._contributions[start : start + _CHUNK],
                    self._bias[start : start + _CHUNK],
                    GRID,
                ).scores
                for start in range(0, len(self._contributions), _CHUNK)
            ]
        )
        return _best(scores)


class Torch:
    """MaxSim of the region's cells over all images, in one matrix product.

    MaxSim is the sum, over the query's vectors, of the largest cosine to a vector of the image.
    Databases with several vectors per row offer it, so they are compared with this.

    Args:
        units: contributions scaled to length 1, float32 [M, P, D].
    """

    def __init__(self, units: NDArray[np.float32]) -> None:
        self._units = torch.from_numpy(units.reshape(-1, DIMENSIONS))

    def search(self, query: Query) -> Sequence[str]:
        """By MaxSim."""
        cosines = self._units @ torch.from_numpy(query.cells.T.copy())
        scores = cosines.view(-1, GRID[0] * GRID[1], len(query.cells)).amax(1).sum(1)
        return _best(scores.numpy())


def _best(scores: NDArray[np.float32]) -> Sequence[str]:
    """Ids of the best images; equal scores are ordered by number."""
    best = contenders(scores, None, TOP)
    return [name(int(number)) for number in best[np.argsort(-scores[best], kind="stable")][:TOP]]


def units(contributions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Contributions scaled to length 1; zeros stay zero."""
    lengths = np.linalg.norm(contributions, axis=2, keepdims=True)
    made = np.zeros_like(contributions)
    np.divide(contributions, lengths, out=made, where=lengths > 0)
    return made


def exact(gallery: Gallery, query: Query) -> Sequence[str]:
    """The best images by CONTEXT; scores every image, from the gallery's files."""
    found = search(
        gallery.view.live,
        [query.part],
        "context",
        Filter(),
        TOP,
        GRID,
        gallery.indexes.of,
        exact_bytes=sys.maxsize,
    )
    return [one.id for one in found]


def arrays(gallery: Gallery) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Contributions [M, P, D] and bias [M, D] of all images, ordered by number."""
    contributions = np.empty((len(gallery.view), GRID[0] * GRID[1], DIMENSIONS), np.float32)
    bias = np.empty((len(gallery.view), DIMENSIONS), np.float32)
    for segment, rows in gallery.view.live.matching():
        for start in range(0, len(rows), _CHUNK):
            some = rows[start : start + _CHUNK]
            numbers = [int(id) for id in segment.columns.ids(some)]
            contributions[numbers] = segment.contributions[some]
            bias[numbers] = segment.bias[some]
    return contributions, bias
