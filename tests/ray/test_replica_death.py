"""Replicas of shards that are killed cost no search, and a server leaves nothing behind."""

from functools import partial

import psutil
import pytest
from asking import wait_until
from ray_hosts import replicas
from server_process import server_process
from tests.ray.conftest import READY, People, settings_of

from partlens.client import Client, UnavailableError
from partlens.explainer.starter import model_folder

pytestmark = [pytest.mark.long, pytest.mark.timeout(590)]
SOON = 120.0
NAME = "killed"
"""Beginning of the names of these replicas, which no other server uses."""


def has_two(shard: int) -> bool:
    return len(replicas(NAME, shard)) == 2


def test_searches_go_on_while_replicas_are_killed(people: People) -> None:
    image = people.images[4]
    part = next(iter(image.parts.values()))
    with (
        server_process(
            model_folder(), people.gallery, *settings_of(people, NAME), "--shards", "ray",
            "--replicas", "2", "--set", "shards.cpus=0.1", "--set", f"shards.name={NAME}",
            "--set", f"shards.folder={people.folder / NAME}", "--set", "shards.block_rows=4",
            name=NAME, start=READY,
        ) as server,
        Client(server.address, 60.0, people.credentials["all"]) as client,
    ):  # fmt: skip
        client.wait_until_ready(READY)
        cluster = psutil.Process(server.process.pid).children(recursive=True)
        expected = [hit.id for hit in client.search_regions(image.path, part).hits]
        for shard in (0, 1, 0):
            wait_until(partial(has_two, shard), SOON)
            victim = replicas(NAME, shard)[0]
            for number in range(40):
                if number == 5:
                    victim.kill()
                found = client.search_regions(image.path, part)
                assert [hit.id for hit in found.hits] == expected
                assert found.shards_ok == 2
        wait_until(lambda: has_two(0) and has_two(1), SOON)
    wait_until(lambda: not any(one.is_running() for one in cluster), SOON)


def test_an_answer_is_partial_only_if_it_may_be(people: People) -> None:
    """With one replica, a shard is missing until Serve has replaced it."""
    image = people.images[4]
    part = next(iter(image.parts.values()))
    with (
        server_process(
            model_folder(), people.gallery, *settings_of(people, NAME), "--shards", "ray",
            "--set", "shards.cpus=0.1", "--set", f"shards.name={NAME}",
            "--set", "shards.seconds=1",
            "--set", f"shards.folder={people.folder / NAME}", "--set", "shards.block_rows=4",
            name=NAME, start=READY,
        ) as server,
        Client(server.address, 60.0, people.credentials["all"]) as client,
    ):  # fmt: skip
        client.wait_until_ready(READY)
        complete = [hit.id for hit in client.search_regions(image.path, part, page_size=48).hits]
        (victim,) = replicas(NAME, 1)
        victim.kill()
        found = client.search_regions(image.path, part, page_size=48, allow_partial=True)
        assert (found.shards_ok, found.shards_total, found.is_partial) == (1, 2, True)
        ids = [hit.id for hit in found.hits]
        assert 0 < len(ids) < len(complete) and ids == [id for id in complete if id in set(ids)]
        with pytest.raises(UnavailableError) as caught:
            client.search_regions(image.path, part)
        assert (
            caught.value.reason == "SHARDS_UNAVAILABLE" and "ray" not in str(caught.value).lower()
        )
        wait_until(
            lambda: not client.search_regions(image.path, part, allow_partial=True).is_partial,
            SOON,
        )
