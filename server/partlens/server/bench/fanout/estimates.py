"""What a gallery of some size takes: bytes, nodes, time and cost, from figures of one node."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

from partlens.common.storage import Storage
from partlens.explainer.stored import kept_bytes
from partlens.indexer.gallery.estimates import Plan, plan
from partlens.indexer.gallery.plan import IndexChoice
from partlens.server.bench.fanout.cluster import Cluster, Costs, Hop, Load, Trouble
from partlens.server.bench.fanout.outcome import Case, Outcome, outcome
from partlens.server.bench.fanout.service_times import ServiceTimes

CATALOGUE_BYTES = 290
"""In memory, for each image: ids, metadata and what filters need; measured, see docs/scale.md."""
_ROW_BYTES = 170
"""In the truth and in a segment, for each image: id, uri, digest, size and metadata."""
_MEMORY_SHARE = 0.8
"""Of a node's memory that indexes may take; the rest is for the processes and for contributions."""
_SHARDS = tuple(2**power for power in range(10))
_LEAST_IMAGES = 4096
"""Of a shard: the size of a block."""
_HOURS_A_MONTH = 730
_BUILT_ON = 2
"""Cores with which `index plan` measured how long building takes; it uses all that there are."""


@dataclass(frozen=True)
class Prices:
    """Of any currency.

    Attributes:
        node_hour: one node for one hour.
        stored_month: one TB in the object store for one month.
    """

    node_hour: float
    stored_month: float


@dataclass(frozen=True)
class Machine:
    """A node.

    Attributes:
        cores, memory_bytes, disk_bytes: what it has.
        at_once: searches that a replica on it runs at once; others wait.
        network_bytes: a second, from the object store.
        front_memory_bytes: of the front, which may be a larger machine.
        indexing: images that each core decomposes in a second.
    """

    cores: int
    at_once: int
    memory_bytes: int
    disk_bytes: int
    network_bytes: float
    front_memory_bytes: int
    indexing: float


@dataclass(frozen=True)
class Wanted:
    """A gallery and its use.

    Attributes:
        images: of the gallery.
        positions, dimensions, storage: of its contributions.
        thumbnail_bytes: of each image's thumbnail.
        aim_ms: p99 of a query.
        replicas: of each shard, at least.
    """

    images: int
    positions: int
    dimensions: int
    storage: Storage
    thumbnail_bytes: int
    aim_ms: float
    replicas: int


@dataclass(frozen=True)
class Estimate:
    """What a gallery takes with a number of shards.

    Attributes:
        images: of the gallery.
        one_machine: whether it is searched in one process, without shards and calls to them.
        nodes: the front among them.
        truth_bytes: of the Lance dataset, in the object store or on the disk of one machine.
        segment_bytes, index_bytes: of one copy of all segments and indexes.
        catalogue_bytes: of the front's memory.
        positions_factory: FAISS's factory string of a shard's index.
        recall_at_10: of a shard, about.
        replica_memory_bytes, replica_disk_bytes: of the indexes of one replica, and of its files.
        cold: share of the contributions that do not fit into memory.
        outcome: latency and utilisation.
        meets_aim: whether p99 keeps to the aim and no limit is exceeded.
        month_cost: of the nodes, the front among them, and the object store.
        indexing_hours: to decompose all images, on all nodes.
        shard_minutes: to bring up a replica: reading its part of the truth, building its indexes.
        uses: resource -> share of it that is used.
    """

    images: int
    one_machine: bool
    nodes: int
    truth_bytes: int
    segment_bytes: int
    index_bytes: int
    catalogue_bytes: int
    positions_factory: str
    recall_at_10: float | None
    replica_memory_bytes: int
    replica_disk_bytes: int
    cold: float
    outcome: Outcome
    meets_aim: bool
    month_cost: float
    indexing_hours: float
    shard_minutes: float
    uses: dict[str, float]

    @property
    def limit(self) -> str:
        """The resource that is used most."""
        return max(self.uses, key=lambda name: self.uses[name])


@dataclass(frozen=True)
class Basis:
    """What estimates start from; see the classes.

    Attributes:
        read_ms: to read the contributions of one candidate from disk.
    """

    service: ServiceTimes
    machine: Machine
    prices: Prices
    costs: Costs
    trouble: Trouble
    load: Load
    read_ms: float


@dataclass(frozen=True)
class _Layout:
    """A number of shards, or one machine, and what it takes whatever the load does.

    Attributes:
        made: the indexes of a shard.
        segment_bytes, disk_bytes: of one replica.
        cold: see Estimate.
        uses: see Estimate; without the processors of the shards.
    """

    shards: int
    replicas: int
    one_machine: bool
    costs: Costs
    made: Plan
    segment_bytes: int
    disk_bytes: int
    cold: float
    uses: dict[str, float]

    @property
    def fits(self) -> bool:
        return max(self.uses.values()) < 1


