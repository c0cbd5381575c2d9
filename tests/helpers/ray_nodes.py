"""A Ray cluster whose nodes are processes of this machine."""

import os
import re
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from socket import socket

import psutil
import pytest

_HOST = "127.0.0.1"
_STARTING = 120.0
_ENDING = 20.0
_COMMON = (
    "--block", "--node-ip-address", _HOST, "--object-store-memory", "80000000",
    "--min-worker-port", "0", "--max-worker-port", "0", "--dashboard-agent-listen-port", "0",
)  # fmt: skip
_NODE_ID = re.compile(r"--node_id=([0-9a-f]+)")


@dataclass
class Node:
    """A node: the process of `ray start --block`, and those that it started."""

    process: "subprocess.Popen[bytes]"
    log: Path

    @property
    def id(self) -> str:
        """The id by which Ray knows the node; it must have started."""
        (raylet,) = (one for one in _tree(self.process.pid) if one.name() == "raylet")
        found = _NODE_ID.search(" ".join(raylet.cmdline()))
        assert found is not None
        return found[1]

    def replicas(self, prefix: str) -> list[str]:
        """Names of the Serve replicas on this node that begin so, in order."""
        titles = [_title(one) for one in _tree(self.process.pid)]
        start = f"ray::ServeReplica:{prefix}"
        names = (title.removeprefix("ray::ServeReplica:") for title in titles if start in title)
        return sorted(name.split(":")[0] for name in names)

    def kill(self) -> None:
        """End all its processes at once, as when a machine loses power."""
        doomed = _tree(self.process.pid)
        for one in doomed:
            one.kill()
        self.process.wait(_ENDING)
        psutil.wait_procs(doomed, _ENDING)


@dataclass
class RayNodes:
    """A head without CPUs, which holds no shard, and nodes with some.

    Attributes:
        address: of the head.
        nodes: those that hold shards, oldest first; killed ones stay in the list.
    """

    folder: Path
    port: int
    nodes: list[Node] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"{_HOST}:{self.port}"

    def add(self, cpus: int = 4) -> Node:
        """One more node; it has started when this returns."""
        options = ["--address", self.address, "--num-cpus", str(cpus)]
        node = _started(options, self.folder / f"node{len(self.nodes)}.log")
        self.nodes.append(node)
        return node

    def drain(self, node: Node) -> None:
        """Ask for what runs on a node to move elsewhere."""
        subprocess.run(
            [
                *_RAY, "drain-node", "--address", self.address, "--node-id", node.id,
                "--reason", "DRAIN_NODE_REASON_PREEMPTION", "--reason-message", "maintenance",
                "--deadline-remaining-seconds", "600",
            ],
            check=True, timeout=_STARTING,
        )  # fmt: skip

    def kill(self) -> None:
        """End the nodes that hold shards."""
        for node in self.nodes:
            if node.process.poll() is None:
                node.kill()


_RAY = (sys.executable, "-m", "ray.scripts.scripts")


@contextmanager
def ray_nodes(count: int, patch: pytest.MonkeyPatch, mode: str = "token") -> Iterator[RayNodes]:
    """A cluster; this process and its children have its token.

    Args:
        count: of nodes with CPUs.
        mode: "token" or "disabled".
    """
    patch.setenv("RAY_AUTH_MODE", mode)
    patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    patch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # Short, as sockets lie in it, whose paths may have 107 bytes.
    folder = Path(tempfile.mkdtemp(prefix="plt-"))
    port, client_port = _free_ports(2)
    head = [
        "--head", "--port", str(port), "--num-cpus", "0", "--include-dashboard", "false",
        "--ray-client-server-port", str(client_port), "--temp-dir", str(folder / "ray"),
    ]  # fmt: skip
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        cluster = RayNodes(folder, port)
        first = _started(head, folder / "head.log")
        stack.callback(first.kill)
        stack.callback(cluster.kill)
        for _ in range(count):
            cluster.add()
        yield cluster


def _started(options: Sequence[str], log: Path) -> Node:
    with log.open("wb") as opened:
        process = subprocess.Popen(
            [*_RAY, "start", *_COMMON, *options],
            stdout=opened,
            stderr=subprocess.STDOUT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
    node, end = Node(process, log), time.monotonic() + _STARTING
    while "Ray runtime started" not in log.read_text():
        if process.poll() is not None or time.monotonic() > end:
            if process.poll() is None:
                node.kill()
            raise AssertionError(log.read_text())
        time.sleep(0.1)
    return node


def _tree(pid: int) -> list[psutil.Process]:
    top = psutil.Process(pid)
    return [*top.children(recursive=True), top]


def _title(one: psutil.Process) -> str:
    try:
        return (one.cmdline() or [""])[0]
    except psutil.Error:
        return ""


def _free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket()) for _ in range(count)]
        for one in sockets:
            one.bind((_HOST, 0))
        return [one.getsockname()[1] for one in sockets]
