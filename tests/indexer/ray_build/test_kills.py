"""kill -9 of the process that commits, and of workers again and again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psutil
import pytest
from built_on_ray import BATCH, BLOCK, build, workers
from gallery_rows import require_same, rows
from listed_pictures import COUNT, MODEL, SPEC, write_pictures
from served import picture

from partlens.common.bucket_address import BucketAddress, Place
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.home.lease import LEASE, Holder
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.staging import STAGING
from partlens.indexer.gallery.verification import verify
from partlens.indexer.indexing import index_images
from partlens.indexer.ray_build.worker import TRIES
from partlens.indexer.sources import read_source

DEADLINE = 120.0


def wait_for(true: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < end, "did not happen in time"
        time.sleep(0.02)


@contextmanager
def building(gallery: Place, source: Path) -> Iterator[subprocess.Popen[str]]:
    """The command with a cluster of its own, on one core."""
    there = set(Path("/tmp").glob("partlens-ray-*"))
    arguments = ["--engine", "ray", source, gallery, "--model", MODEL, "--json"]
    arguments += ["--block", BLOCK, "--batch", BATCH, "--worker-cores", 1, "--workers", 1]
    with subprocess.Popen(
        [sys.executable, "-m", "partlens.cli", "index", "build", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as child:
        try:
            yield child
        finally:
            child.kill()
            child.wait(DEADLINE)
            for left in set(Path("/tmp").glob("partlens-ray-*")) - there:
                shutil.rmtree(left, ignore_errors=True)


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "folder":
        return tmp_path / "built"
    bucket: BucketAddress = request.getfixturevalue("address")
    return bucket


def staged(place: Place) -> list[str]:
    return [one for one in home_of(place).places() if one.startswith(f"{STAGING}/")]


def may_be_written(place: Place) -> bool:
    """Whether the lease of a killed writer has run out; in a folder, its lock ends with it."""
    if isinstance(place, Path):
        return True
    return Holder.parse(home_of(place).read(LEASE)).expires < time.time()


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("place", "kills", "pictures"), [("folder", 3, 400), ("bucket", 2, 160)], indirect=["place"]
)
def test_a_killed_driver_loses_nothing_that_it_reported(
    tmp_path: Path, place: Place, kills: int, pictures: int
) -> None:
    """Killed at random moments after its first commits; then it is run to its end.

    There are enough pictures that a run is not at its end before it is killed.
    """
    source = tmp_path / "pictures"
    source.mkdir()
    for number in range(pictures):
        (source / f"{number:03}.png").write_bytes(picture(number))
    random = np.random.default_rng(os.getpid())
    Gallery.create(place, SPEC).close()
    with Gallery.create(tmp_path / "added", SPEC) as added:
        index_images(added, MetricModel.load(MODEL), read_source(source), batch_size=BATCH)
        wanted = rows(added)
        before, leftovers = 0, 0
        for _ in range(kills):
            with building(place, source) as child:
                assert child.stderr is not None
                reported = 0
                while reported <= before:
                    reported = json.loads(child.stderr.readline())["done"]
                time.sleep(float(random.uniform(0, 0.4)))
                cluster = psutil.Process(child.pid).children(recursive=True)
                child.send_signal(signal.SIGKILL)
                child.wait(DEADLINE)
                wait_for(lambda of=cluster: not any(_is_alive(one) for one in of))  # type: ignore[misc]
                reported = max([reported, *(_done(line) for line in child.stderr)])
            leftovers += bool(staged(place))
            with Gallery.open(place) as built:
                found = rows(built)
                # Whole blocks in order, one of them perhaps committed and not yet reported.
                assert reported <= len(found) <= reported + BLOCK
                assert set(found) == set(sorted(wanted)[: len(found)])
                before = len(found)
            assert not verify(place).findings
            wait_for(lambda: may_be_written(place))
        assert before < pictures and leftovers
        with building(place, source) as child:
            stdout, stderr = child.communicate(timeout=3 * DEADLINE)
        assert child.returncode == 0, stderr
        facts = json.loads(stdout)
        assert (facts["added"], facts["unchanged"]) == (pictures - before, before)
        assert not staged(place)
        with Gallery.open(place) as built:
            require_same(built, added)
    assert not verify(place).findings


def _is_alive(process: psutil.Process) -> bool:
    return process.is_running() and process.status() != psutil.STATUS_ZOMBIE


def _done(line: str) -> int:
    try:
        return int(json.loads(line)["done"])
    except ValueError:
        return 0


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("ray_cluster")
def test_a_picture_that_ends_each_worker_is_listed_and_the_rest_is_added(tmp_path: Path) -> None:
    """A thread ends the worker each time that it begins the third block, or its second picture."""
    manifest, poisoned = write_pictures(tmp_path / "pictures"), 2 * BLOCK + 1
    # A worker notes in a file of this number that it begins a block: of its first image among all,
    # counted from the revision that came next when the blocks, and then single images, began.
    of_block, of_picture = 1 + 2 * BLOCK, (1 + BLOCK) + 1 + poisoned
    stop = threading.Event()

    def kill(staging: Path) -> None:
        ended = {of_block: 0, of_picture: 0}
        while not stop.wait(0.001):
            for number, times in ended.items():
                files = list(staging.glob(f"*/{number}.tries"))
                if any(times < file.stat().st_size <= TRIES for file in files):
                    ended[number] += 1
                    for one in workers():
                        one.kill()

    with (
        Gallery.create(tmp_path / "built", SPEC) as built,
        Gallery.create(tmp_path / "added", SPEC) as added,
    ):
        killer = threading.Thread(target=kill, args=(built.path / STAGING,))
        killer.start()
        try:
            progress = build(built, manifest)
        finally:
            stop.set()
            killer.join(DEADLINE)
        assert progress.done == COUNT
        listed = [one for one in progress.bad if f"ended, {TRIES} times" in one.reason]
        assert [one.id for one in listed] == [f"{poisoned:02}.png"]
        index_images(added, MetricModel.load(MODEL), read_source(manifest), batch_size=BATCH)
        added.delete([f"{poisoned:02}.png"])
        require_same(built, added)
