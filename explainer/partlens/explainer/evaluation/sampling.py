"""Halves of a set of labels, to choose on one and report on the other, and bootstrap intervals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import AnnotationError

Half = Literal["a", "b"]
RESAMPLES = 2000
_TAILS = (2.5, 97.5)
_KEYS = ("groups", "labels", "hits", "tries")


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def half_of(labels: Iterable[str], half: Half, seed: int = 0) -> frozenset[str]:
    """Half of the distinct labels, drawn at random; "a" and "b" of one seed share none.

    If the number is odd, "a" gets one more.

    Raises:
        AnnotationError: fewer than two distinct labels.

    >>> a, b = (half_of("wren lark wren crow".split(), half) for half in ("a", "b"))
    >>> len(a), len(b), sorted(a | b)
    (2, 1, ['crow', 'lark', 'wren'])
    """
    distinct = sorted(set(labels))
    if len(distinct) < 2:
        raise AnnotationError(
            f"images of {len(distinct)} label cannot be split into halves; give images of at least"
            " two labels, or leave out --half"
        )
    order = np.random.default_rng(seed).permutation(len(distinct))
    middle = (len(distinct) + 1) // 2
    chosen = order[:middle] if half == "a" else order[middle:]
    return frozenset(distinct[i] for i in chosen)


def plain(value: float) -> float | None:
    """A value for JSON, which has no NaN."""
    return None if math.isnan(value) else value


class Count(NamedTuple):
    """Hits and tries of one query.

    Attributes:
        group: what is averaged first, such as the part that was searched for.
        label: label of the query's image.
        hits, tries: counts, or a share and 1.
    """

    group: str
    label: str
    hits: float
    tries: float


@dataclass(frozen=True, eq=False)
class Tally:
    """Hits and tries of G groups for each of L labels.

    Attributes:
        groups: names, G.
        labels: names, L.
        hits, tries: shape [G, L].
    """

    groups: Sequence[str]
    labels: Sequence[str]
    hits: NDArray[np.float64]
    tries: NDArray[np.float64]

    @classmethod
    def of(cls, counts: Iterable[Count]) -> "Tally":
        """The sums of counts by group and label."""
        listed = list(counts)
        groups = list(dict.fromkeys(count.group for count in listed))
        labels = list(dict.fromkeys(count.label for count in listed))
        sums = np.zeros((2, len(groups), len(labels)))
        for count in listed:
            place = groups.index(count.group), labels.index(count.label)
            sums[0][place] += count.hits
            sums[1][place] += count.tries
        return cls(groups, labels, *sums)

    @classmethod
    def from_json(cls, found: Any) -> "Tally":
        """A tally as to_json gave it.

        Raises:
            AnnotationError: it is another thing.
        """
        try:
            groups, labels, hits, tries = (found[key] for key in _KEYS)
            counts = [np.array(rows, np.float64) for rows in (hits, tries)]
            names = [[str(name) for name in some] for some in (groups, labels)]
        except (KeyError, TypeError, ValueError) as error:
            raise AnnotationError(f"these are not counts of a measurement: {error!r}") from error
        if any(one.shape != (len(names[0]), len(names[1])) for one in counts):
            raise AnnotationError("these are not counts of a measurement: their lengths differ")
        return cls(names[0], names[1], counts[0], counts[1])

    def to_json(self) -> dict[str, object]:
        """Plain values."""
        values = self.groups, self.labels, self.hits.tolist(), self.tries.tolist()
        return dict(zip(_KEYS, values, strict=True))

    def by_group(self) -> Mapping[str, float]:
        """Hits per try of each group; NaN for a group without tries."""
        hits, tries = self.hits.sum(1), self.tries.sum(1)
        shares = np.divide(hits, tries, out=np.full_like(hits, np.nan), where=tries > 0)
        return dict(zip(self.groups, map(float, shares), strict=True))

    def mean(self) -> float:
        """Mean of hits per try over the groups with tries; NaN if there are none."""
        shares = [share for share in self.by_group().values() if not np.isnan(share)]
        return float(np.mean(shares)) if shares else np.nan

    def interval(self, seed: int = 0) -> Interval | None:
        """Bootstrap interval of the mean over groups; None for fewer than two labels.

        Labels are resampled, not queries: searches for one species resemble each other, and the
        question is how other species would do. With few labels the interval is too narrow.
        """
        means = self._resampled_means(seed)
        return interval(means)

    def change_from(self, before: "Tally", seed: int = 0) -> tuple[float, Interval | None]:
        """The mean minus that of an earlier tally, and its bootstrap interval.

        Both means are taken over the same resampled labels, so that the interval is that of the
        change, which is narrower than those of the means.

        Raises:
            AnnotationError: the groups or labels are not the same.
        """
        for what, mine, theirs in (
            ("groups", self.groups, before.groups),
            ("labels", self.labels, before.labels),
        ):
            if set(mine) != set(theirs):
                some = ", ".join(sorted(set(mine) ^ set(theirs))[:3])
                raise AnnotationError(
                    f"the two measurements have other {what}: {some} in one only; measure the same"
                    " images and queries twice"
                )
        rows = [before.groups.index(group) for group in self.groups]
        columns = [before.labels.index(label) for label in self.labels]
        at = np.ix_(rows, columns)
        aligned = Tally(self.groups, self.labels, before.hits[at], before.tries[at])
        means = self._resampled_means(seed) - aligned._resampled_means(seed)
        return self.mean() - before.mean(), interval(means)

    def _resampled_means(self, seed: int) -> NDArray[np.float64]:
        weights = resampled(len(self.labels), seed)
        return means_of(weights @ self.hits.T, weights @ self.tries.T)


def resampled(labels: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each of L labels occurs in each of R random samples of L, shape [R, L].

    R is 0 for fewer than two labels, which say nothing about the spread.
    """
    count = RESAMPLES if labels > 1 else 0
    drawn = np.random.default_rng(seed).multinomial(labels, np.full(labels, 1 / labels), count)
    return drawn.astype(np.float64)


def means_of(hits: NDArray[np.float64], tries: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over G groups of hits per try, in each of R resamples; shape [R].

    A group without tries in a resample is left out of its mean, which is NaN if no group has any.

    Args:
        hits, tries: shape [R, G].
    """
    found = tries > 0
    shares = np.divide(hits, tries, out=np.zeros_like(hits), where=found)
    count = found.sum(1)
    means = np.full(len(hits), np.nan)
    np.divide(shares.sum(1), count, out=means, where=count > 0)
    return means


def interval(means: NDArray[np.float64]) -> Interval | None:
    """The 95 % interval of resampled means, shape [R]; None if all are NaN, or there are none."""
    usable = means[~np.isnan(means)]
    return middle_of(usable) if len(usable) else None


def middle_of(means: NDArray[np.float64]) -> Interval:
    """The 95 % interval of resampled means, shape [R], R at least 1 and none of them NaN."""
    low, high = np.percentile(means, _TAILS)
    return Interval(float(low), float(high))
