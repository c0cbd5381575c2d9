"""Nodes that die, and links that are cut, cost no search and no commit while two replicas exist."""

import time
from collections.abc import Iterator

import pytest
from asking import Changing
from server_process import ServerProcess
from tests.ray.faults.conftest import NAME, SHARDS, Faulty

from partlens.client import UnavailableError

pytestmark = [pytest.mark.long, pytest.mark.timeout(590)]
FOUND = 30.0
CUT, SLOW = 20.0, 10.0


@pytest.fixture(scope="module")
def front(faulty: Faulty) -> Iterator[ServerProcess]:
    with faulty.front("front") as server:
        yield server


@pytest.fixture(autouse=True)
def two_replicas(faulty: Faulty, front: ServerProcess) -> None:
    faulty.require_two_replicas()


def test_a_killed_replica(faulty: Faulty, front: ServerProcess) -> None:
    with faulty.changing(front, "replica") as changing, faulty.asking(front) as asking:
        for shard in SHARDS:
            asking.go_on(20)
            faulty.cluster.replicas(NAME, shard)[0].kill()
            asking.go_on(40)
            faulty.require_two_replicas()
    asking.require_faultless()
    settle(faulty, front, changing)


def test_a_killed_node(faulty: Faulty, front: ServerProcess) -> None:
    with faulty.changing(front, "node") as changing, faulty.asking(front) as asking:
        asking.go_on(20)
        faulty.cluster.lose(faulty.worker())
        asking.go_on(40)
        faulty.require_two_replicas()
        faulty.cluster.add_worker()
        asking.go_on(40)
    asking.require_faultless()
    settle(faulty, front, changing)


def test_a_cut_link(faulty: Faulty, front: ServerProcess) -> None:
    host = faulty.worker().host
    with faulty.changing(front, "cut") as changing, faulty.asking(front) as asking:
        asking.go_on(20)
        host.cut()
        try:
            asking.go_on_for(CUT)
            changing.go_on(2)
        finally:
            host.mend()
        asking.go_on(40)
    asking.require_faultless()
    faulty.require_two_replicas()
    settle(faulty, front, changing)


def test_a_slow_link(faulty: Faulty, front: ServerProcess) -> None:
    host = faulty.worker().host
    with faulty.changing(front, "slow") as changing, faulty.asking(front) as asking:
        asking.go_on(20)
        with host.slow():
            asking.go_on_for(SLOW)
            changing.go_on(2)
        asking.go_on(20)
    asking.require_faultless()
    settle(faulty, front, changing)


def test_a_killed_server(faulty: Faulty) -> None:
    """A new one finds the shards loaded; nothing else than UNAVAILABLE was seen meanwhile."""
    with faulty.front("second") as old:
        with faulty.changing(old, "server") as changing, faulty.asking(old) as asking:
            asking.go_on(20)
            changing.go_on(4)
            old.process.kill()
            old.process.wait(10)
            time.sleep(2)
        assert not asking.tally.wrong and asking.tally.failed
        assert {type(error) for error in asking.tally.failed} == {UnavailableError}
    held = [faulty.cluster.replicas(NAME, shard) for shard in SHARDS]
    with faulty.front("third") as new:
        with faulty.asking(new) as asking:
            asking.go_on(20)
        asking.require_faultless()
        assert held == [faulty.cluster.replicas(NAME, shard) for shard in SHARDS]
        settle(faulty, new, changing)


def settle(faulty: Faulty, server: ServerProcess, changing: Changing) -> None:
    """Every acknowledged change is found after the fault, and new ones are found soon."""
    question = next(iter(faulty.right))
    with faulty.client(server) as client:
        changing.require_kept(client, question, FOUND)
        changing.clear(client)
