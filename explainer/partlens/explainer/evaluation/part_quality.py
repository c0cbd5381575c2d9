"""Judges rankings of region searches: the right images first, and the right place in them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.sampling import Count, Interval, Tally, plain

REACH = 0.25
"""Side of the square, and largest distance of a hit, in units of sqrt(box width * box height)."""


@dataclass(frozen=True)
class PartQuery:
    """A part of an image to search for.

    Attributes:
        image: number of the image among the annotated images.
        part: name of the part.
    """

    image: int
    part: str


@dataclass(frozen=True)
class PartScores:
    """Quality of a ranking for one part, or the mean over parts.

    Attributes:
        precision_at_10: fraction of the first 10 images that show the query's label.
        part_hit: of the first 10 images that show the part, the fraction with the match point
            within REACH of it; NaN if none of them shows it.
    """

    precision_at_10: float
    part_hit: float


@dataclass(frozen=True, eq=False)
class PartEvaluation:
    """The right images and the right places among the first 10, by part and label."""

    right: Tally
    near: Tally

    @property
    def by_part(self) -> Mapping[str, PartScores]:
        """The scores of each part."""
        near = self.near.by_group()
        return {part: PartScores(p, near[part]) for part, p in self.right.by_group().items()}

    @property
    def mean(self) -> PartScores:
        """The mean over the parts."""
        return PartScores(self.right.mean(), self.near.mean())

    @property
    def intervals(self) -> tuple[Interval | None, Interval | None]:
        """95 % intervals of the means of precision_at_10 and part_hit; see Tally.interval."""
        return self.right.interval(), self.near.interval()

    @property
    def tallies(self) -> Mapping[str, Tally]:
        """Both tallies by the names of their means."""
        return {"precision_at_10": self.right, "part_hit": self.near}

    def to_json(self, groups: str = "by_part") -> dict[str, object]:
        """Plain values, None for NaN; `groups` names the scores of each part."""
        found = dict[str, object]()
        for name, tally in self.tallies.items():
            found[name] = plain(tally.mean())
            found[f"{name}_interval"] = tally.interval()
        found[groups] = {
            part: {name: plain(value) for name, value in vars(scores).items()}
            for part, scores in self.by_part.items()
        }
        found["counts"] = {name: tally.to_json() for name, tally in self.tallies.items()}
        return found


def reach(image: AnnotatedImage) -> float:
    """REACH in pixels of an image."""
    return REACH * float(np.sqrt(image.box.width * image.box.height))


def judge(
    images: Sequence[AnnotatedImage],
    queries: Sequence[PartQuery],
    found: Sequence[NDArray[np.int64]],
    places: Sequence[NDArray[np.float64]],
) -> PartEvaluation:
    """Quality of rankings.

    Args:
        found: numbers of the best K images for each of Q queries, shape [K].
        places: match points (x, y) in pixels of each of them, shape [K, 2].
    """
    right, near = list[Count](), list[Count]()
    for query, ranked, points in zip(queries, found, places, strict=True):
        label = images[query.image].label
        same = [images[i].label == label for i in ranked]
        hits = list(_hits([images[i] for i in ranked], query.part, points))
        right.append(Count(query.part, label, sum(same), len(same)))
        near.append(Count(query.part, label, sum(hits), len(hits)))
    return PartEvaluation(Tally.of(right), Tally.of(near))


def _hits(
    found: Sequence[AnnotatedImage], part: str, points: NDArray[np.float64]
) -> Iterator[bool]:
    """Whether the match point is near the part, for each image found that shows it."""
    for image, point in zip(found, points, strict=True):
        if part in image.parts:
            yield bool(np.hypot(*(point - image.parts[part])) <= reach(image))
