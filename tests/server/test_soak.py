"""A server, an ingest worker and Redis under everything at once: nothing fails, nothing is lost.

For 20 seconds, and among the long tests for half an hour, or PARTLENS_SOAK_SECONDS. The long test
also bounds memory: the bytes that only the server holds (USS), read every second, whose median over
the last third of the time must be within 5 % of that over the middle third. The first third is for
warming up, which takes longer than a short test lasts.
"""

import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest
import redis
import trustme
from redis_server import RedisServer, running_redis
from server_process import ServerProcess, server_process
from tests.server.conftest import DEADLINE, picture, tiny_model

from partlens.client import (
    Box,
    Client,
    Credentials,
    ExhaustedError,
    Filter,
    Metadata,
    NotFoundError,
    QueryRegion,
    StaleError,
    Upload,
)
from partlens.indexer.gallery import Gallery

LONG = float(os.environ.get("PARTLENS_SOAK_SECONDS", "1800"))
IDS, STREAMED = 120, 80
WHOLE = [QueryRegion(Box(0, 0, 40, 60))]


@dataclass
class Load:
    """Clients of a server, and what was acknowledged to them.

    Attributes:
        images: seed of the picture of each id that the server said it holds.
        wrong: errors that were no refusals.
        done: calls of each kind that were answered.
    """

    address: str
    credentials: Credentials
    images: dict[str, int] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    stopping: threading.Event = field(default_factory=threading.Event)

    def client(self) -> Client:
        return Client(self.address, DEADLINE, self.credentials)

    def keep_on(self, name: str, once: Callable[[Client, random.Random], None]) -> None:
        """Does something over and over, on a new connection now and then."""
        chosen = random.Random(name)
        while not self.stopping.is_set():
            with self.client() as client:
                for _ in range(40):
                    if self.stopping.is_set():
                        return
                    try:
                        once(client, chosen)
                        self.done[name] = self.done.get(name, 0) + 1
                    except ExhaustedError as refused:
                        time.sleep(refused.retry_seconds or 0.1)
                    except Exception as error:
                        self.wrong.append(f"{name}: {error!r}")
                        return

    def search(self, client: Client, chosen: random.Random) -> None:
        query = picture(chosen.randrange(400))
        box = Box(chosen.uniform(0, 20), chosen.uniform(0, 30), 15, 20)
        where = Filter(cameras=["even"]) if chosen.random() < 0.3 else None
        first = client.search_regions(
            [query], [QueryRegion(box)], where=where, page_size=7, maps=["score", "overall"]
        )
        if first.next_page_token:
            token = first.next_page_token
            try:
                client.search_regions(
                    [query], [QueryRegion(box)], where=where, page_size=7, page_token=token
                )
            except StaleError:
                pass  # eight versions came since

    def look(self, client: Client, chosen: random.Random) -> None:
        client.explain_pair(picture(chosen.randrange(50)), picture(chosen.randrange(50)))
        client.describe_query(picture(chosen.randrange(50)), [Box(2, 2, 9, 9)])
        assert sum(1 for _ in client.list_images(50)) <= IDS + STREAMED
        try:
            client.get_image(f"own{chosen.randrange(IDS):03}")
        except NotFoundError:
            pass  # deleted

    def change(self, client: Client, chosen: random.Random) -> None:
        """Adds, replaces or deletes a few; the one thread that may, so that it knows what holds."""
        ids = [f"own{number:03}" for number in chosen.sample(range(IDS), 6)]
        if chosen.random() < 0.3:
            for id in ids:
                self.images.pop(id, None)
            client.delete_images(ids)
            return
        seeds = {id: chosen.randrange(10**6) for id in ids}
        uploads = [
            Upload(id, picture(seed), metadata=Metadata("even" if seed % 2 else "odd"))
            for id, seed in seeds.items()
        ]
        for id in ids:
            self.images.pop(id, None)
        for answer in client.upsert_stream(uploads, deadline=DEADLINE):
            assert answer.committed, answer
            self.images[answer.id] = seeds[answer.id]

    def require_nothing_lost(self) -> None:
        """Each image is found by a search for itself, and there are no others."""
        with self.client() as client:
            assert {image.id for image in client.list_images(100)} == set(self.images)
            for id, seed in self.images.items():
                found = client.search_regions([picture(seed)], WHOLE, score="part", page_size=1)
                assert [hit.id for hit in found.hits] == [id], (id, seed)
                assert found.hits[0].score == pytest.approx(1, abs=1e-3)


class Stream:
    """A producer of the ingest stream: which pictures Redis has acknowledged."""

    def __init__(self, server: RedisServer, key: str) -> None:
        self._server, self._key = server, key
        self.acknowledged: dict[str, int] = {}

    def push(self, stopping: threading.Event) -> None:
        """Pushes pictures over and over; what Redis did not take is pushed again."""
        numbers = itertools.cycle(range(STREAMED))
        number = next(numbers)
        while not stopping.wait(0.02):
            id, seed = f"streamed{number:03}", 10**6 + number
            try:
                with self._server.client as client:
                    if client.xlen(self._key) < 200:
                        event = json.dumps({"id": id, "camera": "stream"})
                        client.xadd(self._key, {"event": event, "image": picture(seed)})
                        self.acknowledged[id] = seed
                        number = next(numbers)
            except redis.RedisError:
                pass  # killed just now

    def require_empty(self) -> None:
        """Returns when the worker has brought all to the server."""
        end = time.monotonic() + DEADLINE * 3
        with self._server.client as client:
            while client.xlen(self._key):
                assert time.monotonic() < end, "the worker does not come to an end"
                time.sleep(0.1)
            assert not client.exists(f"{self._key}:dead")


