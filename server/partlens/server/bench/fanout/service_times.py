"""How long one shard takes for a search, measured at some size and scaled to others."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from partlens.indexer.gallery.estimates import plan
from partlens.indexer.gallery.plan import IndexChoice, growth
from partlens.indexer.gallery.search import RERANKED

Milliseconds = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ServiceTimes:
    """The search times of a shard with nothing else to do.

    Attributes:
        images: of the shard.
        positions, dimensions: of its contributions.
        milliseconds: measured times, sorted, shape [K]; K > 0.
    """

    images: int
    positions: int
    dimensions: int
    milliseconds: Milliseconds

    @property
    def mean(self) -> float:
        """Of a draw, in milliseconds."""
        return float(np.trapezoid(self.milliseconds, self._levels()))

    def draw(self, random: np.random.Generator, *shape: int) -> Milliseconds:
        """Independent times of this shape, between measured ones as well as equal to them."""
        return np.interp(random.random(shape), self._levels(), self.milliseconds)

    def scaled(self, images: int) -> "ServiceTimes":
        """The times of a shard of another size, by the measured growth of a search with its
        gallery (`partlens index plan`)."""
        factor = self._planned(images) / self._planned(self.images)
        return replace(self, images=images, milliseconds=self.milliseconds * factor)

    def reading(self, share: float, read_ms: float) -> "ServiceTimes":
        """The times where a share of the candidates is read from disk, `read_ms` for each."""
        added = share * read_ms * candidates(self.images)
        return replace(self, milliseconds=self.milliseconds + added)

    def _planned(self, images: int) -> float:
        return plan(images, self.positions, self.dimensions, IndexChoice()).search_ms

    def _levels(self) -> Milliseconds:
        if len(self.milliseconds) == 1:
            return np.zeros(1)
        return np.linspace(0, 1, len(self.milliseconds))


def candidates(images: int) -> float:
    """How many images of a shard a search by CONTEXT reads the contributions of.

    >>> candidates(100_000)
    256.0
    """
    return RERANKED["context"] * growth(images)
