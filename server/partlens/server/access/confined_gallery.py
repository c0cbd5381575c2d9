"""A gallery as one caller may see and change it."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.errors import InvalidImageError
from partlens.indexer.gallery import Gallery, NewImage
from partlens.indexer.gallery.view import GalleryView
from partlens.server.access.confined_changes import PlannedChanges, planned
from partlens.server.access.confined_view import ConfinedView
from partlens.server.caller.confinement import Confinement
from partlens.server.errors import ForbiddenError
from partlens.server.requests.image_changes import ImageChange

T = TypeVar("T")


@dataclass(frozen=True)
class Added:
    """Result of adding images.

    Attributes:
        replaced: ids that existed before.
        refused: position among the given images -> why the image was not added.
    """

    replaced: Set[str]
    refused: Mapping[int, ForbiddenError | InvalidImageError]


class ConfinedWriter:
    """Changes a gallery for one caller, with exclusive access.

    Args:
        newest: the gallery's current state, until this writer changes it.
    """

    def __init__(self, gallery: Gallery, newest: ConfinedView) -> None:
        self._gallery, self._newest = gallery, newest

    def add(self, uploads: Sequence[tuple[Confinement, Sequence[NewImage]]]) -> list[Added]:
        """Add the images that their callers may add and the gallery can hold, in one commit.

        If an id is given twice, the later image stays, as if each were committed separately.

        Args:
            uploads: what each caller may change, and its images; no id is given by two callers.

        Raises:
            LockedError, StorageError: see Gallery.add.
        """
        refused = [self._forbidden(images, within) for within, images in uploads]
        while True:
            chosen = {
                one.id: (caller, number)
                for caller, (_, images) in enumerate(uploads)
                for number, one in enumerate(images)
                if number not in refused[caller]
            }
            try:
                added = [uploads[caller][1][number] for caller, number in chosen.values()]
                replaced = {one.id for one in self._gallery.add(added)}
            except InvalidImageError as error:
                if error.id not in chosen:
                    raise
                caller, number = chosen[error.id]
                refused[caller][number] = error
                continue
            return [
                Added(replaced & {one.id for one in images}, refusals)
                for (_, images), refusals in zip(uploads, refused, strict=True)
            ]

    def _forbidden(
        self, images: Sequence[NewImage], within: Confinement
    ) -> dict[int, ForbiddenError | InvalidImageError]:
        """Position -> why the caller may not add the image, or may not replace the one there."""
        if within.cameras is None:
            return {}
        forbidden = dict[int, ForbiddenError | InvalidImageError]()
        there = self._newest.whole.metadata([image.id for image in images])
        for number, image in enumerate(images):
            try:
                within.require(image.metadata.camera)
            except ForbiddenError as error:
                forbidden[number] = error
                continue
            if image.id in there and not within.sees(there[image.id]):
                # Not naming the camera, which the caller may not know about.
                message = f"this token may not replace image {image.id!r}"
                forbidden[number] = ForbiddenError(message)
        return forbidden

    def delete(self, ids: Sequence[str]) -> int:
        """Delete the images that the caller may see; return how many."""
        return self._gallery.delete(sorted(self._newest.visible(ids)))

    def update(self, changes: Sequence[ImageChange]) -> PlannedChanges:
        """Change metadata of images that the caller may see, in one commit; see planned.

        Raises:
            RequestError, ForbiddenError: see planned; nothing is changed.
            LockedError, StorageError: see Gallery.add.
        """
        there = self._newest.whole.stored([change.id for change in changes])
        plan = planned(changes, there, self._newest.within)
        self._gallery.correct(plan.corrections)
        return plan


class ConfinedGallery:
    """A gallery that hides the images outside a confinement from its caller.

    Args:
        require_waiting: raises when the caller is gone, to end a search early.
    """

    def __init__(
        self,
        gallery: Gallery,
        within: Confinement,
        require_waiting: RequireWaiting = wait_always,
    ) -> None:
        self._gallery, self._within = gallery, within
        self._require_waiting = require_waiting

    @property
    def view(self) -> ConfinedView:
        """What the caller sees now."""
        return self.seen_in(self._gallery.view)

    def seen_in(self, view: GalleryView) -> ConfinedView:
        """What the caller may see of a view."""
        return ConfinedView(view, self._within, self._require_waiting)

    def read(self, work: Callable[[ConfinedView], T]) -> T:
        """See Gallery.read."""
        return self._gallery.read(lambda view: work(self.seen_in(view)))

    @contextmanager
    def writing(self) -> Iterator[ConfinedWriter]:
        """See Gallery.writing: what the writer checks in the block still holds when it writes."""
        with self._gallery.writing() as newest:
            yield ConfinedWriter(self._gallery, self.seen_in(newest))
