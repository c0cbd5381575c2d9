"""A Ray cluster of several nodes on this machine, whose replicas and nodes can be killed."""

import os
import secrets
import shutil
import signal
import tempfile
import time
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from partlens.common.installing import pip_install

_STORE_BYTES = 100 * 2**20
_LOOK_SECONDS = 0.2


class LocalCluster:
    """Nodes with a raylet and workers each, like machines; the server and this process join one.

    Args:
        nodes: from ray.cluster_utils.

    Attributes:
        name: for the setting shards.name of the server.
    """

    def __init__(self, nodes: Any) -> None:
        self._nodes, self.name = nodes, f"bench{secrets.token_hex(4)}"

    @property
    def address(self) -> str:
        """HOST:PORT for the setting shards.address."""
        return str(self._nodes.address)

    def kill_replica(self) -> None:
        """Kill a process that holds a shard, on a node that `kill_node` may kill."""
        os.kill(self._held_by_workers()[0][0], signal.SIGKILL)

    def kill_node(self) -> None:
        """Kill every process of a node that holds shards."""
        _, raylet = self._held_by_workers()[0]
        (node,) = (one for one in self._nodes.worker_nodes if _raylet(one) == raylet)
        for pid in [raylet, *_children(raylet)]:
            _kill(pid)
        self._nodes.remove_node(node, allow_graceful=False)

    def wait_for_replicas(self, shards: int, replicas: int, seconds: float) -> bool:
        """Wait until every shard has as many replicas that answer; whether it had in time."""
        end = time.monotonic() + seconds
        while not self._has(shards, replicas):
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_SECONDS)
        return True

    def _has(self, shards: int, replicas: int) -> bool:
        from ray import serve

        # Serve learns late of a process that was killed, and its process exists before it answers.
        if len(_replicas(self.name)) != shards * replicas:
            return False
        there = serve.status().applications
        own = [one for name, one in there.items() if name.startswith(f"{self.name}-")]
        states = [one.deployments["shard"].replica_states for one in own]
        return len(own) == shards and all(state == {"RUNNING": replicas} for state in states)

    def _held_by_workers(self) -> list[tuple[int, int]]:
        """Replicas that are not on the head, and the raylets that started them."""
        raylets = {_raylet(node) for node in self._nodes.worker_nodes}
        return [(pid, _parent(pid)) for pid in _replicas(self.name) if _parent(pid) in raylets]


@contextmanager
def local_cluster(nodes: int, cpus: int) -> Iterator[LocalCluster]:
    """A cluster with token authentication, joined by this process, that ends with the block.

    Args:
        cpus: of each node, as far as Ray believes.
    """
    # Before ray is imported, which reads them.
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray
    from ray.cluster_utils import Cluster

    # Short, as sockets lie in it, whose paths may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="plb-"))
    each: dict[str, Any] = {
        "num_cpus": cpus,
        "object_store_memory": _STORE_BYTES,
        "include_dashboard": False,
    }
    cluster: Any = Cluster()
    try:
        with warnings.catch_warnings():
            # Ray starts its processes with fork and exec.
            warnings.filterwarnings("ignore", "lance is not fork-safe")
            cluster.add_node(**each, temp_dir=str(folder))
            for _ in range(nodes - 1):
                cluster.add_node(**each)
        ray.init(cluster.address, log_to_driver=False, configure_logging=False)
        yield LocalCluster(cluster)
    finally:
        ray.shutdown()
        cluster.shutdown()
        shutil.rmtree(folder, ignore_errors=True)


def require_ray() -> None:
    """Fail where Ray is not installed, or this is not Linux, whose /proc names the processes."""
    from importlib.util import find_spec

    if find_spec("ray") is None:
        raise click.ClickException(
            f"this benchmark needs Ray, which is not installed: {pip_install('ray')}"
        )
    if not Path("/proc/self/cmdline").exists():
        raise click.ClickException("this benchmark needs Linux")


def _replicas(name: str) -> Sequence[int]:
    """Processes that hold shards of a server."""
    title, found = f"ray::ServeReplica:{name}-".encode(), list[int]()
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if (folder / "cmdline").read_bytes().startswith(title):
                found.append(int(folder.name))
        except OSError:
            continue  # it has ended
    return found


def _parent(pid: int) -> int:
    """The process that started another; 0 if that has ended."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _children(pid: int) -> list[int]:
    pids = [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]
    return [one for one in pids if _parent(one) == pid]


def _raylet(node: Any) -> int:
    (raylet,) = node.all_processes["raylet"]
    return int(raylet.process.pid)


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
