"""Halves of a set of labels, to choose on one and report on the other, and bootstrap intervals."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.errors import AnnotationError

Half = Literal["a", "b"]
RESAMPLES = 2000
_TAILS = (2.5, 97.5)


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def half_of(labels: Iterable[str], half: Half, seed: int = 0) -> frozenset[str]:
    """Half of the distinct labels, drawn at random; "a" and "b" of one seed share none.

    If the number is odd, "a" gets one more.

    Raises:
        AnnotationError: fewer than two distinct labels.

    >>> sorted(half_of("wren lark wren crow".split(), "a") | half_of(["lark", "wren"], "b"))
    ['crow', 'lark', 'wren']
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
        hits, tries: shape [G, L].
    """

    groups: Sequence[str]
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
        return cls(groups, *sums)

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
        weights = resampled(self.hits.shape[1], seed)
        return interval(weights @ self.hits.T, weights @ self.tries.T)


def resampled(labels: int, seed: int = 0) -> NDArray[np.float64]:
    """How often each of L labels occurs in each of R random samples of L, shape [R, L].

    R is 0 for fewer than two labels, which say nothing about the spread.
    """
    count = RESAMPLES if labels > 1 else 0
    drawn = np.random.default_rng(seed).multinomial(labels, np.full(labels, 1 / labels), count)
    return drawn.astype(np.float64)


def interval(hits: NDArray[np.float64], tries: NDArray[np.float64]) -> Interval | None:
    """Interval of the mean over G groups of hits per try, from R resamples; None without any.

    A group without tries in a resample is left out of its mean.

    Args:
        hits, tries: shape [R, G].
    """
    found = tries > 0
    shares = np.divide(hits, tries, out=np.zeros_like(hits), where=found)
    usable = found.any(1)
    if not usable.any():
        return None
    low, high = np.percentile(shares[usable].sum(1) / found[usable].sum(1), _TAILS)
    return Interval(float(low), float(high))
