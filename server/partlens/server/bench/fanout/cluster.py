"""What is simulated: shards on nodes, a front, and what each step takes."""

import math
from dataclasses import dataclass

import numpy as np

from partlens.server.bench.fanout.service_times import Milliseconds

_Z95 = 1.6449
"""The 95th percentile of the standard normal distribution."""


@dataclass(frozen=True)
class Hop:
    """The time of a call to a shard, there and back, without the search: log-normal.

    Attributes:
        low_ms, high_ms: its 5th and 95th percentile; equal for a constant.
    """

    low_ms: float
    high_ms: float

    def draw(self, random: np.random.Generator, *shape: int) -> Milliseconds:
        """Independent times of this shape."""
        if self.low_ms == self.high_ms:
            return np.full(shape, self.low_ms)
        low, high = math.log(self.low_ms), math.log(self.high_ms)
        return random.lognormal((low + high) / 2, (high - low) / (2 * _Z95), shape)


@dataclass(frozen=True)
class Cluster:
    """Shards and the nodes that hold their replicas.

    Attributes:
        shards: each holds its share of the images; a search waits for all.
        replicas: of each shard. A call goes to the one with the fewest calls.
        cores: searches that a node runs at a time; others wait in order.
        nodes: on which the replicas are laid in turn; None for one node each.
        slots: searches that a replica runs at a time; None for as many as its node's cores.
        front_cores: on which the front works; 1, as Python's lock allows.
    """

    shards: int
    replicas: int = 2
    cores: int = 4
    nodes: int | None = None
    slots: int | None = None
    front_cores: int = 1

    @property
    def node_count(self) -> int:
        """How many nodes hold shards."""
        return self.nodes or self.shards * self.replicas


@dataclass(frozen=True)
class Costs:
    """What a query takes on top of the searches of its shards, in milliseconds.

    Attributes:
        hop: of each call.
        front_ms: the front's work for a query, half before it asks the shards.
        call_ms: the front's work for each call, half before the calls leave together and half for
            each answer: sending, receiving and merging.
    """

    hop: Hop
    front_ms: float = 0.0
    call_ms: float = 0.0


@dataclass(frozen=True)
class Trouble:
    """What goes wrong, and what is done about it.

    Attributes:
        straggling: probability that a search takes `straggling_factor` times as long.
        straggling_factor: see straggling.
        lost: probability that a replica dies with a call, which is sent to another, up to twice.
        notice_ms: until the front learns of a death.
        hedge_ms: a second copy of a call is sent to another replica if there is no answer by then,
            and the first answer is taken; None to never do so.
    """

    straggling: float = 0.0
    straggling_factor: float = 1.0
    lost: float = 0.0
    notice_ms: float = 0.0
    hedge_ms: float | None = None


@dataclass(frozen=True)
class Load:
    """The queries of a run.

    Attributes:
        per_second: mean rate of a Poisson process.
        queries: how many arrive.
        seed: of all random numbers; equal seeds give equal runs.
    """

    per_second: float
    queries: int = 2000
    seed: int = 0
