"""The discrete simulation: queries that ask every shard, and wait for the slowest."""

from collections.abc import Generator
from dataclasses import dataclass
from heapq import heapreplace
from itertools import pairwise
from typing import Any

import numpy as np
import simpy

from partlens.server.bench.fanout.cluster import Cluster, Costs, Load, Trouble
from partlens.server.bench.fanout.service_times import Milliseconds, ServiceTimes

_TRIES = 3
"""Calls of a query to one shard at most, as in shards.one_call; a late one is hedged once."""

Steps = Generator[simpy.Event, Any, bool]


@dataclass
class Counts:
    """What became of the queries and of the calls to shards.

    Attributes:
        queries, answered, failed: queries that arrived, and how they ended.
        calls: to replicas, of which `done` answered, `lost` died with their replica and `cancelled`
            were no longer needed.
    """

    queries: int = 0
    answered: int = 0
    failed: int = 0
    calls: int = 0
    done: int = 0
    lost: int = 0
    cancelled: int = 0


@dataclass(frozen=True, eq=False)
class Run:
    """A simulated run.

    Attributes:
        latencies: of the answered queries in the order of their arrival, in milliseconds.
        counts: what became of queries and calls.
        elapsed_ms: simulated time from the first arrival to the last answer.
        busy_ms: time that searches took on all cores of the nodes.
        front_busy_ms: the same of the front.
    """

    latencies: Milliseconds
    counts: Counts
    elapsed_ms: float
    busy_ms: float
    front_busy_ms: float


def simulate(
    service: ServiceTimes, cluster: Cluster, costs: Costs, trouble: Trouble, load: Load
) -> Run:
    """Run the queries of a load to the last one's end.

    Args:
        service: search times of one shard.
    """
    random = np.random.default_rng([load.seed, cluster.shards])
    simulation = _Simulation(cluster, costs, trouble, _Draws(service, costs, trouble, random, load))
    gaps = random.exponential(1e3 / load.per_second, load.queries)
    simulation.run(np.cumsum(gaps))
    found = simulation.latencies
    return Run(
        np.array([found[number] for number in sorted(found)]),
        simulation.counts,
        simulation.ended_at - float(gaps[0]),
        simulation.busy_ms,
        simulation.front_busy_ms,
    )


class _Draws:
    """Random times of calls, drawn for many at once, as each draw alone would be slow."""

    def __init__(
        self,
        service: ServiceTimes,
        costs: Costs,
        trouble: Trouble,
        random: np.random.Generator,
        load: Load,
    ) -> None:
        self._service, self._costs, self._trouble = service, costs, trouble
        self._random, self._batch = random, max(1024, load.queries)
        self._left: list[tuple[float, float, bool]] = []

    def call(self) -> tuple[float, float, bool]:
        """The search time and the hop of a call, and whether its replica dies with it."""
        if not self._left:
            random, trouble, count = self._random, self._trouble, self._batch
            search = self._service.draw(random, count)
            slow = random.random(count) < trouble.straggling
            search = np.where(slow, search * trouble.straggling_factor, search)
            hop = self._costs.hop.draw(random, count)
            lost = random.random(count) < trouble.lost
            self._left = list(zip(search.tolist(), hop.tolist(), lost.tolist(), strict=True))
        return self._left.pop()


