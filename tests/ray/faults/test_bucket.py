"""A store that fails and delays costs no right answer and no commit of shards that read it."""

import random
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from asking import Asking, Changing, Question, Ranking, questions_about, right_answers, wait_until
from object_store import Choice, Fault, Proxy, Request, environment, every
from ray_hosts import replicas
from server_process import ServerProcess, process_in
from tests.ray.conftest import READY, People
from tests.ray.faults.conftest import RECOVERED, SHARDS, own_files

from partlens.client import Client
from partlens.common.bucket_address import BucketAddress
from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import Listing
from partlens.testing.people import files_of

pytestmark = [pytest.mark.long, pytest.mark.timeout(590)]
NAME = "inbucket"
FAULTS: tuple[Fault, ...] = ("refuse", "lose", "slow", "throttle")
OUTAGE, FOUND = 6.0, 60.0


def often(share: float) -> Choice:
    """A choice that gives this share of all requests a fault of some kind."""
    drawn, lock = random.Random(0), threading.Lock()

    def choose(_: Request) -> Fault | None:
        with lock:
            return drawn.choice(FAULTS) if drawn.random() < share else None

    return choose


@pytest.fixture
def proxy(object_store: str) -> Iterator[Proxy]:
    made = Proxy(object_store)
    yield made
    made.close()


@pytest.fixture
def right(embedded: ServerProcess, people: People) -> Mapping[Question, Ranking]:
    with Client(embedded.address, 60.0, people.credentials["all"]) as client:
        return right_answers(client, questions_about(people.images[3:6]))


@contextmanager
def serving(gallery: BucketAddress, folder: Path, proxy: Proxy) -> Iterator[ServerProcess]:
    options: tuple[str | Path, ...] = (
        "--model", model_folder(), "--gallery", str(gallery), *own_files(folder, NAME),
        "--shards", "ray", "--replicas", "2", "--set", "shards.cpus=0.1",
        "--set", f"shards.name={NAME}", "--set", f"shards.folder={folder / 'shards'}",
        "--set", "shards.block_rows=4",
    )  # fmt: skip
    reached = environment(proxy.url, folder / "scratch-of-server")
    with process_in(folder, *options, name=NAME, start=READY, environment=reached) as server:
        with Client(server.address, 60.0) as client:
            client.wait_until_ready(READY)
        yield server


def have_two() -> bool:
    return all(len(replicas(NAME, shard)) == 2 for shard in SHARDS)


def test_a_store_that_fails(
    address: BucketAddress,
    people: People,
    right: Mapping[Question, Ranking],
    proxy: Proxy,
    tmp_path: Path,
) -> None:
    """While shards load, while they follow commits, and while a killed replica loads again."""
    model = MetricModel.load(model_folder())
    with Gallery.create(address, model.spec) as gallery:
        index_images(gallery, model, Listing(files_of(people.images)))
    picture, question = people.images[7].path, next(iter(right))
    proxy.choose = often(0.1)
    with serving(address, tmp_path, proxy) as server:
        with (
            Asking(server.address, right) as asking,
            Changing(server.address, picture, "often") as changing,
        ):
            asking.go_on(20)
            changing.go_on(4)
            replicas(NAME, 0)[0].kill()
            asking.go_on(40)
            proxy.choose = every("refuse")
            asking.go_on_for(OUTAGE)
            proxy.choose = lambda _: None
            asking.go_on(20)
            changing.go_on(4)
            wait_until(have_two, RECOVERED)
        asking.require_faultless()
        with Client(server.address, 60.0) as client:
            changing.require_kept(client, question, FOUND)
    with Gallery.open(address) as gallery:
        assert all(id in gallery.view for id in changing.there)
        assert not any(id in gallery.view for id in changing.gone)
