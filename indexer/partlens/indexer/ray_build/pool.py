"""How many workers the nodes of a cluster have room for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from partlens.common.compute import Device
from partlens.indexer.errors import ClusterError

_CORES = 8
"""Of each worker, if nodes have as many: several processes keep more cores busy better."""


@dataclass(frozen=True)
class Pool:
    """Workers of a run.

    Attributes:
        workers: how many.
        cores: processor cores of each.
        gpus: GPUs of each.
    """

    workers: int
    cores: int
    gpus: int


def fitting(
    nodes: Sequence[Mapping[str, float]], device: Device, workers: int | None, cores: int | None
) -> Pool:
    """The workers that nodes have room for.

    Args:
        nodes: CPU and GPU of each, as Ray counts them.
        device: of the model; each worker gets one GPU if it is "cuda".
        workers: how many; None for as many as there is room for.
        cores: of each; None for 8, or all of the smallest node.

    Raises:
        ClusterError: no node has room for a worker.

    >>> fitting([{"CPU": 64, "GPU": 4}, {"CPU": 16}, {}], "cpu", None, None)
    Pool(workers=10, cores=8, gpus=0)
    >>> fitting([{"CPU": 64, "GPU": 4}, {"CPU": 16}], "cuda", None, None)
    Pool(workers=4, cores=8, gpus=1)
    """
    gpus = 1 if device == "cuda" else 0
    able = [
        (int(node.get("CPU", 0)), int(node.get("GPU", 0)))
        for node in nodes
        if node.get("CPU", 0) >= 1 and node.get("GPU", 0) >= gpus
    ]
    if not able:
        needed = "a processor core and a GPU; give --device cpu" if gpus else "a processor core"
        raise ClusterError(f"no node of the cluster has {needed}, or add a node")
    cores = cores or min(_CORES, *(max(1, cpu // max(1, gpu * gpus)) for cpu, gpu in able))
    room = sum(min(cpu // cores, gpu) if gpus else cpu // cores for cpu, gpu in able)
    if not room:
        most = max(cpu for cpu, _ in able)
        raise ClusterError(
            f"no node of the cluster has {cores} processor cores for a worker, but at most {most};"
            " give a smaller --worker-cores"
        )
    return Pool(workers or room, cores, gpus)
