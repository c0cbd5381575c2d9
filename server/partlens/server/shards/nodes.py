"""The nodes of the cluster that can hold shards."""

from typing import Any

import ray


def nodes_for(cpus: float) -> int:
    """How many nodes are alive and have so many CPUs, busy or not.

    Heads and the nodes through which servers join often have none, so they hold no shard.
    """
    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return sum(node["Alive"] and node["Resources"].get("CPU", 0.0) >= cpus for node in nodes)
