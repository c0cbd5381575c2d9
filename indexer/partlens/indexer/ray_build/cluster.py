"""The Ray cluster of a run, and the workers that it has room for."""

import logging
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import ray

from partlens.common.compute import Device
from partlens.indexer.errors import ClusterError
from partlens.indexer.ray_build.pool import Pool, fitting

_OBJECT_STORE_BYTES = 512 * 2**20
"""Of a cluster that is started for a run: blocks are lists of images, not images."""


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
    for name in ("ray", "ray.data"):
        logging.getLogger(name).setLevel(logging.ERROR)
    init = partial(ray.init, log_to_driver=False, logging_level=logging.ERROR)
    try:
        with warnings.catch_warnings(), _silent_stderr():
            # Ray starts its processes with fork and exec; Lance is not used in between.
            warnings.filterwarnings("ignore", "lance is not fork-safe")
            if address is not None:
                init(address)
            else:
                init(
                    address="local",
                    include_dashboard=False,
                    object_store_memory=_OBJECT_STORE_BYTES,
                    _temp_dir=folder,
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
    """The workers that the cluster has room for; arguments and errors are those of fitting."""
    nodes = [one["Resources"] for one in ray.nodes() if one["Alive"]]  # type: ignore[no-untyped-call]
    return fitting(nodes, device, workers, cores)
