"""In a bucket, writers that are killed, stopped or too late lose nothing that was acknowledged."""

import itertools
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from bucket_writer import CHANGES, add_when_told, change, opened
from gallery_images import SPEC, image, parts
from gallery_writer import Change, after
from object_store import Fault, Proxy, Request, at, environment, puts
from staged_rows import staged

from partlens.common.bucket_address import BucketAddress
from partlens.indexer.errors import DamagedError, LockedError
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.home.bucket import BucketHome
from partlens.indexer.gallery.home.lease import Holder
from partlens.indexer.gallery.home.scratch import Scratch
from partlens.indexer.gallery.verification import verify

DEADLINE, LEASE = 60.0, 1.0
STEP = 1 if os.environ.get("PARTLENS_TEST_LONG") == "1" else 47
"""Of the requests of a writer, one in so many is its last."""


@pytest.fixture
def proxy(
    object_store: str, address: BucketAddress, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Proxy]:
    made = Proxy(object_store)
    monkeypatch.setenv("AWS_ENDPOINT_URL", made.url)
    yield made
    made.close()


@contextmanager
def child(
    work: Callable[..., None], *arguments: Any
) -> Iterator[tuple[ForkServerProcess, Connection]]:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(*arguments, theirs))
    process.start()
    theirs.close()
    try:
        yield process, ours
    finally:
        process.kill()
        process.join(DEADLINE)


