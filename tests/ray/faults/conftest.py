"""A cluster of three nodes in network namespaces, and a server on its head."""

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from asking import Asking, Changing, Question, Ranking, questions_about, right_answers, wait_until
from namespaces import unavailable
from ray_hosts import RayCluster, RayNode, ray_cluster
from server_process import ServerProcess, process_in, server_process
from tests.ray.conftest import READY, People

from partlens.client import Client
from partlens.explainer.starter import model_folder

NAME, SHARDS = "faulty", (0, 1)
RECOVERED = 180.0
"""Seconds until Serve has replaced what was lost."""


def own_files(folder: Path, name: str) -> list[str]:
    """Options of a server that shares no file with others."""
    return [
        *("--set", f"access.audit_log={folder / name}.audit.jsonl"),
        *("--set", f"standing.folder={folder / name}.standing"),
    ]


@dataclass(frozen=True)
class Faulty:
    """A gallery whose searches shards on a cluster answer.

    Attributes:
        right: the answers of a server without shards.
    """

    cluster: RayCluster
    people: People
    folder: Path
    right: Mapping[Question, Ranking]

    @contextmanager
    def front(self, name: str) -> Iterator[ServerProcess]:
        """A server on the head that answers."""
        options: tuple[str | Path, ...] = (
            "--model", model_folder(), "--gallery", self.folder / "gallery",
            *own_files(self.folder, name), "--listen", f"{self.cluster.outside}:0",
            "--insecure", "--shards", "ray", "--address", self.cluster.address,
            "--replicas", "2", "--set", "shards.cpus=0.1", "--set", f"shards.name={NAME}",
            "--set", "shards.block_rows=4",
        )  # fmt: skip
        started = process_in(
            self.folder, *options, name=name, start=READY,
            within=self.cluster.head.host.within, environment=self.cluster.environment,
        )  # fmt: skip
        with started as server:
            with self.client(server) as client:
                client.wait_until_ready(READY)
            yield server

    def client(self, server: ServerProcess) -> Client:
        """One that may do everything."""
        return Client(server.address, 30.0)

    def asking(self, server: ServerProcess) -> Asking:
        """See Asking."""
        return Asking(server.address, self.right)

    def changing(self, server: ServerProcess, name: str) -> Changing:
        """See Changing."""
        return Changing(server.address, self.people.images[7].path, name)

    def worker(self) -> RayNode:
        """A worker that holds replicas."""
        found = max(self.cluster.workers, key=self._held)
        assert self._held(found) > 0
        return found

    def require_two_replicas(self) -> None:
        """Wait until each shard has two replicas."""
        wait_until(
            lambda: all(len(self.cluster.replicas(NAME, shard)) == 2 for shard in SHARDS),
            RECOVERED,
        )

    def _held(self, node: RayNode) -> int:
        return sum(len(self.cluster.replicas(NAME, shard, node)) for shard in SHARDS)


@pytest.fixture(scope="package")
def faulty(people: People, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Faulty]:
    """The cluster; no server runs yet."""
    if reason := unavailable():
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("faulty")
    shutil.copytree(people.gallery, folder / "gallery")
    asked = questions_about(people.images[3:6])
    with (
        server_process(model_folder(), folder / "gallery", *own_files(folder, "right")) as server,
        Client(server.address, 60.0) as client,
    ):
        client.wait_until_ready(READY)
        right = right_answers(client, asked)
    with ray_cluster(workers=2) as cluster:
        yield Faulty(cluster, people, folder, right)
