"""A writer that is killed at any moment loses nothing it had acknowledged and leaves no halves."""

import itertools
import multiprocessing
import os
import shutil
import signal
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pytest
from gallery_images import GRID, SPEC, image, parts
from gallery_writer import Change, after, tidy_and_die, write_for_ever

from partlens.common.storage import Storage
from partlens.explainer.scoring import score_images
from partlens.explainer.stored import Stored
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.search import search
from partlens.indexer.gallery.verification import verify

ROUNDS = 100 if os.environ.get("PARTLENS_TEST_LONG") == "1" else 10
DEADLINE = 60.0


def killed_after(path: Path, seed: int, state: dict[str, int]) -> tuple[dict[str, int], Change]:
    """What was acknowledged when the writer died, and what it was in the midst of."""
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=write_for_ever, args=(path, seed, theirs))
    child.start()
    theirs.close()
    try:
        begun, _ = receive(ours)
        child.join(float(np.random.default_rng([seed, 1]).uniform(0, 0.6)))
    finally:
        child.kill()
        child.join(DEADLINE)
    while ours.poll(DEADLINE):
        try:
            change, acknowledged = ours.recv()
        except EOFError:
            break
        if acknowledged:
            state = after(state, change)
        else:
            begun = change
    return state, begun


def receive(pipe: Connection) -> tuple[Change, bool]:
    assert pipe.poll(DEADLINE), "the writer did not begin"
    change: Change
    change, acknowledged = pipe.recv()
    return change, acknowledged


@pytest.mark.timeout(60 + 10 * ROUNDS)
@pytest.mark.usefixtures("preloaded")
def test_acknowledged_changes_survive_kill_9(tmp_path: Path, storage: Storage) -> None:
    path, state = tmp_path / "gallery", dict[str, int]()
    Gallery.create(path, SPEC, storage)
    acknowledged = 0
    first = int(os.environ.get("PARTLENS_TEST_SEED", "1"))
    for seed in range(first, first + ROUNDS):
        before = state
        state, begun = killed_after(path, seed, state)
        acknowledged += state != before
        state = require_whole(path, state, begun, f"PARTLENS_TEST_SEED={seed}")
    assert acknowledged > ROUNDS // 3  # else the writer was killed too early to test anything


def killed_at(path: Path, at: int) -> bool:
    """Whether a writer was killed before its file operation number `at`; else it has ended."""
    context = multiprocessing.get_context("forkserver")
    _ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=tidy_and_die, args=(path, at, theirs))
    child.start()
    theirs.close()
    child.join(DEADLINE)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


def operations(*, every: bool) -> Iterator[int]:
    """All numbers from 1, or eight that the seed chooses."""
    if every:
        return itertools.count(1)
    random = np.random.default_rng(int(os.environ.get("PARTLENS_TEST_SEED", "1")))
    return iter(sorted(random.choice(np.arange(1, 120), 8, replace=False).tolist()))


@pytest.mark.timeout(900)
@pytest.mark.usefixtures("preloaded")
@pytest.mark.parametrize("every", [False, pytest.param(True, marks=pytest.mark.long)])
def test_the_next_writer_removes_what_a_killed_one_left_and_erases(
    tmp_path: Path, storage: Storage, every: bool
) -> None:
    ends = 0
    for at in operations(every=every):
        path = tmp_path / str(at)
        with Gallery.create(path, SPEC, storage) as made:
            made.add([image("a"), image("c")])
            made.add([image("e")])
            made.delete(["e"])
        ends += not killed_at(path, at)
        with Gallery.open(path) as gallery:
            gallery.delete(["nobody"])
            used = {segment.path for segment in gallery.view.live.segments}
        assert set((path / "segments").iterdir()) == used, at
        assert not [file for file in path.rglob(".*") if file.parent.name != "truth.lance"], at
        assert erase(path, ["a", "b", "e"]).gone, at
        assert not verify(path).findings, at
        assert set(Gallery.open(path).view.digests()) - {"d"} == {"c"}, at
        shutil.rmtree(path)
        if ends:
            break
    assert ends or not every


def require_whole(path: Path, state: dict[str, int], begun: Change, where: str) -> dict[str, int]:
    """Compare with what was acknowledged, with or without the one change that was not yet."""
    gallery = Gallery.open(path)
    digests = gallery.view.digests()
    found = {id: int(digest.removeprefix("sha256:")) for id, digest in digests.items()}
    assert found in (state, after(state, begun)), f"{where}: {begun}"
    ids = [stored.id for stored in gallery.view.list(limit=1000)]
    assert ids == sorted(found), where
    if not ids:
        return found
    contributions, bias = gallery.view.decompositions(ids)
    expected = [image(id, found[id]) for id in ids]
    assert gallery.view.thumbnails(ids) == [one.thumbnail for one in expected], where
    np.testing.assert_array_equal(bias, [one.bias for one in expected], where)
    kept = Stored.of(np.stack([one.contributions for one in expected]), gallery.bound.storage)
    np.testing.assert_array_equal(contributions, kept[:], where)
    best = score_images("context", parts(), contributions, bias, GRID).scores.argmax()
    hit = search(gallery.view.live, parts(), "context", Filter(), 1, GRID, gallery.indexes.of)[0]
    assert hit.id == ids[best], where
    return found
