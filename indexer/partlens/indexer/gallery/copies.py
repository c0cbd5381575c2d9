"""Rows that may be copies of one image: those of equal sums of contributions."""

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from partlens.indexer.gallery.image_columns import Rows

Digests = NDArray[np.uint64]
_CHUNK_ROWS = 4096
_SEED = 0


class Copies:
    """Of the M images of a segment.

    Images of equal contributions have equal sums, bit by bit. The converse does not hold, so who
    asks compares scores.

    Args:
        units: S_r / |S_r| of each row, S_r = sum_q c_q, float16 [M, D].
    """

    def __init__(self, units: NDArray[np.float16]) -> None:
        self._units = units

    @cached_property
    def digests(self) -> Digests:
        """Of each row's sum, shape [M]."""
        rows, dimensions = self._units.shape
        random = np.random.default_rng(_SEED)
        factors = random.integers(0, 2**63, dimensions, np.uint64) * np.uint64(2) + np.uint64(1)
        found = np.zeros(rows, np.uint64)
        for start in range(0, rows, _CHUNK_ROWS):
            some = slice(start, start + _CHUNK_ROWS)
            # -0.0 equals 0.0, but not bit by bit.
            bits = (self._units[some] + np.float16(0)).view(np.uint16)
            found[some] = (bits * factors).sum(1, dtype=np.uint64)
        return found

    @cached_property
    def _order(self) -> Rows:
        return np.argsort(self.digests, kind="stable")

    @cached_property
    def _sorted(self) -> Digests:
        return self.digests[self._order]

    def prepare(self) -> None:
        """Compute now what is asked for later: 0.8 s for a million rows of 128 dimensions."""
        len(self.several)

    @cached_property
    def several(self) -> NDArray[np.bool_]:
        """Whether another row has the same digest, shape [M]."""
        same = self._sorted[1:] == self._sorted[:-1]
        found = np.zeros(len(self._order), bool)
        found[self._order[1:]] = same
        found[self._order[:-1]] |= same
        return found

    def hold(self, digests: Digests) -> NDArray[np.bool_]:
        """Whether a row has each of these digests, same shape."""
        left, right = self._ends(digests)
        return right > left

    def rows(self, digest: np.uint64) -> Rows:
        """Those of a digest, in order."""
        (left,), (right,) = self._ends(np.array([digest]))
        return self._order[left:right]

    def _ends(self, digests: Digests) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """From where to where these digests lie in order."""
        left = np.searchsorted(self._sorted, digests)
        return left, np.searchsorted(self._sorted, digests, "right")
