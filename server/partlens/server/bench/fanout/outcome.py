"""What a simulated cluster gives: latency, utilisation, and the replicas that an aim needs."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from partlens.server.bench.fanout.cluster import Cluster, Costs, Load, Trouble
from partlens.server.bench.fanout.service_times import ServiceTimes
from partlens.server.bench.fanout.simulation import simulate

_WARM_UP = 0.1
"""Share of the queries, the first, that find an empty cluster and are not counted."""
_AMPLE, _MORE_REPLICAS = 4, 4
"""Times as many replicas as must be, with which nothing waits; and replicas added at most."""


@dataclass(frozen=True)
class Outcome:
    """A cluster under a load.

    Attributes:
        shards, replicas, nodes: of the cluster.
        images: of each shard.
        search_ms: mean of one shard's search.
        p50_ms, p99_ms: latency of a query; NaN where none was answered.
        utilisation: share of the time that searches keep the nodes' cores busy.
        front_utilisation: the same of the front.
        overloaded: whether more arrives than can be done: the latencies then depend on how long
            the run is.
        second_calls: share of the calls that are a second one, after a death or as a hedge.
        failed: queries without an answer.
    """

    shards: int
    replicas: int
    nodes: int
    images: int
    search_ms: float
    p50_ms: float
    p99_ms: float
    utilisation: float
    front_utilisation: float
    overloaded: bool
    second_calls: float
    failed: int


@dataclass(frozen=True)
class Case:
    """Everything of a simulation but the number of shards.

    Attributes:
        service: search times of a shard, of any size.
        images: of all shards together.
        cluster: with any number of shards.
        costs, trouble, load: see their classes.
        cold: share of the candidates that are read from disk.
        read_ms: time to read one.
    """

    service: ServiceTimes
    images: int
    cluster: Cluster
    costs: Costs
    trouble: Trouble
    load: Load
    cold: float = 0.0
    read_ms: float = 0.0

    def with_shards(self, shards: int) -> tuple[ServiceTimes, Cluster]:
        """The search times of a shard, and the cluster, with so many shards."""
        each = math.ceil(self.images / shards)
        service = self.service.scaled(each).reading(self.cold, self.read_ms)
        return service, replace(self.cluster, shards=shards)


def outcome(case: Case, shards: int, replicas: int | None = None) -> Outcome:
    """Simulate a case with so many shards, and replicas of each."""
    service, cluster = case.with_shards(shards)
    if replicas is not None:
        cluster = replace(cluster, replicas=replicas)
    run = simulate(service, cluster, case.costs, case.trouble, case.load)
    counted = run.latencies[int(_WARM_UP * len(run.latencies)) :]
    p50, p99 = np.percentile(counted, [50, 99]) if len(counted) else (math.nan, math.nan)
    return Outcome(
        shards=shards,
        replicas=cluster.replicas,
        nodes=cluster.node_count,
        images=service.images,
        search_ms=service.mean,
        p50_ms=float(p50),
        p99_ms=float(p99),
        utilisation=run.busy_ms / run.elapsed_ms / (cluster.node_count * cluster.cores),
        front_utilisation=run.front_busy_ms / run.elapsed_ms / cluster.front_cores,
        overloaded=_offered(case, service, cluster) >= 1 or _offered_front(case, cluster) >= 1,
        second_calls=1 - run.counts.queries * shards / run.counts.calls,
        failed=run.counts.failed,
    )


def replicas_for(case: Case, shards: int, aim_ms: float) -> Outcome | None:
    """The fewest replicas of each shard, at least those of the case, whose p99 keeps to an aim.

    Returns:
        None if no number of replicas does, as the front or one search takes too long.
    """
    service, cluster = case.with_shards(shards)
    if _offered_front(case, cluster) >= 1:
        return None
    per_replica = cluster.nodes is None
    load = _offered(case, service, cluster) * cluster.replicas if per_replica else 0.0
    least = max(cluster.replicas, math.floor(load) + 1)
    ample = outcome(case, shards, _AMPLE * least)
    if not ample.p99_ms <= aim_ms:
        return None
    tried = (outcome(case, shards, least + more) for more in range(_MORE_REPLICAS))
    return next((one for one in tried if one.p99_ms <= aim_ms), ample)


def fewest_nodes(outcomes: Sequence[Outcome | None]) -> Outcome | None:
    """The outcome with the fewest nodes, and of those the one with the lowest p99."""
    found = [one for one in outcomes if one is not None]
    return min(found, key=lambda one: (one.nodes, one.p99_ms), default=None)


def _offered(case: Case, service: ServiceTimes, cluster: Cluster) -> float:
    """Cores that searches need, of those that the nodes have; without second calls."""
    trouble = case.trouble
    slower = 1 + trouble.straggling * (trouble.straggling_factor - 1)
    needed = case.load.per_second * cluster.shards * service.mean * slower / 1e3
    return needed / (cluster.node_count * cluster.cores)


def _offered_front(case: Case, cluster: Cluster) -> float:
    work = case.costs.front_ms + cluster.shards * case.costs.call_ms
    return case.load.per_second * work / 1e3 / cluster.front_cores
