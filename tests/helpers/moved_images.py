"""An image that a process moves between two cameras, of which one is confidential."""

import time
from multiprocessing.synchronize import Event
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import LockedError
from partlens.indexer.gallery import Gallery, Metadata, NewImage

ID = "x"


def exact(numbers: NDArray[np.float64]) -> NDArray[np.float32]:
    """Numbers that float16, as which they are stored, does not round."""
    return numbers.astype(np.float16).astype(np.float32)


def revision(spec: ModelSpec, number: int, camera: str = "") -> NewImage:
    """The image ID as of one commit, of cameras a and b in turn: all of it tells which."""
    camera = camera or "ab"[number % 2]
    random = np.random.default_rng(number)
    return NewImage(
        id=ID,
        uri=f"{number}",
        media_digest=f"sha256:{number}",
        width=number + 1,
        height=1,
        thumbnail=camera.encode() + str(number).encode(),
        metadata=Metadata(camera, attributes={"number": str(number)}),
        contributions=exact(random.standard_normal((spec.positions, spec.dimensions))),
        bias=np.full(spec.dimensions, number, np.float32),
    )


def move_between_cameras(path: Path, stop: Event) -> None:
    """Moves ID to camera b and back; raises if it changes while it is there."""
    number = 0
    while not stop.is_set():
        number += 2
        moved = _put(path, number + 1, "b")
        time.sleep(0.02)
        if not moved:
            continue
        with Gallery.open(path) as gallery:
            there = gallery.view.get(ID)
        assert (there.uri, there.metadata.camera) == (f"{number + 1}", "b"), there
        while not _put(path, number + 2, "a"):
            time.sleep(0.001)
        time.sleep(0.02)


def _put(path: Path, number: int, camera: str) -> bool:
    """Whether it could: the test writes too."""
    try:
        with Gallery.open(path) as gallery:
            gallery.add([revision(gallery.spec, number, camera)])
    except LockedError:
        return False
    return True
