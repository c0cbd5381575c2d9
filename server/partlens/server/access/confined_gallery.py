"""The gallery as one caller may see and change it: the one way from a request to its images."""

from collections.abc import Callable, Sequence

from partlens.explainer.scoring import QueryPart, Score
from partlens.indexer.errors import NotFoundError
from partlens.indexer.gallery import Candidate, Filter, Gallery, GroupBy, NewImage, StoredImage
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.view import View
from partlens.server.access.caller import Confinement

NO_FILTER = Filter()


class ConfinedGallery:
    """A gallery, less the images outside a confinement: to its caller they do not exist.

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
    def version(self) -> int:
        """Grows with every commit, of anyone."""
        return self._gallery.version

    @property
    def view(self) -> View:
        """What is seen now."""
        return self._gallery.view

    def __len__(self) -> int:
        if self._within.cameras is None:
            return len(self._gallery)
        return self._gallery.count(self._within.narrowed(NO_FILTER))

    def get(self, id: str) -> StoredImage:
        """The image of this id; NotFoundError if there is none."""
        self._require([id])
        return self._gallery.get(id)

    def list(self, after: str, limit: int) -> Sequence[StoredImage]:
        """Images in order of id, from the first id above `after`."""
        return self._gallery.list(after, limit, self._within.narrowed(NO_FILTER))

    def thumbnails(self, ids: Sequence[str]) -> Sequence[bytes]:
        """As Gallery.thumbnails; NotFoundError for an id that is not there."""
        self._require(ids)
        return self._gallery.thumbnails(ids)

    def with_thumbnails(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """As Gallery.with_thumbnails, of what a search here found."""
        return self._gallery.with_thumbnails(found)

    def decompositions(self, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """As Gallery.decompositions; NotFoundError for an id that is not there."""
        self._require(ids)
        return self._gallery.decompositions(ids)

    def search(
        self,
        parts: Sequence[QueryPart],
        score: Score,
        where: Filter,
        top: int,
        by: GroupBy | None,
        view: View,
    ) -> Sequence[Candidate]:
        """As Gallery.search.

        Raises:
            ForbiddenError: the filter names a camera outside.
        """
        return self._gallery.search(
            parts, score, self._within.narrowed(where), top, self._require_waiting, by, view
        )

    def current(self, found: Sequence[Candidate], view: View) -> Sequence[Candidate]:
        """As Gallery.current, of what a search here found."""
        return self._gallery.current(found, view)

    def require_addable(self, image: NewImage) -> None:
        """Raise ForbiddenError unless the image is within, and the one it replaces too."""
        self._within.require(image.metadata.camera)
        for replaced in self._gallery.metadata([image.id]).values():
            self._within.require(replaced.camera)

    def add(self, images: Sequence[NewImage]) -> Sequence[StoredImage]:
        """As Gallery.add.

        Raises:
            ForbiddenError: one is not addable; nothing is added.
        """
        for image in images:
            self.require_addable(image)
        return self._gallery.add(images)

    def delete(self, ids: Sequence[str]) -> int:
        """Deletes those that are there; how many."""
        return self._gallery.delete(sorted(self._held(ids)))

    def _held(self, ids: Sequence[str]) -> set[str]:
        found = self._gallery.metadata(ids)
        return {id for id, metadata in found.items() if self._within.sees(metadata)}

    def _require(self, ids: Sequence[str]) -> None:
        held = self._held(ids)
        for id in ids:
            if id not in held:
                raise NotFoundError(f"the gallery has no image {id!r}")
