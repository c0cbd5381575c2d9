"""What one caller may see of a gallery at one commit: the one way from a request to its images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from partlens.common.filters import Filter, GroupBy
from partlens.explainer.scoring import QueryPart, Score
from partlens.indexer.errors import NotFoundError
from partlens.indexer.gallery import Candidate, StoredImage
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.view import GalleryView
from partlens.server.access.caller import Confinement

_EVERYTHING = Filter()


@dataclass(frozen=True, eq=False)
class ConfinedView:
    """A view without the images outside a confinement: to its caller they do not exist.

    The rights to an image are checked on the very rows that are then read.

    Attributes:
        whole: the view with all images.
        within: the confinement.
        require_waiting: raises when the caller is gone, to end a search early.
    """

    whole: GalleryView
    within: Confinement
    require_waiting: Callable[[], None] = lambda: None

    @property
    def number(self) -> int:
        """The commit's; grows with every commit, of anyone."""
        return self.whole.number

    def __len__(self) -> int:
        if self.within.cameras is None:
            return len(self.whole)
        return self.whole.count(self.within.narrowed(_EVERYTHING))

    def get(self, id: str) -> StoredImage:
        """The image of this id; NotFoundError if there is none."""
        self._require([id])
        return self.whole.get(id)

    def list(self, after: str, limit: int) -> Sequence[StoredImage]:
        """Images in order of id, from the first id above `after`."""
        return self.whole.list(after, limit, self.within.narrowed(_EVERYTHING))

    def thumbnails(self, ids: Sequence[str]) -> Sequence[bytes]:
        """As GalleryView.thumbnails."""
        self._require(ids)
        return self.whole.thumbnails(ids)

    def with_thumbnails(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """As GalleryView.with_thumbnails."""
        self._require([one.id for one in found])
        return self.whole.with_thumbnails(found)

    def decompositions(self, ids: Sequence[str]) -> tuple[FloatArray, FloatArray]:
        """As GalleryView.decompositions."""
        self._require(ids)
        return self.whole.decompositions(ids)

    def search(
        self,
        parts: Sequence[QueryPart],
        score: Score,
        where: Filter,
        top: int,
        by: GroupBy | None,
    ) -> Sequence[Candidate]:
        """As GalleryView.search.

        Raises:
            ForbiddenError: the filter names a camera outside.
        """
        narrowed = self.within.narrowed(where)
        return self.whole.search(parts, score, narrowed, top, self.require_waiting, by)

    def unchanged(self, found: Sequence[Candidate]) -> Sequence[Candidate]:
        """As GalleryView.unchanged."""
        return self.whole.unchanged(found)

    def visible(self, ids: Sequence[str]) -> set[str]:
        """Those of these ids that have an image here."""
        found = self.whole.metadata(ids)
        return {id for id, metadata in found.items() if self.within.sees(metadata)}

    def _require(self, ids: Sequence[str]) -> None:
        visible = self.visible(ids)
        for id in ids:
            if id not in visible:
                raise NotFoundError(f"the gallery has no image {id!r}")