def cheapest(wanted: Wanted, basis: Basis) -> Estimate:
    """The number of shards, or one machine, that meets the aim at the least cost.

    Where none does, the one with the lowest p99; where none fits either, the one that needs the
    least of what is missing.
    """
    layouts = list(_layouts(wanted, basis))
    fitting = [one for one in layouts if one.fits]
    if not fitting:
        return _estimate(wanted, basis, min(layouts, key=lambda one: max(one.uses.values())))
    found = [_estimate(wanted, basis, one) for one in fitting]
    meeting = [one for one in found if one.meets_aim]
    if meeting:
        return min(meeting, key=lambda one: (one.month_cost, one.outcome.p99_ms))
    return min(found, key=lambda one: one.outcome.p99_ms)


def _layouts(wanted: Wanted, basis: Basis) -> Iterator[_Layout]:
    """One machine, whose embedded server calls no shards, and numbers of shards."""
    alone = Costs(Hop(0, 0), front_ms=basis.costs.front_ms)
    yield _layout(wanted, basis, alone, 1, one_machine=True)
    for shards in _SHARDS:
        if shards * _LEAST_IMAGES <= wanted.images:
            yield _layout(wanted, basis, basis.costs, shards, one_machine=False)


def _layout(
    wanted: Wanted, basis: Basis, costs: Costs, shards: int, *, one_machine: bool
) -> _Layout:
    machine, each = basis.machine, math.ceil(wanted.images / shards)
    choice = IndexChoice(memory_bytes=int(_MEMORY_SHARE * machine.memory_bytes))
    made = plan(each, wanted.positions, wanted.dimensions, choice, wanted.storage)
    segment_bytes = each * segment_row_bytes(wanted)
    catalogue = CATALOGUE_BYTES * wanted.images
    spare = machine.memory_bytes - made.memory_bytes - (catalogue if one_machine else 0)
    # An index is written anew before the old one is removed.
    disk = segment_bytes + 2 * made.memory_bytes
    if one_machine:
        disk += wanted.images * truth_row_bytes(wanted)
    front_memory = machine.memory_bytes if one_machine else machine.front_memory_bytes
    work = costs.front_ms + shards * costs.call_ms
    return _Layout(
        shards,
        1 if one_machine else wanted.replicas,
        one_machine,
        costs,
        made,
        segment_bytes,
        disk,
        min(1.0, max(0.0, 1 - spare / segment_bytes)),
        {
            "shard memory": made.memory_bytes / (_MEMORY_SHARE * machine.memory_bytes),
            "shard disk": disk / machine.disk_bytes,
            "front memory": catalogue / (_MEMORY_SHARE * front_memory),
            "front processor": basis.load.per_second * work / 1e3,
        },
    )


def _estimate(wanted: Wanted, basis: Basis, layout: _Layout) -> Estimate:
    machine, one_machine = basis.machine, layout.one_machine
    case = Case(
        basis.service,
        wanted.images,
        Cluster(layout.shards, layout.replicas, cores=min(machine.cores, machine.at_once)),
        layout.costs,
        basis.trouble,
        basis.load,
        layout.cold,
        basis.read_ms,
    )
    if one_machine:  # no other replica can be asked
        case = replace(case, trouble=replace(basis.trouble, lost=0, hedge_ms=None))
    found = outcome(case, layout.shards)
    truth = wanted.images * truth_row_bytes(wanted)
    nodes = 1 if one_machine else found.nodes + 1
    stored = 0 if one_machine else truth
    network = 0.0 if one_machine else truth / layout.shards / machine.network_bytes
    return Estimate(
        images=wanted.images,
        one_machine=one_machine,
        nodes=nodes,
        truth_bytes=truth,
        segment_bytes=layout.segment_bytes * layout.shards,
        index_bytes=layout.made.memory_bytes * layout.shards,
        catalogue_bytes=CATALOGUE_BYTES * wanted.images,
        positions_factory=layout.made.positions_factory,
        recall_at_10=layout.made.recall_at_10,
        replica_memory_bytes=layout.made.memory_bytes,
        replica_disk_bytes=layout.disk_bytes,
        cold=layout.cold,
        outcome=found,
        meets_aim=found.p99_ms <= wanted.aim_ms and not found.overloaded and layout.fits,
        month_cost=nodes * basis.prices.node_hour * _HOURS_A_MONTH
        + stored / 1e12 * basis.prices.stored_month,
        indexing_hours=wanted.images / (machine.indexing * machine.cores * nodes) / 3600,
        shard_minutes=(network + layout.made.build_seconds * _BUILT_ON / machine.cores) / 60,
        uses={**layout.uses, "shard processor": found.utilisation},
    )


def segment_row_bytes(wanted: Wanted) -> int:
    """Contributions, a float32 bias, and the catalogue."""
    kept = kept_bytes(wanted.positions, wanted.dimensions, wanted.storage)
    return kept + 4 * wanted.dimensions + _ROW_BYTES


def truth_row_bytes(wanted: Wanted) -> int:
    """The same with a float32 embedding and a thumbnail."""
    return segment_row_bytes(wanted) + 4 * wanted.dimensions + wanted.thumbnail_bytes
