"""Halves share no label and keep all; intervals agree with naive bootstraps and known spreads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.explainer.errors import AnnotationError
from partlens.explainer.evaluation.sampling import Count, Tally, half_of, plain

LABELS = st.lists(st.text(min_size=1, max_size=4), min_size=2, max_size=30, unique=True)


@given(LABELS, st.integers(0, 2**32))
def test_halves_are_disjoint_complete_and_independent_of_the_order(
    labels: list[str], seed: int
) -> None:
    a, b = half_of(labels, "a", seed), half_of(labels, "b", seed)
    assert not a & b and a | b == set(labels)
    assert len(a) - len(b) in (0, 1)
    assert half_of([*reversed(labels), *labels], "a", seed) == a


def test_seeds_give_different_halves() -> None:
    labels = [str(i) for i in range(20)]
    assert len({half_of(labels, "a", seed) for seed in range(10)}) > 5


def test_one_label_has_no_halves() -> None:
    with pytest.raises(AnnotationError, match="1 label cannot be split"):
        half_of(["wren", "wren"], "a")


def test_a_mean_counts_each_group_once() -> None:
    counts = [
        Count("beak", "wren", 1, 10),
        Count("beak", "lark", 3, 10),
        Count("tail", "wren", 9, 9),
    ]
    tally = Tally.of([*counts, Count("eye", "lark", 0, 0)])
    found = {group: plain(share) for group, share in tally.by_group().items()}
    assert found == {"beak": 0.2, "tail": 1.0, "eye": None}
    assert tally.mean() == pytest.approx(0.6)
    assert plain(Tally.of([Count("eye", "lark", 0, 0)]).mean()) is None


def test_an_interval_is_that_of_a_naive_bootstrap_of_labels() -> None:
    random = np.random.default_rng(1)
    labels, groups = [f"species {i}" for i in range(12)], ["beak", "tail"]
    counts = [
        Count(group, label, int(random.binomial(10, random.random())), 10)
        for group in groups
        for label in labels
        for _ in range(3)
    ]
    means = []
    for _ in range(4000):
        drawn = random.choice(labels, len(labels))
        sample = [count for label in drawn for count in counts if count.label == label]
        means.append(
            np.mean(
                [
                    sum(c.hits for c in sample if c.group == group)
                    / sum(c.tries for c in sample if c.group == group)
                    for group in groups
                ]
            )
        )
    interval = Tally.of(counts).interval()
    assert interval == pytest.approx(tuple(np.percentile(means, [2.5, 97.5])), abs=0.015)


def test_an_interval_covers_the_truth_as_often_as_it_says() -> None:
    """Of 200 studies of 40 labels with hits at random, about 95 % of the intervals hold 0.3."""
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        hits = random.random(40) < 0.3
        interval = Tally.of(Count("g", str(i), float(h), 1) for i, h in enumerate(hits)).interval()
        assert interval is not None
        covered += interval.low <= 0.3 <= interval.high
    assert 175 <= covered <= 198


def test_one_label_has_no_interval() -> None:
    assert Tally.of([Count("beak", "wren", 3, 10), Count("beak", "wren", 4, 10)]).interval() is None
    assert Tally.of([Count("eye", "wren", 0, 0), Count("eye", "lark", 0, 0)]).interval() is None
