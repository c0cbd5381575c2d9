"""The simulation of shards against what queueing theory and order statistics say."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from partlens.server.bench.fanout.cluster import Cluster, Costs, Hop, Load, Trouble
from partlens.server.bench.fanout.service_times import ServiceTimes
from partlens.server.bench.fanout.simulation import Run, simulate

LEVELS = (np.arange(20_000) + 0.5) / 20_000
NOTHING = Costs(Hop(0, 0))
ALONE = 0.001
"""Queries a second that never meet."""


def times(milliseconds: NDArray[np.float64]) -> ServiceTimes:
    return ServiceTimes(100_000, 32, 128, np.sort(milliseconds))


def exponential(mean: float) -> ServiceTimes:
    return times(-mean * np.log1p(-LEVELS))


def uneven() -> ServiceTimes:
    """Times like measured ones: most alike, a few long."""
    return times(np.random.default_rng(5).lognormal(1.4, 0.4, 400))


def quantile(service: ServiceTimes, level: NDArray[np.float64]) -> NDArray[np.float64]:
    found = service.milliseconds
    return np.interp(level, np.linspace(0, 1, len(found)), found)


def cdf(service: ServiceTimes, values: NDArray[np.float64]) -> NDArray[np.float64]:
    found = service.milliseconds
    return np.interp(values, found, np.linspace(0, 1, len(found)), left=0, right=1)


def largest_gap(sample: NDArray[np.float64], levels: NDArray[np.float64]) -> float:
    """Kolmogorov-Smirnov distance; `levels` is the law's distribution function at the sample."""
    order = np.argsort(sample)
    empirical = np.arange(1, len(sample) + 1) / len(sample)
    return float(np.abs(levels[order] - empirical).max())


def erlang_c(cores: int, load: float) -> float:
    """Probability that an arrival waits."""
    terms = [load**k / math.factorial(k) for k in range(cores)]
    waiting = load**cores / math.factorial(cores) * cores / (cores - load)
    return waiting / (sum(terms) + waiting)


@pytest.mark.parametrize(("cores", "busy"), [(1, 0.5), (2, 0.7), (4, 0.8), (16, 0.8)])
def test_one_shard_waits_as_erlang_c_says(cores: int, busy: float) -> None:
    mean = 10.0
    rate = busy * cores / mean * 1e3
    run = simulate(
        exponential(mean), Cluster(1, 1, cores), NOTHING, Trouble(), Load(rate, 20_000, seed=1)
    )
    expected = mean * (1 + erlang_c(cores, busy * cores) / (cores * (1 - busy)))
    assert run.latencies[2000:].mean() == pytest.approx(expected, rel=0.06)
    assert run.busy_ms / run.elapsed_ms / cores == pytest.approx(busy, rel=0.03)


@pytest.mark.parametrize("busy", [0.3, 0.7])
def test_two_shards_of_one_core_wait_as_a_fork_and_join(busy: float) -> None:
    # Both queues see the same arrivals; the mean is known exactly (Flatto and Hahn; Nelson and
    # Tantawi): (12 - rho) / 8 times that of one queue.
    mean = 10.0
    run = simulate(
        exponential(mean),
        Cluster(2, 1, 1),
        NOTHING,
        Trouble(),
        Load(busy / mean * 1e3, 20_000, seed=2),
    )
    expected = (12 - busy) / 8 * mean / (1 - busy)
    assert run.latencies[2000:].mean() == pytest.approx(expected, rel=0.06)


def test_one_shard_without_waiting_gives_back_the_search_times() -> None:
    service = uneven()
    run = simulate(service, Cluster(1), NOTHING, Trouble(), Load(ALONE, 5000))
    assert largest_gap(run.latencies, cdf(service, run.latencies)) < 1.63 / math.sqrt(5000)


@pytest.mark.parametrize("shards", [2, 32])
def test_shards_without_waiting_take_the_longest_of_independent_times(shards: int) -> None:
    service, count = uneven(), 1500
    run = simulate(service, Cluster(shards), NOTHING, Trouble(), Load(ALONE, count))
    levels = cdf(service, run.latencies) ** shards
    assert largest_gap(run.latencies, levels) < 1.63 / math.sqrt(count)


def test_a_hedge_takes_the_earlier_of_two_answers() -> None:
    service, count, after = uneven(), 5000, 5.0
    hedged = Trouble(hedge_ms=after)
    run = simulate(service, Cluster(1), NOTHING, hedged, Load(ALONE, count))
    first, second = (cdf(service, run.latencies - later) for later in (0, after))
    levels = 1 - (1 - first) * (1 - second)
    assert largest_gap(run.latencies, levels) < 1.63 / math.sqrt(count)
    late = float(1 - cdf(service, np.array([after]))[0])
    assert run.counts.calls / count - 1 == pytest.approx(late, abs=4 * math.sqrt(late / count))


