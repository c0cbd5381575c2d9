"""The profile `ray` of docker-compose.yml comes up, answers, and survives the loss of a worker."""

import shutil
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from tests.test_deploy import ROOT

from partlens.client import Client, Credentials, QueryRegion, Upload, Whole
from partlens.testing.people import write_people

IMAGES = ("partlens:0.2.0", "partlens:0.2.0-ray", "redis:7")
READY, RECOVERED = 900.0, 300.0
"""Seconds on a busy machine: until the shards are loaded, and until a worker is used again."""
SEARCHED = 40.0
"""Seconds to search for after a worker was killed; Ray notices after about 30."""
TOKENS = "/var/lib/partlens/tokens.json"
# Prints the replicas of each shard that run.
RUNNING = """
import ray
from ray import serve
ray.init(address="auto", log_to_driver=False, configure_logging=False)
found = serve.status().applications.values()
print(*(one.replica_states.get("RUNNING", 0) for app in found for one in app.deployments.values()))
"""


def has_images() -> bool:
    if shutil.which("podman") is None or shutil.which("podman-compose") is None:
        return False
    command = ["podman", "image", "exists"]
    return all(
        subprocess.run([*command, image], timeout=60, check=False).returncode == 0
        for image in IMAGES
    )


pytestmark = [pytest.mark.long, pytest.mark.timeout(3600)]


@dataclass(frozen=True)
class Composed:
    """The containers of one project."""

    project: str

    def compose(self, *arguments: str) -> None:
        command = ["podman-compose", "-p", self.project, "-f", str(ROOT / "docker-compose.yml")]
        command += ["--profile", "ray", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=1200, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def podman(self, *arguments: str) -> str:
        done = subprocess.run(
            ["podman", *arguments], capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def container(self, service: str) -> str:
        return f"{self.project}_{service}_1"

    def execute(self, service: str, *command: str) -> str:
        return self.podman("exec", self.container(service), *command)

    def running(self) -> Sequence[int]:
        """Replicas of each shard that run."""
        printed = self.execute("ray-head", "python", "-c", RUNNING)
        return [int(word) for word in printed.splitlines()[-1].split()]


@pytest.fixture(scope="module")
def composed() -> Iterator[Composed]:
    if not has_images():
        pytest.skip(f"needs podman, podman-compose and the images {', '.join(IMAGES)}")
    one = Composed("partlens-test-ray")
    try:
        one.compose("up", "-d", "server-ray")
        yield one
    finally:
        one.compose("down", "-v")


def wait_until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s: {what}"
        time.sleep(2)


def client_of(composed: Composed) -> Client:
    ca = composed.execute("server-ray", "cat", "/var/lib/partlens/clients/ca.pem").encode()
    scopes = ("--scope", "search", "--scope", "ingest")
    token = composed.execute(
        "server-ray", "partlens", "token", "create", "test", *scopes, "--tokens", TOKENS
    )
    return Client("localhost:50051", credentials=Credentials(token=token.strip(), ca=ca))


def search(client: Client, picture: bytes) -> dict[str, float]:
    """The score of each image that is found."""
    answer = client.search_regions(picture, [QueryRegion(Whole())])
    assert answer.shards_ok == answer.shards_total == 2
    return {hit.id: hit.score for hit in answer.hits}


def test_it_answers_from_outside_and_survives_the_loss_of_each_worker(
    composed: Composed, tmp_path: Path
) -> None:
    images = write_people(12, tmp_path)
    query = images[0].path.read_bytes()
    with client_of(composed) as client:
        client.wait_until_ready(READY)
        for _ in client.upsert_images([Upload(one.id, one.path.read_bytes()) for one in images]):
            pass
        expected = search(client, query)
        assert set(expected) == {one.id for one in images} and next(iter(expected)) == images[0].id
        for lost in ("ray-worker-1", "ray-worker-2"):
            # The second loss shows that the first worker is used again.
            wait_until(lambda: composed.running() == [2, 2], RECOVERED, "two replicas each")
            composed.podman("kill", "--signal", "KILL", composed.container(lost))
            end = time.monotonic() + SEARCHED
            while time.monotonic() < end:
                assert search(client, query) == pytest.approx(expected, abs=1e-6)
                time.sleep(0.2)
            composed.podman("start", composed.container(lost))


def test_ray_refuses_another_token(composed: Composed) -> None:
    command = ["podman", "exec", "-e", "RAY_AUTH_TOKEN=another", composed.container("ray-head")]
    done = subprocess.run(
        [*command, "ray", "status", "--address", "ray-head:6379"],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode != 0 and "InvalidAuthToken" in done.stdout + done.stderr
