"""The Ray cluster of a run, and the workers that it has room for."""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import ray

from partlens.common.compute import Device
from partlens.indexer.errors import ClusterError

_OBJECT_STORE_BYTES = 512 * 2**20
"""Of a cluster that is started for a run: blocks are lists of images, not images."""
_WORKER_CORES = 8
"""Of each worker, if nodes have as many: more are kept busy better by several processes."""


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


@contextmanager
def cluster(address: str | None) -> Iterator[None]:
    """Connect to a cluster, or start one on this machine, until the context is left.

    Args:
        address: host:port of a cluster; None to start one, which ends with this process at the
            latest and takes tasks from this process only.

    Raises:
        ClusterError: it cannot be reached or started.
    """
    folder = None if address else _own_folder()
    try:
        _connect(address, folder)
        yield
    finally:
        ray.shutdown()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)


def _own_folder() -> str:
    """A folder for a cluster's files. Not where TMPDIR says: names of sockets must be short."""
    return tempfile.mkdtemp(prefix="partlens-ray-", dir="/tmp")


def _connect(address: str | None, folder: str | None) -> None:
    quiet = {"log_to_driver": False, "logging_level": logging.ERROR}
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), _silent_stderr():
            # Ray starts its processes with fork and exec; Lance is not used in between.
            warnings.filterwarnings("ignore", "lance is not fork-safe")
            if address is not None:
                ray.init(address, **quiet)
                return
            ray.init(
                address="local",
                include_dashboard=False,
                object_store_memory=_OBJECT_STORE_BYTES,
                _temp_dir=folder,
                **quiet,
            )
    except (OSError, RuntimeError, ValueError, AssertionError) as error:
        where = f"no Ray cluster can be reached at {address}" if address else "Ray cannot start"
        raise ClusterError(f"{where}: {' '.join(str(error).split())[:400]}") from error


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Drop what is written to standard error: parts of Ray that are not Python say how they log."""
    kept = os.dup(2)
    try:
        with open(os.devnull, "wb") as nowhere:
            os.dup2(nowhere.fileno(), 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def pool(device: Device, workers: int | None, cores: int | None) -> Pool:
    """The workers that the cluster has room for.

    Args:
        device: of the model; each worker gets one GPU if it is "cuda".
        workers: how many; None for as many as there is room for now.
        cores: of each; None for 8, or all of a smaller node.

    Raises:
        ClusterError: no node has room for a worker.
    """
    nodes = [one["Resources"] for one in ray.nodes() if one["Alive"]]
    gpus = 1 if device == "cuda" else 0
    able = [node for node in nodes if node.get("GPU", 0) >= gpus]
    if not able:
        raise ClusterError("no node of the cluster has a GPU; give --device cpu, or add a node")
    share = [int(node.get("CPU", 0) / max(1, node.get("GPU", 0) if gpus else 1)) for node in able]
    cores = cores or max(1, min(_WORKER_CORES, *share))
    room = [
        min(int(node.get("CPU", 0) // cores), int(node.get("GPU", 0)) if gpus else 2**30)
        for node in able
    ]
    if not sum(room):
        raise ClusterError(
            f"no node of the cluster has {cores} processor cores"
            + (" and a GPU" if gpus else "")
            + "; give a smaller --worker-cores"
        )
    return Pool(workers or sum(room), cores, gpus)
