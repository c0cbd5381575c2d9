"""What one caller may see of a gallery at one commit. All requests read images through this."""

from collections.abc import Sequence
from dataclasses import dataclass

from partlens.common.filters import Filter, GroupBy
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.scoring import QueryPart, Score
from partlens.indexer.errors import NotFoundError
from partlens.indexer.gallery import Candidate, StoredImage
from partlens.indexer.gallery.facets import Facets
from partlens.indexer.gallery.fan_out import Layouts
from partlens.indexer.gallery.kept_rows import Decomposition
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.view import GalleryView, Hits
from partlens.server.access.known_attributes import require_known
from partlens.server.caller.confinement import Confinement

_EVERYTHING = Filter()


@dataclass(frozen=True, eq=False)
class ConfinedView:
    """A view that hides the images outside a confinement from its caller.

    Access is checked on the same rows that are then read.

    Attributes:
        whole: the view with all images.
        within: the confinement.
        require_waiting: raises when the caller is gone, to end a search early.
    """

    whole: GalleryView
    within: Confinement
    require_waiting: RequireWaiting = wait_always

    @property
    def number(self) -> int:
        """Number of the commit; grows with every commit by anyone."""
        return self.whole.number

    def __len__(self) -> int:
        if self.within.cameras is None:
            return len(self.whole)
        return self.whole.count(self.within.narrowed(_EVERYTHING))

    def get(self, id: str) -> StoredImage:
        """The image with this id; NotFoundError if there is none."""
        self._require([id])
        return self.whole.get(id)

    def list(
        self, after: str, limit: int, where: Filter, prefix: str = ""
    ) -> Sequence[StoredImage]:
        """See GalleryView.list.

        Raises:
            ForbiddenError: the filter names a camera outside the confinement.
            RequestError: no image here has an attribute of the filter.
        """
        narrowed = self._narrowed(where)
        return self.whole.list(after, limit, narrowed, self.require_waiting, prefix)

    def facets(self, where: Filter, values: int) -> Facets:
        """See GalleryView.facets; raises as list does."""
        return self.whole.facets(self._narrowed(where), values, self.require_waiting)

    def thumbnails(self, ids: Sequence[str]) -> Sequence[bytes]:
        """See GalleryView.thumbnails."""
        self._require(ids)
        return self.whole.thumbnails(ids)

    def readable_thumbnails(self, ids: Sequence[str]) -> Sequence[bytes | None]:
        """See GalleryView.readable_thumbnails."""
        self._require(ids)
        return self.whole.readable_thumbnails(ids)

    def with_thumbnails(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """See GalleryView.with_thumbnails."""
        self._require([one.id for one in found])
        return self.whole.with_thumbnails(found)

    def decompositions_of(self, found: Sequence[Candidate]) -> tuple[FloatArray, FloatArray]:
        """See GalleryView.decompositions_of."""
        self._require([one.id for one in found])
        return self.whole.decompositions_of(found)

    def decomposition(self, id: str) -> Decomposition:
        """See GalleryView.decomposition."""
        self._require([id])
        return self.whole.decomposition(id)

    def search(
        self,
        parts: Sequence[QueryPart],
        score: Score,
        where: Filter,
        top: int,
        by: GroupBy | None,
        first: int = 0,
        earlier: Layouts = (),
        *,
        partial: bool = False,
    ) -> Hits:
        """See GalleryView.search.

        Raises:
            ForbiddenError: the filter names a camera outside the confinement.
            RequestError: no image here has an attribute of the filter, or the one to group by.
        """
        narrowed = self._narrowed(where, by)
        return self.whole.search(
            parts, score, narrowed, top, self.require_waiting, by, first, earlier, partial=partial
        )

    def unchanged(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """See GalleryView.unchanged."""
        return self.whole.unchanged(found)

    def visible(self, ids: Sequence[str]) -> set[str]:
        """The given ids that have an image here."""
        found = self.whole.metadata(ids)
        return {id for id, metadata in found.items() if self.within.sees(metadata)}

    def _narrowed(self, where: Filter, by: GroupBy | None = None) -> Filter:
        narrowed, visible = self.within.narrowed(where), self.within.narrowed(_EVERYTHING)
        require_known(self.whole, visible, where, by, self.require_waiting)
        return narrowed

    def _require(self, ids: Sequence[str]) -> None:
        if self.within.cameras is None:
            return  # the whole view says what is missing, in the same lookup
        visible = self.visible(ids)
        for id in ids:
            if id not in visible:
                raise NotFoundError(f"the gallery has no image {id!r}")
