"""Scores new images against all standing queries at once."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.scoring import ManySearches, QueryPart, Score, score_images
from partlens.indexer.gallery import Candidate, Gallery, StoredImage
from partlens.indexer.gallery.records import FloatArray
from partlens.indexer.gallery.view import GalleryView
from partlens.server.standing.query import StandingQuery
from partlens.server.standing.store import StandingStore

_IMAGES = 64
"""Images per batch; bounds memory, and the wait on stop."""
_ROUNDING = 1e-4
"""Largest difference between an image's score in a batch and its score by itself."""


@dataclass(frozen=True, eq=False)
class StandingMatch:
    """An image that a standing query found.

    Attributes:
        query: the standing query.
        found: the image, with its score and the map that sums to it.
        revision: revision of the image.
    """

    query: StandingQuery
    found: Candidate
    revision: int


class Matcher:
    """Finds matches among new images of a gallery. Blocks; not thread-safe.

    Scores equal those of a search: same stored data, same functions.
    """

    def __init__(self, gallery: Gallery, store: StandingStore) -> None:
        self._gallery, self._store = gallery, store
        self._known: Sequence[StandingQuery] = []
        self._together: ManySearches | None = None

    @property
    def version(self) -> int:
        """Current version of the gallery; grows with every commit."""
        return self._gallery.view.number

    @property
    def newest(self) -> int:
        """Revision of the newest image."""
        return self._gallery.view.newest_revision

    def since(
        self,
        revision: int,
        most: int | None = None,
        require_waiting: RequireWaiting = wait_always,
    ) -> tuple[int, list[StandingMatch]]:
        """Matches of images later than `revision`, in order of revision, and the revision of the
        last of these images; `revision` if there are none.

        Args:
            most: only about this many images, the earliest.
            require_waiting: called between batches; what it raises ends the scan.
        """
        # The view first: a pause that was saved before an image was committed holds for it.
        view = self._gallery.view
        queries = self._scoring(revision)
        changed, matches = view.changed_since(revision, most), list[StandingMatch]()
        for start in range(0, len(changed), _IMAGES):
            require_waiting()
            matches += self._matches(view, changed[start : start + _IMAGES], queries)
        return changed[-1][0] if changed else revision, matches

    def _scoring(self, revision: int) -> Sequence[StandingQuery]:
        """The standing queries that score images later than `revision`."""
        every = self._store.read().values()
        queries = [one for one in every if not one.scores_none_after(revision)]
        if queries != self._known:
            searches: list[tuple[Score, Sequence[QueryPart]]] = [
                (one.score, one.search.parts) for one in queries
            ]
            self._together = ManySearches(searches) if searches else None
            self._known = queries
        return queries

    def _matches(
        self,
        view: GalleryView,
        changed: Sequence[tuple[int, str]],
        queries: Sequence[StandingQuery],
    ) -> Iterator[StandingMatch]:
        if self._together is None or not changed:
            return
        contributions, bias = view.decompositions([id for _, id in changed])
        scores = self._together.scores(contributions, bias, view.spec.grid)
        # A little lower, because batches round differently. The image's own score decides, so that
        # either all copies of an image match or none do.
        thresholds = np.array([query.threshold - _ROUNDING for query in queries])
        for i, number in np.argwhere(scores >= thresholds).tolist():
            query, (revision, id) = queries[number], changed[i]
            if query.scores(revision) and view.passing([id], query.where):
                one = slice(i, i + 1)
                found = self._candidate(
                    query, view.get(id), revision, contributions[one], bias[one]
                )
                if found.score >= query.threshold:
                    yield StandingMatch(query, found, revision)

    def _candidate(
        self,
        query: StandingQuery,
        image: StoredImage,
        revision: int,
        contributions: FloatArray,
        bias: FloatArray,
    ) -> Candidate:
        """The image of one match, with its map."""
        grid, parts = self._gallery.spec.grid, query.search.parts
        scored = score_images(query.score, parts, contributions, bias, grid)
        row0, col0, row1, col1 = (float(n) for n in scored.windows[0])
        return Candidate(
            image.id,
            float(scored.scores[0]),
            scored.maps[0],
            float(scored.constants[0]),
            (row0, col0, row1, col1),
            image,
            revision=revision,
        )
