"""Fills a gallery from a source, commit by commit, so that a killed run can resume."""

import time
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field

from partlens.explainer.model import MetricModel
from partlens.indexer.commits import Commits
from partlens.indexer.errors import SourceError
from partlens.indexer.extraction import BadImage, Batch, extract
from partlens.indexer.gallery import Correction, Gallery, NewImage
from partlens.indexer.sources import Source, SourceImage


@dataclass(frozen=True)
class OtherPlace:
    """An image whose id the gallery knew from another place.

    Attributes:
        id: of the image.
        before: uri that the gallery had.
        now: uri that it has now.
    """

    id: str
    before: str
    now: str


@dataclass
class Progress:
    """How far a run is.

    Attributes:
        total: images of the source; 0 where nobody knows.
        added: new images that are on disk in the gallery.
        replaced: images of an id that was there with other bytes.
        updated: images whose metadata or uri was changed, without a pass through the model.
        unchanged: images that were there already, with the same bytes and metadata.
        bad: images that were skipped.
        moved: those of `updated` that now come from another uri.
        displaced: those of `replaced` that now come from another uri: perhaps another image.
        seconds: from the beginning of the run to the last commit.
        since: time.monotonic() at the beginning of the run.
    """

    total: int
    added: int = 0
    replaced: int = 0
    updated: int = 0
    unchanged: int = 0
    bad: list[BadImage] = field(default_factory=list)
    moved: list[OtherPlace] = field(default_factory=list)
    displaced: list[OtherPlace] = field(default_factory=list)
    seconds: float = 0.0
    since: float = field(default_factory=time.monotonic)

    @property
    def done(self) -> int:
        """Images dealt with."""
        return self.added + self.replaced + self.updated + self.unchanged + len(self.bad)

    @property
    def images_per_second(self) -> float:
        """Of the images that were added or replaced."""
        return (self.added + self.replaced) / self.seconds if self.seconds > 0 else 0.0

    @property
    def seconds_left(self) -> float | None:
        """Seconds until all images are dealt with, at the rate so far; None where nobody knows."""
        if not self.total or not self.done:
            return None
        return max(0, self.total - self.done) * self.seconds / self.done

    def write(self, gallery: Gallery, batches: Sequence[Batch]) -> None:
        """Write batches to a gallery, in two commits at most, and count their images."""
        self.add(gallery, [image for batch in batches for image in batch.images])
        self.correct(gallery, [one for batch in batches for one in batch.corrections])
        for batch in batches:
            self.unchanged += batch.unchanged
            self.bad += batch.bad
        self.seconds = time.monotonic() - self.since

    def add(self, gallery: Gallery, images: Sequence[NewImage]) -> None:
        """Add images to a gallery in one commit, and count them."""
        before = {one.id: one.uri for one in gallery.add(images)}
        self.added += len(images) - len(before)
        self.replaced += len(before)
        self.displaced += _elsewhere(images, before)

    def correct(self, gallery: Gallery, corrections: Sequence[Correction]) -> None:
        """Correct images of a gallery in one commit, and count them."""
        before = {one.id: one.uri for one in gallery.correct(corrections)}
        self.updated += len(before)
        self.moved += _elsewhere(corrections, before)
        self.bad += [
            BadImage(one.id, "another process has changed it meanwhile; run this again")
            for one in corrections
            if one.id not in before
        ]


def _elsewhere(
    images: Sequence[NewImage] | Sequence[Correction], before: Mapping[str, str]
) -> list[OtherPlace]:
    return [
        OtherPlace(one.id, before[one.id], one.uri)
        for one in images
        if one.id in before and before[one.id] != one.uri
    ]


def index_images(
    gallery: Gallery,
    model: MetricModel,
    images: Source,
    *,
    strict: bool = False,
    batch_size: int = 32,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Add images to a gallery. Those that are there with the same bytes need no pass.

    Of those the metadata is compared: what the source states is written, and what it does not
    state stays as the gallery has it (metadata.Stated).

    Args:
        strict: stop at the first image that cannot be used, instead of skipping it.
        report: called after each commit, when it is on disk, on the thread that commits.

    Raises:
        SourceError: under strict, a bad image; the batches before it are in the gallery.
        GalleryError: the gallery cannot be written to.
    """
    batches = extract(model, images, gallery.view.holdings(), batch_size)
    return index_batches(gallery, batches, len(images), strict=strict, report=report)


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
    batches = (batch for group in groups for batch in extract(model, group, batch_size=len(group)))
    return index_batches(gallery, batches, 0, strict=strict, report=report)


def index_batches(
    gallery: Gallery,
    batches: Generator[Batch, None, None],
    total: int,
    *,
    strict: bool = False,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Add images that were extracted elsewhere; arguments and errors are those of index_images.

    Args:
        total: images of the source; 0 where nobody knows.
    """
    progress = Progress(total)

    def write(batches: Sequence[Batch]) -> None:
        progress.write(gallery, batches)
        report(progress)

    # Closed first, so that no image is read any more while the last batches are written.
    with Commits(write) as commits, closing(batches):
        for batch in batches:
            if strict:
                require_good(batch)
            commits.put(batch)
    return progress


def require_good(batch: Batch) -> None:
    """Raise SourceError if an image of a batch cannot be used."""
    for first in batch.bad[:1]:
        raise SourceError(f"image {first.id!r}: {first.reason} (--strict stops here)")