class _Simulation:
    def __init__(self, cluster: Cluster, costs: Costs, trouble: Trouble, draws: _Draws) -> None:
        self._cluster, self._costs, self._trouble, self._draws = cluster, costs, trouble, draws
        self.env = simpy.Environment()
        self._front_free = [0.0] * cluster.front_cores
        self._nodes = [simpy.Resource(self.env, cluster.cores) for _ in range(cluster.node_count)]
        self._slots = [
            [simpy.Resource(self.env, cluster.slots or 1) for _ in range(cluster.replicas)]
            for _ in range(cluster.shards if cluster.slots else 0)
        ]
        self._calls = [[0] * cluster.replicas for _ in range(cluster.shards)]
        self.counts, self.latencies = Counts(), dict[int, float]()
        self.busy_ms = self.front_busy_ms = self.ended_at = 0.0

    def run(self, arrivals: Milliseconds) -> None:
        """Until every query that arrives has ended."""
        self.env.process(self._arrive(arrivals))
        self.env.run()

    def _arrive(self, arrivals: Milliseconds) -> Generator[simpy.Event, Any, None]:
        times = [0.0, *arrivals.tolist()]
        for number, (before, now) in enumerate(pairwise(times)):
            yield self.env.timeout(now - before)
            self.env.process(self._query(number))

    def _query(self, number: int) -> Generator[simpy.Event, Any, None]:
        """From its arrival at the front to its answer."""
        begun, costs, shards = self.env.now, self._costs, self._cluster.shards
        self.counts.queries += 1
        yield from self._work(costs.front_ms / 2 + shards * costs.call_ms / 2)
        asked = [self.env.process(self._ask(shard)) for shard in range(shards)]
        found = yield simpy.AllOf(self.env, asked)
        yield from self._work(costs.front_ms / 2)
        if all(found.values()):
            self.counts.answered += 1
            self.latencies[number] = self.env.now - begun
        else:
            self.counts.failed += 1
        self.ended_at = self.env.now  # timers of hedges may still run

    def _ask(self, shard: int) -> Steps:
        """A shard, again if its replica dies or is late; whether it answered."""
        if not self._trouble.lost and self._trouble.hedge_ms is None:
            answered = yield from self._call(shard, self._least_busy(shard, None))
        else:
            answered = yield from self._insist(shard)
        yield from self._work(self._costs.call_ms / 2)
        return answered

    def _insist(self, shard: int) -> Steps:
        """The same, where a call may be lost or hedged."""
        replica = self._least_busy(shard, None)
        running, tries = [self.env.process(self._call(shard, replica))], 1
        hedge = self._trouble.hedge_ms
        timer = None if hedge is None else self.env.timeout(hedge)
        while running:
            waiting = [*running] if timer is None or tries > 1 else [*running, timer]
            yield simpy.AnyOf(self.env, waiting)
            if any(one.processed and one.value for one in running):
                for one in running:
                    if one.is_alive:
                        one.interrupt()
                return True
            running = [one for one in running if not one.processed]
            late = timer is not None and timer.processed
            if (tries == 1 and late) or (tries < _TRIES and not running):
                other = self._least_busy(shard, replica)
                running.append(self.env.process(self._call(shard, other)))
                tries += 1
        return False

    def _call(self, shard: int, replica: int) -> Steps:
        """One replica of a shard; whether it answered."""
        search, hop, lost = self._draws.call()
        self.counts.calls += 1
        self._calls[shard][replica] += 1
        try:
            yield self.env.timeout(hop)
            if lost:
                yield self.env.timeout(self._trouble.notice_ms)
                self.counts.lost += 1
                return False
            node = self._node_of(shard, replica)
            if not self._slots:
                yield from self._search(node, search)
            else:
                with self._slots[shard][replica].request() as slot:
                    yield slot
                    yield from self._search(node, search)
            self.counts.done += 1
            return True
        except simpy.Interrupt:
            self.counts.cancelled += 1
            return False
        finally:
            self._calls[shard][replica] -= 1

    def _search(self, node: simpy.Resource, search: float) -> Generator[simpy.Event, Any, None]:
        with node.request() as core:
            yield core
            begun = self.env.now
            try:
                yield self.env.timeout(search)
            finally:
                self.busy_ms += self.env.now - begun

    def _work(self, took: float) -> Generator[simpy.Event, Any, None]:
        """On the first core of the front that is free; nothing takes this work back."""
        if not took:
            return
        end = max(self.env.now, self._front_free[0]) + took
        heapreplace(self._front_free, end)
        self.front_busy_ms += took
        yield self.env.timeout(end - self.env.now)

    def _least_busy(self, shard: int, but: int | None) -> int:
        """The replica with the fewest calls, which another one has not failed or kept waiting."""
        calls = self._calls[shard]
        among = [one for one in range(len(calls)) if one != but or len(calls) == 1]
        # Replicas with as many calls take turns: else the first would get most of them.
        turn = self.counts.calls % len(calls)
        return min(among, key=lambda one: (calls[one], (one + turn) % len(calls)))

    def _node_of(self, shard: int, replica: int) -> simpy.Resource:
        return self._nodes[(shard * self._cluster.replicas + replica) % len(self._nodes)]