def patient(gallery: Gallery, id: str) -> None:
    """Adds an image as soon as the lease of another process has run out."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            gallery.add([image(id)])
            return
        except LockedError:
            assert time.monotonic() < end
            time.sleep(0.05)


def held(gallery: Gallery) -> dict[str, int]:
    """id -> seed of the images, told by their bias."""
    found = {}
    for one in gallery.view.list():
        _, (bias,) = gallery.view.decompositions([one.id])
        found[one.id] = next(
            seed for seed in range(5) if np.array_equal(image(one.id, seed).bias, bias)
        )
    return found


def changed_until_killed(
    address: BucketAddress, proxy: Proxy, variables: dict[str, str], number: int, fault: Fault
) -> tuple[dict[str, int], Change | None, bool]:
    """What a writer had acknowledged, what it was about to do, and whether it came to the end."""
    state, begun, pids = dict[str, int](), None, list[int]()

    def kill(asked: Request) -> Fault | None:
        found = counted(asked)
        if found:
            os.kill(pids[0], signal.SIGKILL)
        return found

    counted = at(number, fault, lambda asked: asked.method in ("PUT", "POST", "DELETE"))
    with child(change, address, variables, LEASE) as (process, pipe):
        pids.append(process.pid or 0)
        proxy.choose = kill
        while pipe.poll(DEADLINE):
            try:
                each, done = pipe.recv()
            except EOFError:
                break
            state, begun = (after(state, each), None) if done else (state, each)
        process.join(DEADLINE)
    proxy.choose = lambda _: None
    return state, begun, process.exitcode == 0


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("preloaded")
@pytest.mark.parametrize("fault", ["refuse", "lose"])
def test_a_writer_that_is_killed_at_any_request_loses_nothing(
    address: BucketAddress, proxy: Proxy, tmp_path: Path, fault: Fault
) -> None:
    """Killed as its request is on its way, or as the response is."""
    for number in itertools.count(2 if fault == "lose" else 9, STEP):
        here = BucketAddress(address.bucket, f"{address.prefix}-{number}")
        Gallery.create(here, SPEC).close()
        variables = environment(proxy.url, tmp_path / f"{number}")
        state, begun, ended = changed_until_killed(here, proxy, variables, number, fault)
        possible = [state, *([after(state, begun)] if begun else [])]
        with opened(here, tmp_path / "other", LEASE) as gallery:
            assert held(gallery) in possible, number
            patient(gallery, "z")
            assert held(gallery) in [{**one, "z": 0} for one in possible], number
        outcome = verify(here)
        assert not outcome.findings and outcome.images == len(gallery.view), number
        if ended:
            assert number > len(CHANGES) * 5
            return


@pytest.mark.usefixtures("preloaded")
def test_a_writer_that_slept_past_its_lease_cannot_commit(
    address: BucketAddress, object_store: str, tmp_path: Path
) -> None:
    Gallery.create(address, SPEC).close()
    variables = environment(object_store, tmp_path / "asleep")
    with child(add_when_told, address, variables, LEASE) as (process, pipe):
        pipe.send("a")
        assert pipe.poll(DEADLINE) and pipe.recv() == ""
        os.kill(process.pid or 0, signal.SIGSTOP)
        with opened(address, tmp_path / "awake", LEASE) as gallery:
            patient(gallery, "b")
            os.kill(process.pid or 0, signal.SIGCONT)
            pipe.send("c")
            assert pipe.poll(DEADLINE)
            assert "another process" in pipe.recv()
            gallery.add([image("d")])
            assert set(held(gallery)) == {"a", "b", "d"}
        end = time.monotonic() + DEADLINE
        said = "?"
        while said:  # until the lease of this process has been seen to be released
            assert time.monotonic() < end
            pipe.send("c")
            assert pipe.poll(DEADLINE)
            said = pipe.recv()
        pipe.send("")
    with Gallery.open(address) as gallery:
        assert set(held(gallery)) == {"a", "b", "c", "d"}


def add(gallery: Gallery) -> None:
    gallery.add([image("late")])


def add_staged(gallery: Gallery) -> None:
    with gallery.staging() as folder:
        revision = gallery.next_revision
        gallery.add_staged(staged(gallery, folder, [image("late")], revision), revision)


@pytest.mark.parametrize(
    ("name", "work"),
    [
        ("committed.json", add),
        (".manifest", add),
        ("truth.sha256", add),
        ("truth.lance/data/", add_staged),
        (".manifest", add_staged),
    ],
)
def test_a_request_that_arrives_late_changes_nothing(
    address: BucketAddress,
    object_store: str,
    proxy: Proxy,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    work: Callable[[Gallery], None],
) -> None:
    """The request of a writer is held back until another has taken over and committed."""
    Gallery.create(address, SPEC).close()
    arrived, passed = threading.Event(), threading.Event()

    def hold(asked: Request) -> Fault | None:
        if puts(name)(asked) and not arrived.is_set():
            arrived.set()
            assert passed.wait(DEADLINE)
        return "refuse" if puts("writer.lease")(asked) else None

    with opened(address, tmp_path / "late", LEASE) as late, ThreadPoolExecutor(1) as pool:
        late.add([image("a")])
        proxy.choose = hold
        running = pool.submit(work, late)
        assert arrived.wait(DEADLINE)
        monkeypatch.setenv("AWS_ENDPOINT_URL", object_store)
        with opened(address, tmp_path / "next", LEASE) as gallery:
            patient(gallery, "b")
            passed.set()
            with pytest.raises(LockedError, match="another process"):
                running.result(DEADLINE)
            gallery.add([image("c")])
            assert set(held(gallery)) == {"a", "b", "c"}
            assert not verify(address).findings


@pytest.mark.parametrize("number", range(1, 8))
def test_a_request_whose_response_is_lost_is_carried_out_once(
    address: BucketAddress, proxy: Proxy, number: int
) -> None:
    """It is sent again, and the store refuses the second: the object is there already."""
    with Gallery.create(address, SPEC) as gallery:
        gallery.add([image("a")])
        proxy.choose = at(number, "lose", lambda asked: asked.method == "PUT")
        gallery.add([image("b")])
        proxy.choose = lambda _: None
        gallery.add([image("c")])
        assert len(gallery.view) == 3
    outcome = verify(address)
    assert not outcome.findings and outcome.images == 3


def test_of_many_that_would_write_at_once_one_does(address: BucketAddress, tmp_path: Path) -> None:
    Gallery.create(address, SPEC).close()
    galleries = [opened(address, tmp_path / str(number), 30.0) for number in range(6)]
    started = threading.Barrier(len(galleries))

    def write(number: int) -> bool:
        started.wait(DEADLINE)
        try:
            galleries[number].add([image(str(number))])
        except LockedError:
            return False
        return True

    with ThreadPoolExecutor(len(galleries)) as pool:
        wrote = list(pool.map(write, range(len(galleries))))
    assert sum(wrote) == 1
    for gallery in galleries:
        gallery.close()
    assert [one.id for one in Gallery.open(address).view.list()] == [str(wrote.index(True))]


def test_no_reader_sees_half_of_a_commit(address: BucketAddress, tmp_path: Path) -> None:
    with Gallery.create(address, SPEC) as gallery:
        reader, done = opened(address, tmp_path / "reader", 30.0), threading.Event()

        def read() -> set[int]:
            seen = set[int]()
            while not done.is_set():
                reader.refresh()
                seen.add(len(reader.view))
                assert len(reader.view.search(parts(), "part", Filter(), 100)) == len(reader.view)
            return seen

        with ThreadPoolExecutor(1) as pool:
            reading = pool.submit(read)
            for number in range(8):
                gallery.add([image(f"{number}-{part}") for part in range(5)])
            done.set()
            seen = reading.result(DEADLINE)
    assert all(count % 5 == 0 for count in seen)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"owner": "a"}'])
def test_a_damaged_lease_is_reported(address: BucketAddress, content: bytes) -> None:
    Gallery.create(address, SPEC).close()
    with pytest.raises(DamagedError, match=r"writer\.lease"):
        Holder.parse(content)
    home = BucketHome(address, Scratch.of_environment())
    home._store.put("writer.lease", content)
    with pytest.raises(DamagedError, match="remove this object"), Gallery.open(address) as gallery:
        gallery.add([image("a")])
