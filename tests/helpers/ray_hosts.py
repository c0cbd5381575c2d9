"""Nodes of a Ray cluster, each a host of namespaces of its own; ray_nodes has those of one host."""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from namespaces import Host, Network

PORT = 6379
_STORE_BYTES = 100 * 2**20
_START = 120.0
_HEAD = ["--head", "--port", str(PORT), "--include-dashboard", "false"]


def replicas(name: str, shard: int, among: set[int] | None = None) -> list[psutil.Process]:
    """The processes that hold a shard.

    Args:
        name: the setting shards.name of their server.
        among: process ids to choose from; None for all.
    """
    found = list[psutil.Process]()
    for one in psutil.process_iter(["cmdline"]):
        title = (one.info["cmdline"] or [""])[0]
        is_one = title.startswith(f"ray::ServeReplica:{name}-") and f"-{shard}:shard" in title
        if is_one and (among is None or one.pid in among):
            found.append(one)
    return found


@dataclass(frozen=True)
class RayNode:
    """A node that was started by `ray start`."""

    host: Host
    folder: Path

    def start(self, environment: dict[str, str], head: str | None) -> None:
        """Start it, as the head unless that is given; returns once it has joined."""
        role = ["--address", f"{head}:{PORT}"] if head else _HEAD
        log = self.folder / f"{self.host.name}.log"
        command = [
            *self.host.within, sys.executable, "-m", "ray.scripts.scripts", "start", *role,
            "--node-ip-address", self.host.address, "--num-cpus", "2",
            "--object-store-memory", str(_STORE_BYTES),
            "--disable-usage-stats", "--include-log-monitor", "false",
            "--temp-dir", str(self.folder / self.host.address.rsplit(".", 1)[1]),
        ]  # fmt: skip
        own = {"XDG_CACHE_HOME": str(self.folder / f"cache-{self.host.address}")}
        with log.open("ab") as opened:
            started = subprocess.run(
                command,
                stdout=opened,
                stderr=subprocess.STDOUT,
                env={**os.environ, **environment, **own},
                timeout=_START,
            )
        assert started.returncode == 0, log.read_text()


class RayCluster:
    """A head and workers, with token authentication.

    Attributes:
        environment: variables of every node, and of everyone who joins.
        head: whose host reaches the tests' network too.
        outside: address of the head on that network.
    """

    def __init__(self, folder: Path, network: Network) -> None:
        self._folder, self._network = folder, network
        token = folder / "auth_token"
        token.write_text(secrets.token_hex(32))
        token.chmod(0o600)
        self.environment = {
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "OMP_NUM_THREADS": "1",
        }
        self.head = self._node(None)
        self.outside = network.reach(self.head.host)
        self.workers: list[RayNode] = []

    @property
    def address(self) -> str:
        """That a server joins."""
        return f"{self.head.host.address}:{PORT}"

    def add_worker(self) -> RayNode:
        """Start another node."""
        node = self._node(self.head.host.address)
        self.workers.append(node)
        return node

    def lose(self, node: RayNode) -> None:
        """Kill a worker with all its processes."""
        node.host.kill()
        self.workers.remove(node)

    def replicas(self, name: str, shard: int, node: RayNode | None = None) -> list[psutil.Process]:
        """The processes that hold a shard, of the cluster or a node."""
        nodes = [self.head, *self.workers] if node is None else [node]
        return replicas(name, shard, {pid for one in nodes for pid in one.host.processes()})

    def _node(self, head: str | None) -> RayNode:
        node = RayNode(self._network.add(), self._folder)
        node.start(self.environment, head)
        return node


@contextmanager
def ray_cluster(workers: int) -> Iterator[RayCluster]:
    """A cluster that ends with the block, with every process and namespace of it."""
    # Short, as sockets lie in it, whose paths may have 107 bytes.
    folder, network = Path(tempfile.mkdtemp(prefix="plf-")), Network()
    try:
        network.open()
        cluster = RayCluster(folder, network)
        for _ in range(workers):
            cluster.add_worker()
        yield cluster
    finally:
        network.close()
        shutil.rmtree(folder, ignore_errors=True)
