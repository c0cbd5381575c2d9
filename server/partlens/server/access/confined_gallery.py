"""A gallery as one caller may see and change it."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

from partlens.indexer.gallery import Gallery, NewImage, StoredImage
from partlens.indexer.gallery.view import GalleryView
from partlens.server.access.caller import Confinement
from partlens.server.access.confined_view import ConfinedView
from partlens.server.errors import ForbiddenError

T = TypeVar("T")


class ConfinedWriter:
    """Changes a gallery for one caller while nobody else can.

    Args:
        newest: the gallery as it is until this writer changes it.
    """

    def __init__(self, gallery: Gallery, newest: ConfinedView) -> None:
        self._gallery, self._newest = gallery, newest

    def require_addable(self, image: NewImage) -> None:
        """Raise ForbiddenError unless the caller may add the image and see the one it replaces."""
        within = self._newest.within
        within.require(image.metadata.camera)
        for replaced in self._newest.whole.metadata([image.id]).values():
            if not within.sees(replaced):
                # Not even whose it is: that would tell of a camera that is not the caller's.
                raise ForbiddenError(f"this token may not replace image {image.id!r}")

    def add(self, images: Sequence[NewImage]) -> Sequence[StoredImage]:
        """As Gallery.add.

        Raises:
            ForbiddenError: one is not addable; nothing is added.
        """
        for image in images:
            self.require_addable(image)
        return self._gallery.add(images)

    def delete(self, ids: Sequence[str]) -> int:
        """Delete those that the caller sees; how many."""
        return self._gallery.delete(sorted(self._newest.visible(ids)))


class ConfinedGallery:
    """A gallery without the images outside a confinement: to its caller they do not exist.

    Args:
        require_waiting: raises when the caller is gone, to end a search early.
    """

    def __init__(
        self,
        gallery: Gallery,
        within: Confinement,
        require_waiting: Callable[[], None] = lambda: None,
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
        """As Gallery.read."""
        return self._gallery.read(lambda view: work(self.seen_in(view)))

    @contextmanager
    def writing(self) -> Iterator[ConfinedWriter]:
        """As Gallery.writing: what the writer checks in the block holds when it writes."""
        with self._gallery.writing() as newest:
            yield ConfinedWriter(self._gallery, self.seen_in(newest))