def renew(authority: trustme.CA, folder: Path) -> None:
    """A new certificate for the server, in the place of the one it has."""
    made = authority.issue_cert("localhost", "127.0.0.1")
    for name, pem in (("key", made.private_key_pem), ("certificate", made.cert_chain_pems[0])):
        (folder / f"{name}.new").write_bytes(pem.bytes())
        (folder / f"{name}.new").replace(folder / name)


@dataclass
class Stage:
    """All that runs."""

    redis: RedisServer
    servers: tuple[ServerProcess, ServerProcess]
    loads: tuple[Load, Load]
    stream: Stream
    authority: trustme.CA
    folder: Path


@contextmanager
def ingesting(folder: Path, address: str, redis_server: RedisServer) -> Iterator[None]:
    """`partlens ingest run`."""
    settings = {f"redis.{name}": value for name, value in redis_server.values.items()}
    settings |= {"ingest.server": address, "ingest.ca": folder / "ca", "ingest.claim_seconds": 2}
    options = [part for name, value in settings.items() for part in ("--set", f"{name}={value}")]
    command = ["-c", "from partlens.ingest.cli import ingest; ingest()", "run", *options]
    with (
        (folder / "worker.log").open("wb") as log,
        subprocess.Popen([sys.executable, *command], stdout=log, stderr=log) as process,
    ):
        try:
            yield
            assert process.poll() is None, (folder / "worker.log").read_text()
        finally:
            process.terminate()
            process.wait(DEADLINE)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    """Two servers of one gallery, of which one writes, a worker, and the Redis they share."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca"))
    renew(authority, tmp_path)
    model = tiny_model().save(tmp_path / "model")
    Gallery.create(tmp_path / "gallery", model.spec).close()
    with running_redis(tmp_path / "redis") as redis_server:
        settings = {f"redis.{name}": value for name, value in redis_server.values.items()}
        settings |= {f"access.tls_{what}": tmp_path / what for what in ("certificate", "key")}
        settings["observe.log_level"] = "warning"

        def server(name: str) -> AbstractContextManager[ServerProcess]:
            given = settings | {"access.audit_log": tmp_path / f"{name}.jsonl"}
            options = [part for k, v in given.items() for part in ("--set", f"{k}={v}")]
            return server_process(tmp_path / "model", tmp_path / "gallery", *options, name=name)

        credentials = Credentials(ca=(tmp_path / "ca").read_bytes())
        with server("writer") as writer, server("reader") as reader:
            loads = Load(writer.address, credentials), Load(reader.address, credentials)
            stream = Stream(redis_server, "partlens:ingest")
            with ingesting(tmp_path, writer.address, redis_server):
                yield Stage(redis_server, (writer, reader), loads, stream, authority, tmp_path)


def disturb(stage: Stage, stopping: threading.Event) -> None:
    """Kills Redis, starts it again and gives the servers new certificates, over and over."""
    while not stopping.wait(4):
        renew(stage.authority, stage.folder)
        stage.redis.kill()
        stopping.wait(1)
        stage.redis.start()


def flat(sizes: list[int]) -> bool:
    """Whether the median of the last third is within 5 % of that of the third before."""
    third = len(sizes) // 3
    middle, last = statistics.median(sizes[third:-third]), statistics.median(sizes[-third:])
    return last <= 1.05 * middle


def run(stage: Stage, seconds: float) -> list[list[int]]:
    """Everything at once; the bytes that each server alone holds, second by second."""
    (writer, reader), stopping = stage.loads, threading.Event()
    for load in stage.loads:
        load.stopping = stopping
    threads = [
        threading.Thread(target=load.keep_on, args=(name, once))
        for load, name, once in (
            (writer, "change", writer.change),
            (writer, "search", writer.search),
            (reader, "search", reader.search),
            (reader, "look", reader.look),
        )
    ]
    threads.append(threading.Thread(target=stage.stream.push, args=(stopping,)))
    threads.append(threading.Thread(target=disturb, args=(stage, stopping)))
    processes = [psutil.Process(server.process.pid) for server in stage.servers]
    sizes: list[list[int]] = [[], []]
    for thread in threads:
        thread.start()
    try:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            time.sleep(1)
            for process, seen in zip(processes, sizes, strict=True):
                seen.append(process.memory_full_info().uss)
    finally:
        stopping.set()
        for thread in threads:
            thread.join(2 * DEADLINE)
    return sizes


def soak(stage: Stage, seconds: float) -> list[list[int]]:
    """Everything at once, after which nothing has failed and nothing is lost; the sizes of run."""
    sizes = run(stage, seconds)
    writer, reader = stage.loads
    assert writer.wrong + reader.wrong == []
    assert all(writer.done.get(name) for name in ("change", "search"))
    assert all(reader.done.get(name) for name in ("look", "search"))
    stage.stream.require_empty()
    assert len(stage.stream.acknowledged) > STREAMED // 2
    writer.images |= stage.stream.acknowledged
    writer.require_nothing_lost()
    return sizes


@pytest.mark.timeout(400)
def test_nothing_fails_or_is_lost_while_everything_happens_at_once(stage: Stage) -> None:
    soak(stage, 20)


@pytest.mark.long
@pytest.mark.timeout(LONG + 400)
def test_half_an_hour_of_everything_takes_no_more_memory(stage: Stage) -> None:
    sizes = soak(stage, LONG)
    assert all(flat(seen) for seen in sizes), sizes
