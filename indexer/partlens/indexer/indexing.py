"""Fills a gallery from a source, commit by commit, so that a killed run goes on where it was."""

import time
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from partlens.explainer.model import MetricModel
from partlens.indexer.commits import Commits
from partlens.indexer.errors import SourceError
from partlens.indexer.extraction import BadImage, Batch, extract
from partlens.indexer.gallery import Gallery
from partlens.indexer.sources import Source, SourceImage


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        total: images of the source; 0 where nobody knows.
        added: images that are on disk in the gallery.
        unchanged: images that were there already, with the same bytes.
        bad: images skipped.
        seconds: since the run began.
    """

    total: int
    added: int = 0
    unchanged: int = 0
    bad: list[BadImage] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def done(self) -> int:
        """Images dealt with."""
        return self.added + self.unchanged + len(self.bad)

    @property
    def images_per_second(self) -> float:
        """Of the images that went through the model."""
        return self.added / self.seconds if self.seconds > 0 else 0.0


def index_images(
    gallery: Gallery,
    model: MetricModel,
    images: Source,
    *,
    strict: bool = False,
    batch_size: int = 32,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Add images to a gallery; those that are there with the same bytes are left alone.

    Args:
        strict: stop at the first image that cannot be used, instead of skipping it.
        report: called after each commit, when it is on disk, on the thread that commits.

    Raises:
        SourceError: under strict, a bad image; the batches before it are in the gallery.
        GalleryError: the gallery cannot be written to.
    """
    batches = extract(model, images, gallery.digests(), batch_size)
    return _commit(gallery, batches, len(images), strict, report)


def index_groups(
    gallery: Gallery,
    model: MetricModel,
    groups: Iterable[Sequence[SourceImage]],
    *,
    strict: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Add images that come as time goes by, each group as soon as it is there.

    What was given out before `groups` ends, or raises, is in the gallery. Arguments and errors are
    those of index_images, and those of `groups`.
    """
    batches = (batch for group in groups for batch in extract(model, group, {}, len(group)))
    return _commit(gallery, batches, 0, strict, report)


def _commit(
    gallery: Gallery,
    batches: Generator[Batch, None, None],
    total: int,
    strict: bool,
    report: Callable[[Progress], None],
) -> Progress:
    start, progress = time.monotonic(), Progress(total)

    def write(batches: Sequence[Batch]) -> None:
        gallery.add([image for batch in batches for image in batch.images])
        for batch in batches:
            progress.added += len(batch.images)
            progress.unchanged += batch.unchanged
            progress.bad += batch.bad
        progress.seconds = time.monotonic() - start
        report(progress)

    # Closed first, so that no image is read any more while the last batches are written.
    with Commits(write) as commits, closing(batches):
        for batch in batches:
            if strict and batch.bad:
                first = batch.bad[0]
                raise SourceError(f"image {first.id!r}: {first.reason} (--strict stops here)")
            commits.put(batch)
    return progress