def test_a_hop_adds_its_own_time() -> None:
    service, costs = times(np.array([7.0])), Costs(Hop(10, 40))
    run = simulate(service, Cluster(1), costs, Trouble(), Load(ALONE, 5000))
    low, high = np.percentile(run.latencies - 7, [5, 95])
    assert low == pytest.approx(10, rel=0.05) and high == pytest.approx(40, rel=0.05)


def test_a_query_fails_where_all_calls_to_a_shard_are_lost() -> None:
    lost, shards, count = 0.2, 8, 3000
    run = simulate(uneven(), Cluster(shards), NOTHING, Trouble(lost=lost), Load(ALONE, count))
    expected = 1 - (1 - lost**3) ** shards
    assert run.counts.failed / count == pytest.approx(expected, abs=4 * math.sqrt(expected / count))
    all_lost = simulate(uneven(), Cluster(2), NOTHING, Trouble(lost=1.0), Load(ALONE, 100))
    assert all_lost.counts.failed == 100 and all_lost.counts.lost == 600


def test_a_death_costs_the_notice_and_one_more_call() -> None:
    service, notice = times(np.array([5.0])), 100.0
    trouble = Trouble(lost=0.3, notice_ms=notice)
    run = simulate(service, Cluster(1), NOTHING, trouble, Load(ALONE, 1000))
    assert set(run.latencies.round(6)) == {5.0, notice + 5.0, 2 * notice + 5.0}


def test_shards_of_one_machine_share_its_cores() -> None:
    # Four searches of 6 ms on two cores; each shard is a process that does one at a time.
    cluster = Cluster(4, replicas=1, cores=2, nodes=1, slots=1)
    run = simulate(times(np.array([6.0])), cluster, NOTHING, Trouble(), Load(ALONE, 50))
    assert run.latencies == pytest.approx(12.0)


def test_the_front_works_before_and_after_the_shards() -> None:
    costs = Costs(Hop(3, 3), front_ms=8, call_ms=2)
    run = simulate(times(np.array([6.0])), Cluster(4), costs, Trouble(), Load(ALONE, 50))
    # All calls leave after 4 + 4 x 1, and the four answers that come together take 1 each.
    assert run.latencies == pytest.approx(8 + 3 + 6 + 4 + 4)
    assert run.front_busy_ms == pytest.approx(50 * (8 + 4 * 2))


def test_equal_seeds_give_equal_runs() -> None:
    def latencies(seed: int) -> NDArray[np.float64]:
        costs = Costs(Hop(2, 20), 5, 1)
        trouble = Trouble(0.01, 10, 0.01, 50, 30)
        return simulate(uneven(), Cluster(4), costs, trouble, Load(50, 300, seed)).latencies

    assert np.array_equal(latencies(3), latencies(3))
    assert not np.array_equal(latencies(3), latencies(4))


def test_a_hedge_that_never_comes_changes_nothing() -> None:
    def run(hedge_ms: float | None) -> Run:
        trouble = Trouble(hedge_ms=hedge_ms)
        return simulate(uneven(), Cluster(4, cores=1), NOTHING, trouble, Load(100, 500, 7))

    assert run(1e9).latencies == pytest.approx(run(None).latencies)
    assert run(1e9).elapsed_ms == pytest.approx(run(None).elapsed_ms)


@settings(max_examples=20, deadline=None)
@given(
    shards=st.integers(1, 6),
    replicas=st.integers(1, 3),
    cores=st.integers(1, 3),
    nodes=st.none() | st.integers(1, 4),
    slots=st.none() | st.integers(1, 2),
    lost=st.sampled_from([0.0, 0.1, 0.6]),
    hedge_ms=st.none() | st.sampled_from([0.0, 3.0, 20.0]),
    rate=st.sampled_from([5.0, 200.0, 2000.0]),
    seed=st.integers(0, 99),
)
def test_no_query_and_no_call_is_lost_sight_of(
    shards: int,
    replicas: int,
    cores: int,
    nodes: int | None,
    slots: int | None,
    lost: float,
    hedge_ms: float | None,
    rate: float,
    seed: int,
) -> None:
    cluster = Cluster(shards, replicas, cores, nodes, slots)
    trouble = Trouble(0.1, 5, lost, 10, hedge_ms)
    run = simulate(uneven(), cluster, Costs(Hop(1, 4), 2, 0.5), trouble, Load(rate, 60, seed))
    counts = run.counts
    assert counts.queries == 60 == counts.answered + counts.failed
    assert len(run.latencies) == counts.answered and (run.latencies > 0).all()
    assert counts.calls == counts.done + counts.lost + counts.cancelled
    assert 60 * shards <= counts.calls <= 3 * 60 * shards
    assert lost or not counts.failed
    most = run.elapsed_ms * (1 + 1e-9)
    assert 0 <= run.busy_ms <= most * cores * cluster.node_count
    assert 0 <= run.front_busy_ms <= most
