"""Fills a generated gallery, and resumes where a run was ended."""

import json
import resource
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from partlens.common.durable import write_atomically
from partlens.common.storage import Storage
from partlens.common.terminal import say
from partlens.explainer.model import MetricModel
from partlens.indexer.bench import synthetic
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.plan import IndexChoice

_FILE, _MODEL, GALLERY = "filling.json", "model", "gallery"
_STEP = 0.01
"""Share of the images after which the figures are written and printed."""


@dataclass(frozen=True)
class Filling:
    """What filling a gallery took so far.

    Attributes:
        images: how many it holds.
        seconds: from the first image to the last index, without pauses between runs.
        processor_seconds: of all threads, making the images included.
        peak_bytes: most memory of the process, pages of mapped files included.
        complete: whether it holds all images and their indexes.
    """

    images: int = 0
    seconds: float = 0.0
    processor_seconds: float = 0.0
    peak_bytes: int = 0
    complete: bool = False

    @classmethod
    def read(cls, folder: Path) -> "Filling":
        """That of the gallery of a folder; nothing yet where none was begun."""
        file = folder / _FILE
        return cls(**json.loads(file.read_text(encoding="utf-8"))) if file.exists() else cls()


class _Watch:
    """Adds what this run takes to what earlier ones took."""

    def __init__(self, folder: Path) -> None:
        self._folder, self.taken = folder, Filling.read(folder)
        self._begun, self._worked = time.perf_counter(), time.process_time()

    def note(self, images: int, *, complete: bool = False) -> None:
        """Write down how far the gallery is."""
        now, worked = time.perf_counter(), time.process_time()
        before = self.taken
        self.taken = Filling(
            images,
            before.seconds + now - self._begun,
            before.processor_seconds + worked - self._worked,
            max(before.peak_bytes, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss),
            complete,
        )
        self._begun, self._worked = now, worked
        write_atomically(self._folder / _FILE, json.dumps(asdict(self.taken)).encode())
        rate = (images - before.images) / (self.taken.seconds - before.seconds)
        done = "complete" if complete else f"{rate:.0f} per second"
        say(
            f"{images} images in {self.taken.seconds:.0f} s ({done}),"
            f" {self.taken.processor_seconds:.0f} s of processor time",
            err=True,
        )


def filled(folder: Path, images: int, storage: Storage, memory: int | None) -> None:
    """Create and fill the gallery of a folder, or add what it lacks. Progress goes to stderr.

    Args:
        storage: storage type of a new gallery.
        memory: limit of the indexes of a new gallery in bytes; None for no limit.

    Raises:
        IndexerError: the gallery cannot be written.
    """
    if Filling.read(folder).complete:
        return
    with _opened(folder, storage) as gallery:
        if not len(gallery.view):
            gallery.compact(IndexChoice(memory_bytes=memory))
        watch = _Watch(folder)

        def after_commit(count: int) -> None:
            if count - watch.taken.images >= _STEP * images:
                watch.note(count)

        synthetic.fill(gallery, images, after_commit=after_commit)
        watch.note(images, complete=True)


def _opened(folder: Path, storage: Storage) -> Gallery:
    if (folder / GALLERY).exists():
        return Gallery.open(folder / GALLERY)
    model = folder / _MODEL
    made = MetricModel.load(model) if model.exists() else synthetic.make_model(model)
    return Gallery.create(folder / GALLERY, made.spec, storage)
