"""Fills a gallery of another model from a gallery's originals."""

from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

from partlens.common.metadata import Metadata
from partlens.common.pictures import DEFAULT_LIMITS, ImageLimits
from partlens.explainer.errors import ImageError
from partlens.explainer.model import MetricModel
from partlens.indexer.errors import OriginalError
from partlens.indexer.extraction import Batch, extract
from partlens.indexer.gallery import Correction, Gallery, StoredImage
from partlens.indexer.gallery.holdings import Holdings
from partlens.indexer.gallery.view import GalleryView
from partlens.indexer.indexing import Progress, index_batches
from partlens.indexer.originals import Originals
from partlens.indexer.stated import Stated

_PAGE = 1024
"""Images that are looked up at once."""


@dataclass(frozen=True)
class OriginalOf:
    """The original of a gallery image, as a SourceImage."""

    image: StoredImage
    originals: Originals

    @property
    def id(self) -> str:
        """Id of the image in both galleries."""
        return self.image.id

    @property
    def uri(self) -> str:
        """Address of the original."""
        return self.image.uri

    @property
    def metadata(self) -> Metadata:
        """Metadata that the gallery has."""
        return self.image.metadata

    @property
    def stated(self) -> Stated:
        """Everything, since the gallery knows all of its image."""
        image = self.image.metadata
        return Stated(True, True, True, True, frozenset(image.attributes))

    def read(self, limits: ImageLimits = DEFAULT_LIMITS) -> bytes:
        """The bytes that were indexed; raises ImageError if they cannot be had."""
        try:
            return self.originals.read(self.image, limits.max_bytes)
        except OriginalError as error:
            raise ImageError(f"its original cannot be read: {error}") from error


def reindex(
    source: Gallery,
    gallery: Gallery,
    model: MetricModel,
    originals: Originals,
    batch_size: int = 32,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Add all images of a gallery to one of another model; run it again to resume.

    Images that are there with the same bytes need no original: only their uri and metadata are
    written, where they differ.

    Args:
        model: the model that `gallery` is bound to.
        report: called after each commit.

    Returns:
        Progress, whose `bad` lists the images whose original cannot be read.

    Raises:
        GalleryError: the gallery cannot be written to.
    """
    held = gallery.view.holdings()
    batches = _batches(source, held, model, originals, batch_size)
    return index_batches(gallery, batches, len(source.view), report=report)


def only_in(gallery: Gallery, source: Gallery) -> Sequence[str]:
    """Ids of the images of a gallery that another one does not have, in order."""
    return sorted(gallery.view.digests().keys() - source.view.digests().keys())


def _batches(
    source: Gallery,
    held: Holdings,
    model: MetricModel,
    originals: Originals,
    batch_size: int,
) -> Generator[Batch, None, None]:
    for page in _pages(source):
        new, corrections = list[OriginalOf](), list[Correction]()
        for one in page:
            there = held.get(one.id)
            if there is None or there.media_digest != one.media_digest:
                new.append(OriginalOf(one, originals))
            elif (there.uri, there.metadata) != (one.uri, one.metadata):
                corrections.append(Correction(one.id, one.media_digest, one.uri, one.metadata))
        yield Batch([], corrections, [], len(page) - len(new) - len(corrections))
        yield from extract(model, new, batch_size=batch_size)


def _pages(source: Gallery) -> Iterator[Sequence[StoredImage]]:
    """All images of a gallery, in order of id."""

    def listed(view: GalleryView, after: str) -> Sequence[StoredImage]:
        return view.list(after, _PAGE)

    after = ""
    while page := source.read(partial(listed, after=after)):
        yield page
        after = page[-1].id
