"""Smaller entries: a smaller model fitted to a gallery, and a gallery's images for another."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from partlens.common.metadata import MetadataError, require_metadata
from partlens.explainer.drafts import require_free
from partlens.explainer.model import MetricModel
from partlens.explainer.pooling import pool
from partlens.explainer.reduction import Projection, reduced, smaller
from partlens.indexer.errors import ModelMismatchError
from partlens.indexer.extraction import BadImage
from partlens.indexer.gallery import Correction, Gallery, NewImage, StoredImage
from partlens.indexer.gallery.holdings import Holdings
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.view import GalleryView
from partlens.indexer.indexing import Progress

FITTED_IMAGES = 8192
"""To so many at most a projection is fitted, evenly picked: its basis changes little with more."""
_AT_ONCE = 256


def fit_smaller(
    gallery: Gallery,
    model: MetricModel,
    folder: Path,
    grid: tuple[int, int] | None = None,
    dimensions: int | None = None,
    *,
    whitening: float = 0.0,
    removed: int = 0,
) -> MetricModel:
    """Save a smaller model, its projection fitted to a gallery's images on its own grid.

    Args:
        model: the one that the gallery is bound to.
        folder: of the smaller model.
        grid, dimensions: to keep; None for all.
        whitening, removed: of the projection; see Projection.fit.

    Raises:
        ShapeError: more than the model has, or a projection is to be fitted to no image.
        ModelError: of a model that is a smaller one already.
        ModelFileError: the folder is there already.
        ModelMismatchError: the gallery is bound to another model.
    """
    require_free(folder)
    if gallery.spec.digest != model.spec.digest:
        raise ModelMismatchError(gallery.spec.digest, model.spec.digest)
    projection = None
    if dimensions is not None or whitening or removed:
        view = gallery.view
        ids = sorted(view.digests())
        some = np.unique(np.linspace(0, len(ids) - 1, min(len(ids), FITTED_IMAGES)).astype(int))
        read = (
            view.decompositions([ids[i] for i in some[start : start + _AT_ONCE]])
            for start in range(0, len(some), _AT_ONCE)
        )
        to = grid or model.spec.grid
        pooled = ((pool(c, model.spec.grid, to), bias) for c, bias in read)
        projection = Projection.fit(
            pooled, model.spec.dimensions, dimensions, whitening=whitening, removed=removed
        )
    return smaller(model, folder.name, grid, projection).save(folder)


def copy_images(
    source: Gallery,
    gallery: Gallery,
    model: MetricModel,
    report: Callable[[Progress], None] = lambda progress: None,
    alike: str = "",
) -> Progress:
    """Add all images of a gallery to another, without their pictures; run it again to resume.

    Args:
        source: of the same model, of one that gives the same contributions, or of the one that the
            smaller model was made of.
        gallery: what they are added to. Of images that are there with the same media only uri and
            metadata are written, where they differ.
        model: the one that `gallery` is bound to.
        report: called after each commit.
        alike: digest of a model that gives the same contributions; see `unregistered_digest`.

    Returns:
        How many were added, replaced, updated and left unchanged. Images with metadata that only
        earlier versions allowed are skipped.

    Raises:
        ModelMismatchError: the source is of another model.
        GalleryError: the gallery cannot be written to.
    """
    reduction = model.spec.reduction
    same = source.spec.digest in (model.spec.digest, alike)
    if not same and (reduction is None or source.spec.digest != reduction.of):
        raise ModelMismatchError(source.spec.digest, model.spec.digest)
    progress, held = Progress(len(source.view)), gallery.view.holdings()
    for page in _pages(source, held):
        contributions, bias = page.contributions, page.bias
        if not same:
            contributions, bias = reduced(model, contributions, bias)
        images = [
            NewImage(
                one.id,
                one.uri,
                one.media_digest,
                one.width,
                one.height,
                thumbnail,
                one.metadata,
                contributions=c,
                bias=b,
            )
            for one, thumbnail, c, b in zip(
                page.new, page.thumbnails, contributions, bias, strict=True
            )
        ]
        progress.add(gallery, images)
        progress.correct(gallery, page.corrections)
        progress.bad += page.bad
        progress.unchanged += page.unchanged
        progress.seconds = time.monotonic() - progress.since
        report(progress)
    return progress


@dataclass(frozen=True, eq=False)
class _Page:
    """Some images of a gallery, all of one view, by what another gallery lacks of them.

    Attributes:
        new: to add, with their thumbnails, contributions [M, P, D] and bias [M, D].
        corrections: of what the other gallery holds.
        bad: that cannot be added.
        unchanged: how many the other gallery holds as they are.
        last: the greatest id of all.
    """

    new: Sequence[StoredImage]
    thumbnails: Sequence[bytes]
    contributions: FloatArray
    bias: FloatArray
    corrections: Sequence[Correction]
    bad: Sequence[BadImage]
    unchanged: int
    last: str


def _page(view: GalleryView, after: str, held: Holdings) -> _Page | None:
    """The images behind an id; None if there is none."""
    new, corrections, bad = list[StoredImage](), list[Correction](), list[BadImage]()
    listed = view.list(after, _AT_ONCE)
    if not listed:
        return None
    for one in listed:
        there = held.get(one.id)
        try:
            require_metadata(one.metadata, one.uri)
        except MetadataError as error:
            bad.append(BadImage(one.id, str(error)))
            continue
        if there is None or there.media_digest != one.media_digest:
            new.append(one)
        elif (there.uri, there.metadata) != (one.uri, one.metadata):
            corrections.append(Correction(one.id, one.media_digest, one.uri, one.metadata))
    ids = [one.id for one in new]
    unchanged = len(listed) - len(new) - len(corrections) - len(bad)
    thumbnails, last = view.thumbnails(ids), listed[-1].id
    return _Page(new, thumbnails, *view.decompositions(ids), corrections, bad, unchanged, last)


def _pages(source: Gallery, held: Holdings) -> Iterator[_Page]:
    """All images of a gallery, in order of id."""
    after = ""
    while page := source.read(partial(_page, after=after, held=held)):
        yield page
        after = page.last
