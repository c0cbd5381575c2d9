"""Shards on several nodes: where replicas lie, and what happens as nodes come and go."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from ray_nodes import Node, RayNodes, ray_nodes
from server_process import ServerProcess, server_process
from tests.ray.conftest import READY, People, settings_of

from partlens.client import Client
from partlens.explainer.starter import model_folder

pytestmark = [pytest.mark.long, pytest.mark.timeout(590)]
SOON = 150.0
BOTH = [0, 1]


def wait_until(met: Callable[[], bool], shown: Callable[[], object] = str) -> None:
    end = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < end, f"not within {SOON} s: {shown()}"
        time.sleep(0.1)


def shards_on(node: Node, name: str) -> list[int]:
    """The shards of which a node holds a replica."""
    return sorted(int(replica.rpartition("-")[2]) for replica in node.replicas(f"{name}-"))


def on_all(nodes: list[Node], name: str) -> dict[str, list[int]]:
    return {node.log.stem: shards_on(node, name) for node in nodes}


@contextmanager
def server_on(
    cluster: RayNodes, people: People, name: str, *options: str | Path, files: str = ""
) -> Iterator[ServerProcess]:
    """A server of shards on the cluster.

    Args:
        name: beginning of the names of the shards.
        files: name of the server's own files; that of the shards by default.
    """
    own = files or name
    used = {"shards.cpus": 0.5, "shards.name": name, "shards.block_rows": 4,
            "shards.folder": cluster.folder / "shards"}  # fmt: skip
    given = [text for key, value in used.items() for text in ("--set", f"{key}={value}")]
    with server_process(
        model_folder(), people.gallery, *settings_of(people, own), "--shards", "ray",
        "--address", cluster.address, *given, *options, name=own, start=READY,
    ) as server:  # fmt: skip
        with Client(server.address, READY, people.credentials["all"]) as client:
            client.wait_until_ready(READY)
        yield server


@contextmanager
def searching(server: ServerProcess, people: People) -> Iterator[Counter[str]]:
    """Searches all the time, whose answers must not change; counts those that were right."""
    image = people.images[4]
    part = next(iter(image.parts.values()))
    counts, leaving, failed = Counter[str](), threading.Event(), list[str]()
    with Client(server.address, 60.0, people.credentials["all"]) as client:
        expected = [hit.id for hit in client.search_regions(image.path, part, page_size=48).hits]
        assert len(expected) == len(people.images)

        def search() -> None:
            while not leaving.is_set():
                try:
                    found = client.search_regions(image.path, part, page_size=48)
                except Exception as error:
                    failed.append(repr(error))
                    continue
                if [hit.id for hit in found.hits] == expected and found.shards_ok == 2:
                    counts["right"] += 1
                else:
                    failed.append(f"wrong: {found.shards_ok} shards, {len(found.hits)} hits")

        thread = threading.Thread(target=search, daemon=True)
        thread.start()
        try:
            yield counts
            before = counts["right"]
            wait_until(lambda: bool(failed) or counts["right"] > before + 5)
        finally:
            leaving.set()
            thread.join(70.0)
    assert failed == []


def test_replicas_move_as_nodes_come_and_go(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "moving"
    with ray_nodes(2, monkeypatch) as cluster:
        one, two = cluster.nodes
        with server_on(cluster, people, name) as server:
            wait_until(
                lambda: shards_on(one, name) == shards_on(two, name) == BOTH,
                lambda: on_all(cluster.nodes, name),
            )
            with searching(server, people):
                three = cluster.add()
                cluster.drain(one)
                wait_until(
                    lambda: (
                        [shards_on(node, name) for node in (one, two, three)] == [[], BOTH, BOTH]
                    ),
                    lambda: on_all(cluster.nodes, name),
                )
                one.kill()
                two.kill()
                four = cluster.add()
                wait_until(
                    lambda: [shards_on(node, name) for node in (three, four)] == [BOTH, BOTH],
                    lambda: on_all([three, four], name),
                )


def test_a_second_node_gets_a_second_replica(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A head without CPUs counts as no node for a shard."""
    name = "growing"
    with ray_nodes(1, monkeypatch) as cluster:
        (one,) = cluster.nodes
        with server_on(cluster, people, name) as server, searching(server, people):
            assert shards_on(one, name) == BOTH
            two = cluster.add()
            wait_until(
                lambda: shards_on(one, name) == shards_on(two, name) == BOTH,
                lambda: on_all(cluster.nodes, name),
            )


def test_shards_of_another_number_are_removed_once_nobody_uses_them(
    people: People, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, unused = "counted", 25.0
    soon = ("--set", f"shards.unused_seconds={unused}")
    with ray_nodes(1, monkeypatch) as cluster:
        (node,) = cluster.nodes
        with ExitStack() as stack:
            other = stack.enter_context(server_on(cluster, people, "uncounted", *soon))
            with server_on(cluster, people, name, *soon) as before, searching(before, people):
                three = (*soon, "--set", "shards.count=3")
                stack.enter_context(server_on(cluster, people, name, *three, files="three"))
                time.sleep(1.5 * unused)
                assert shards_on(node, name) == [0, 0, 1, 1, 2]
            wait_until(lambda: shards_on(node, name) == [0, 1, 2], lambda: shards_on(node, name))
            with searching(other, people):
                assert shards_on(node, "uncounted") == BOTH
