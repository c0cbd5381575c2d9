"""Measures one round of feedback: does a search improve if a user marks its first hits?

A region search shows its first hits. Those with the query's label are marked "more like this", the
others "less like this", and the search runs again. Both rankings are judged without the images that
were shown, so that a mark does not count as found.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import AnnotationError, ShapeError
from partlens.explainer.evaluation.annotations import AnnotatedImage
from partlens.explainer.evaluation.label_retrieval import average_precision
from partlens.explainer.evaluation.part_quality import PartQuery
from partlens.explainer.evaluation.part_search import part_region
from partlens.explainer.evaluation.region_search import TOP, Contributions
from partlens.explainer.evaluation.sampling import RESAMPLES, Interval, middle_of
from partlens.explainer.model import MetricModel
from partlens.explainer.scoring import (
    BEST,
    LIKE,
    UNLIKE,
    ManySearches,
    Mark,
    QueryPart,
    best_place,
    query_part,
    with_marks,
)

_CHUNK, _TOGETHER = 64, 32
"""Images and regions that are scored together."""
KINDS = ("like", "unlike", "both")


@dataclass(frozen=True)
class Weights:
    """Weights of the marks of one round.

    Attributes:
        like: of each mark "more like this".
        unlike: of all marks "less like this" together.

    Raises:
        ShapeError: a weight is negative or not finite.
    """

    like: float = LIKE
    unlike: float = UNLIKE

    def __post_init__(self) -> None:
        for weight in (self.like, self.unlike):
            if not 0 <= weight < math.inf:
                raise ShapeError(f"a mark has weight {weight}; give a finite number, 0 or above")


@dataclass(frozen=True)
class FeedbackGain:
    """What one kind of marks adds, a mean over queries.

    Attributes:
        queries: queries that have a hit to mark, and an image of their label left to find.
        precision_before, precision_after: fraction of the query's label among the first 10 of the
            images that were not shown; of as many as there are, if fewer.
        average_before, average_after: mean average precision over these images.
        interval: 95 % bootstrap interval, over queries, of average_after - average_before.
    """

    queries: int
    precision_before: float
    precision_after: float
    average_before: float
    average_after: float
    interval: Interval


def evaluate_feedback(
    model: MetricModel,
    images: Sequence[AnnotatedImage],
    seen: Contributions,
    queries: Sequence[PartQuery],
    shown: int,
    weights: Weights,
    seed: int = 0,
) -> Mapping[str, FeedbackGain]:
    """Measure marks of each of KINDS, for the default score.

    Args:
        model: the model that gave `seen`.
        images: N annotated images.
        seen: their contributions.
        queries: the parts to search for.
        shown: number of first hits that are marked.
        weights: weights of the marks.
        seed: seed of the bootstrap.

    Raises:
        AnnotationError: after the first hits of every query, no image of its label is left to find.
    """
    labels = np.array([image.label for image in images])
    grid = model.spec.grid
    regions = [part_region(model, images, seen, query) for query in queries]
    second = list[_Second]()
    for query, part, ranking in zip(queries, regions, _rankings(regions, seen, grid), strict=True):
        first, same = ranking[ranking != query.image], labels == labels[query.image]
        hits, rest = first[:shown], first[shown:]
        if not same[rest].any():
            continue
        for kind in KINDS:
            moved = _marked(part, hits, same, kind, seen, grid, weights)
            if moved is not None:
                second.append(_Second(kind, moved, rest, same))
    if not second:
        raise AnnotationError(
            f"after the first {shown} hits, no image of the query's label is left to find; show"
            " fewer, or give more images of each label"
        )
    rows: dict[str, list[tuple[float, ...]]] = {kind: [] for kind in KINDS}
    rankings = _rankings([one.part for one in second], seen, grid)
    for one, ranking in zip(second, rankings, strict=True):
        again = ranking[np.isin(ranking, one.rest)]
        rows[one.kind].append((*_quality(one.same[one.rest]), *_quality(one.same[again])))
    random = np.random.default_rng(seed)
    return {kind: _gain(np.array(some), random) for kind, some in rows.items() if some}


class _Second(NamedTuple):
    """The second round of a search.

    Attributes:
        kind: kind of its marks.
        part: the region after them.
        rest: the images that were not shown, in the order of the first round.
        same: whether each image has the query's label.
    """

    kind: str
    part: QueryPart
    rest: NDArray[np.int64]
    same: NDArray[np.bool_]


def _marked(
    part: QueryPart,
    hits: NDArray[np.int64],
    same: NDArray[np.bool_],
    kind: str,
    seen: Contributions,
    grid: tuple[int, int],
    weights: Weights,
) -> QueryPart | None:
    """The region after marks of one kind; None if there is nothing of the kind to mark."""
    liked, unliked = hits[same[hits]], hits[~same[hits]]
    some: list[tuple[int, float]] = []
    if kind != "unlike":
        if not len(liked):
            return None
        some += [(int(i), weights.like) for i in liked]
    if kind != "like":
        if not len(unliked):
            return None
        some += [(int(i), -weights.unlike / len(unliked)) for i in unliked]
    return with_marks(part, [Mark(_laid(part, seen, i, grid), weight) for i, weight in some])


def _laid(part: QueryPart, seen: Contributions, image: int, grid: tuple[int, int]) -> QueryPart:
    contributions = np.asarray(seen.contributions[image], np.float32)
    covered = best_place(part, contributions, grid)
    return query_part(contributions, seen.bias[image], covered, grid)


def _rankings(
    parts: Sequence[QueryPart], seen: Contributions, grid: tuple[int, int]
) -> list[NDArray[np.int64]]:
    """All images, best first, for each region."""
    searches = [
        ManySearches([(BEST, [part]) for part in parts[start : start + _TOGETHER]])
        for start in range(0, len(parts), _TOGETHER)
    ]
    scores = [np.zeros((0, len(parts)), np.float32)]
    for start in range(0, len(seen.bias), _CHUNK):
        contributions = seen.contributions[start : start + _CHUNK]
        bias = seen.bias[start : start + _CHUNK]
        scores.append(np.hstack([one.scores(contributions, bias, grid) for one in searches]))
    return [np.argsort(-column, kind="stable") for column in np.concatenate(scores).T]


def _quality(relevant: NDArray[np.bool_]) -> tuple[float, float]:
    """Precision at TOP, and average precision, of a ranking."""
    return float(relevant[:TOP].sum() / min(TOP, relevant.sum())), average_precision(relevant)


def _gain(rows: NDArray[np.float64], random: np.random.Generator) -> FeedbackGain:
    precision_before, average_before, precision_after, average_after = map(float, rows.mean(0))
    gains = rows[:, 3] - rows[:, 1]
    means = random.choice(gains, (RESAMPLES, len(gains))).mean(1)
    return FeedbackGain(
        len(rows), precision_before, precision_after, average_before, average_after,
        middle_of(means),
    )  # fmt: skip
