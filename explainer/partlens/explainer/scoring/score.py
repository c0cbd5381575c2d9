"""The scores that a search can rank by, and what scoring an image gives."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.scoring.part import FloatArray

Score = Literal["whole", "part", "context"]
BEST: Score = "context"
"""The default score of a search: the one that measured best."""


class Shares(NamedTuple):
    """Share of each term in a score, and so in its map and constant."""

    whole: float = 0.0
    part: float = 0.0
    surroundings: float = 0.0

    def terms(self) -> "Iterator[tuple[Shares, float]]":
        """Each term with a share: the mixture of nothing else, and its share."""
        for name, share in zip(self._fields, self, strict=True):
            if share:
                yield Shares(**{name: 1.0}), share


MIXTURES: Mapping[Score, Shares] = {
    "whole": Shares(whole=1.0),
    "part": Shares(part=1.0),
    "context": Shares(part=1.0, surroundings=1.0),
}


@dataclass(frozen=True, eq=False)
class Scored:
    """Scores of M images; scores == maps.sum((1, 2)) + constants.

    Attributes:
        scores: shape [M].
        maps: what each position adds, signed, shape [M, rows, cols].
        constants: what the bias of the retrieved image adds, shape [M].
        windows: where the part with the largest weight matched, cells (row0, col0, row1, col1)
            with fractions, shape [M, 4].
    """

    scores: FloatArray
    maps: FloatArray
    constants: FloatArray
    windows: NDArray[np.float64]


def joined(parts: Sequence[Scored]) -> Scored:
    """The images of several, in order; at least one."""
    return Scored(
        np.concatenate([one.scores for one in parts]),
        np.concatenate([one.maps for one in parts]),
        np.concatenate([one.constants for one in parts]),
        np.concatenate([one.windows for one in parts]),
    )
