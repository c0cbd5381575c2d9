"""A process that changes a gallery at random and reports each change before and after it."""

import os
import signal
import sys
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from gallery_images import image, parts

from partlens.explainer.scoring.engines import ENGINE
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery import Correction, Filter, Gallery, Metadata, compaction
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.snapshot import take

IDS = 40
_FILE_EVENTS = {"open", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "shutil.rmtree"}


class Change(NamedTuple):
    """A change that the writer is about to make, or has made.

    Attributes:
        kind: "add" (which also replaces), "stage" (which only adds), "correct", "delete", "erase"
            or "compact".
        ids: ids of the affected images.
        seed: seed of the added images.
    """

    kind: str
    ids: tuple[str, ...]
    seed: int


def after(state: dict[str, int], change: Change) -> dict[str, int]:
    """id -> seed after a change."""
    if change.kind in ("add", "stage"):
        return {**state, **dict.fromkeys(change.ids, change.seed)}
    if change.kind in ("delete", "erase"):
        return {id: seed for id, seed in state.items() if id not in change.ids}
    return state


def write_for_ever(path: Path, seed: int, pipe: Connection) -> None:
    """Sends (change, False) before each change, and (change, True) once it is acknowledged."""
    compaction._COMMITS = 5  # so that even a short run includes background compaction
    random = np.random.default_rng(seed)
    with Gallery.open(path) as gallery:
        for number in range(1, 100_000):
            kind = str(
                random.choice(
                    ["add", "correct", "delete", "erase", "compact"], p=[0.6, 0.1, 0.2, 0.05, 0.05]
                )
            )
            names = random.choice(IDS, int(random.integers(1, 6)), replace=False)
            change = Change(kind, tuple(str(n) for n in names), seed * 100_000 + number)
            pipe.send((change, False))
            if kind == "add":
                gallery.add([image(id, change.seed) for id in change.ids])
            elif kind == "correct":
                digests = gallery.view.digests()
                known = Metadata(camera=str(change.seed))
                gallery.correct(
                    [
                        Correction(id, digests.get(id, ""), "file:///moved", known)
                        for id in change.ids
                    ]
                )
            elif kind in ("delete", "erase"):
                gallery.delete(change.ids)
                if kind == "erase":
                    gallery.purge()
            else:
                gallery.compact()
            pipe.send((change, True))


def tidy_and_die(path: Path, at: int, pipe: Connection) -> None:
    """Merges, deletes and erases, and is killed before its file operation number `at`.

    Sends True if it came to the end before that.
    """
    with Gallery.open(path) as gallery:
        _die_before(at, path)
        gallery.add([image("b"), image("c", 2)])
        gallery.compact()
        gallery.add([image("d")])
        gallery.delete(["b"])
        gallery.purge()
    pipe.send(True)


def erase_and_die(path: Path, ids: Sequence[str], at: int) -> None:
    """Erases images, and is killed before its file operation number `at`."""
    _die_before(at, path)
    erase(path, ids)


def snapshot_and_die(path: Path, target: Path, at: int) -> None:
    """Writes a snapshot, and is killed before its file operation number `at`."""
    _die_before(at, target.parent)
    take(path, target)


def read_what_is_cut_short(
    path: Path, file: str, damage: Callable[[Path], None], engine: str, pipe: Connection
) -> None:
    """Opens a gallery, damages an array of each segment, and sends which reads met damage."""
    os.environ[ENGINE] = engine
    view, met = Gallery.open(path).view, list[str]()
    for each in path.glob(f"segments/*/{file}"):
        damage(each)
    reads: dict[str, Callable[[], object]] = {
        "context": lambda: view.search(parts(), "context", Filter(), 10),
        "whole": lambda: view.search(parts(), "whole", Filter(), 10),
        "decompositions": lambda: view.decompositions([one.id for one in view.list()]),
    }
    for name, read in reads.items():
        try:
            read()
        except DamagedError:
            met.append(name)
    pipe.send(met)


def _die_before(at: int, path: Path) -> None:
    """Have the system kill this process before its operation number `at` on a file of a folder."""
    left = at

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal left
        # Deletions below an open folder give names only.
        if event in _FILE_EVENTS and (
            str(arguments[0]).startswith(str(path)) or "/" not in str(arguments[0])
        ):
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(count)
