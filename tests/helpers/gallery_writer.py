"""A process that changes a gallery at random and reports each change before and after it."""

from multiprocessing.connection import Connection
from pathlib import Path
from typing import NamedTuple

import numpy as np
from gallery_images import image

from partlens.indexer.gallery import Correction, Gallery, Metadata, compaction

IDS = 40


class Change(NamedTuple):
    """A change that the writer is about to make, or has made.

    Attributes:
        kind: "add" (which also replaces), "correct", "delete", "erase" or "compact".
        ids: ids of the affected images.
        seed: seed of the added images.
    """

    kind: str
    ids: tuple[str, ...]
    seed: int


def after(state: dict[str, int], change: Change) -> dict[str, int]:
    """id -> seed after a change."""
    if change.kind == "add":
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
