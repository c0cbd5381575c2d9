"""Answers the services' requests from one model and one gallery."""

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.common.regions import Region
from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import RegionError
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import PairExplanation, maps_of_retrieved
from partlens.explainer.regions import position_weights
from partlens.explainer.scoring import QueryPart, query_part
from partlens.explainer.spec import ModelSpec
from partlens.indexer.gallery import Candidate, Gallery
from partlens.indexer.gallery.following import Follower
from partlens.runtime.config.sections import LimitsSection
from partlens.server.access.caller import Confinement
from partlens.server.access.confined_gallery import ConfinedGallery
from partlens.server.access.confined_view import ConfinedView
from partlens.server.engine.answers import (
    DescribeAnswer,
    Match,
    PairAnswer,
    PartialMap,
    SearchAnswer,
)
from partlens.server.engine.kept_views import SECONDS as KEPT_SECONDS
from partlens.server.engine.kept_views import KeptViews
from partlens.server.engine.questions import (
    DescribeQuestion,
    PairQuestion,
    RegionToExplain,
    SearchQuestion,
)
from partlens.server.errors import StalePageError, UnknownQueryError
from partlens.server.features.blame import blamed_on
from partlens.server.features.query import Query, stored_query_id
from partlens.server.messages import page_tokens
from partlens.server.messages.page_tokens import SearchStart

FloatArray = NDArray[np.float32]


class Engine:
    """Answers requests about query images and a gallery. Blocks; safe to use from threads.

    It never runs the model: query images come with their features (see QueryFeatures). A new engine
    may access every image; `within` restricts it to one caller. It follows the gallery: commits of
    other processes are visible within a second.

    Args:
        model: model that the gallery is bound to.

    Attributes:
        whole: the whole gallery, for the server's own work.
        gallery: the gallery as the caller may see it.
    """

    def __init__(self, model: MetricModel, gallery: Gallery, limits: LimitsSection) -> None:
        self.model, self.limits = model, limits
        self.whole, self.gallery = gallery, ConfinedGallery(gallery, Confinement())
        self._follower = Follower(gallery)
        self._kept = KeptViews()

    def refresh_soon(self) -> None:
        """Look for commits of other processes now, without waiting for the next poll."""
        self._follower.look()

    @property
    def follows(self) -> bool:
        """Whether it still looks for commits of other processes."""
        return self._follower.alive

    def close(self) -> None:
        """Stops following the gallery and releases its write lock."""
        self._follower.close()
        self.whole.close()

    def within(
        self, confinement: Confinement, require_waiting: Callable[[], None] = lambda: None
    ) -> "Engine":
        """An engine for one caller, restricted to the images within a confinement.

        Args:
            require_waiting: raises when the caller is gone, to end a search early.
        """
        confined = copy(self)
        confined.gallery = ConfinedGallery(self.whole, confinement, require_waiting)
        return confined

    @property
    def spec(self) -> ModelSpec:
        """The model's specification."""
        return self.model.spec

    def search(self, question: SearchQuestion, queries: Sequence[Query]) -> SearchAnswer:
        """One page of images that contain parts similar to the question's regions.

        Args:
            queries: the question's images.

        Raises:
            RequestError: a region or page token cannot be used.
            ForbiddenError: the filter names a camera that the caller may not see.
            StalePageError: the snapshot of the first page is no longer kept.
        """
        weights = [self.coverage(queries[r.image], r.region, r.field) for r in question.regions]
        return self.gallery.read(lambda view: self._page(question, queries, weights, view))

    def explain(self, question: PairQuestion, query: Query, retrieved: Query) -> PairAnswer:
        """Why two images are similar; raises as search does."""
        explanation = PairExplanation(
            _decomposition(query, self.spec.grid), _decomposition(retrieved, self.spec.grid)
        )
        partial = tuple(
            self._partial_map(explanation, query, retrieved, region) for region in question.regions
        )
        asked = page_tokens.digest(query.id, retrieved.id)
        return PairAnswer(query, retrieved, explanation, partial, asked)

    def describe(self, question: DescribeQuestion, query: Query) -> DescribeAnswer:
        """How the model sees an image and regions of it; raises as search does."""
        coverage = tuple(
            self.coverage(query, region, field).reshape(self.spec.grid)
            for region, field in question.regions
        )
        return DescribeAnswer(query, coverage, self.spec.digest)

    def stored_query(self, image_id: str, query_id: str = "") -> Query:
        """An image of the gallery as a query image.

        Args:
            query_id: its query id in an earlier response; "" for the current image.

        Raises:
            NotFoundError: the caller sees no such image.
            UnknownQueryError: the image was replaced since that response.
        """
        view = self.gallery.view
        stored = view.get(image_id)
        id = stored_query_id(self.spec.digest, stored.id, stored.media_digest)
        if query_id not in ("", id):
            raise UnknownQueryError(query_id)
        contributions, bias = view.decompositions([image_id])
        return Query(id, (stored.width, stored.height), contributions[0], bias[0])

    def coverage(self, query: Query, region: Region, field: str) -> FloatArray:
        """Share of each position that a region covers, [P]; raises RequestError."""
        with blamed_on(field):
            return position_weights(
                region, query.image_size, self.spec.preprocessing, self.spec.grid
            )

    def part(self, query: Query, covered: FloatArray, weight: float, field: str) -> QueryPart:
        """A region as a search sees it; raises RequestError if it is unusable or contributes
        nothing."""
        with blamed_on(field):
            part = query_part(
                query.contributions, query.bias, covered, self.spec.grid, weight=weight
            )
            if not part.directions.any():
                raise RegionError(
                    f"the model sees nothing in this region: none of the {len(part.shares)}"
                    " positions that it covers contributes to the embedding; draw a larger one"
                )
            return part

    def _page(
        self,
        question: SearchQuestion,
        queries: Sequence[Query],
        weights: Sequence[FloatArray],
        now: ConfinedView,
    ) -> SearchAnswer:
        """A page of the first page's ranking, without images deleted or replaced since."""
        asked, depth = _digest(question, queries, weights), self.limits.search_depth
        start, ranked = 0, now
        if question.page_token:
            given = page_tokens.search_start(question.page_token, asked, depth)
            start, ranked = given.offset, self._ranked_by_first_page(given, now)
        end = min(start + question.page_size, depth)
        parts = [
            self.part(queries[region.image], covered, region.weight, region.field)
            for region, covered in zip(question.regions, weights, strict=True)
        ]
        more = end < depth
        found = ranked.search(parts, question.score, question.where, end + more, question.by)
        token = ""
        if more and len(found) > end:
            rest = SearchStart(end, ranked.number, self._kept.keep(ranked.whole))
            token = page_tokens.search_token(rest, asked)
        # From here on, everything is read from the current view.
        page = now.unchanged(found[start:end])
        if question.thumbnails:
            page = now.with_thumbnails(page)
        matches = self._matches(question, queries, weights, page, now)
        return SearchAnswer(matches, token, queries, ranked.number, asked)

    def _ranked_by_first_page(self, start: SearchStart, now: ConfinedView) -> ConfinedView:
        """The view that the first page of a search ranked."""
        kept = self._kept.of(start.view)
        for view in (kept, now.whole):
            if view is not None and view.number == start.version:
                return self.gallery.seen_in(view)
        raise StalePageError(
            f"the gallery has changed from version {start.version} to {now.number}, and the first"
            f" page's snapshot is kept for at most {KEPT_SECONDS:g} s: search again from the first"
            " page"
        )

    def _matches(
        self,
        question: SearchQuestion,
        queries: Sequence[Query],
        weights: Sequence[FloatArray],
        found: Sequence[Candidate],
        view: ConfinedView,
    ) -> tuple[Match, ...]:
        if not found or not question.maps & {"overall", "regions"}:
            return tuple(Match(candidate) for candidate in found)
        contributions, bias = view.decompositions([c.id for c in found])

        def maps(query: Query, feature: FloatArray) -> FloatArray:
            grid = self.spec.grid
            return maps_of_retrieved(feature, query.embedding, contributions, bias, grid)

        overall, partial = [], []
        if "overall" in question.maps:
            overall = [maps(query, query.embedding) for query in queries]
        if "regions" in question.maps:
            for region, covered in zip(question.regions, weights, strict=True):
                query = queries[region.image]
                partial.append(maps(query, covered @ query.contributions))
        return tuple(
            Match(candidate, tuple(m[i] for m in overall), tuple(m[i] for m in partial))
            for i, candidate in enumerate(found)
        )

    def _partial_map(
        self, why: PairExplanation, query: Query, retrieved: Query, asked: RegionToExplain
    ) -> PartialMap:
        source = query if asked.side == "query" else retrieved
        weights = torch.from_numpy(self.coverage(source, asked.region, asked.field))
        if asked.side == "query":
            map = why.partial_map_of_retrieved(weights)
            constant = why.partial_constant_of_retrieved(weights)
            return PartialMap("retrieved", map.numpy(), constant)
        map = why.partial_map_of_query(weights)
        return PartialMap("query", map.numpy(), why.partial_constant_of_query(weights))


def _decomposition(query: Query, grid: tuple[int, int]) -> Decomposition:
    return Decomposition(torch.from_numpy(query.contributions), torch.from_numpy(query.bias), grid)


def _digest(
    question: SearchQuestion, queries: Sequence[Query], weights: Sequence[FloatArray]
) -> str:
    """Digest of everything that affects the ranking; a query id equals its picture."""
    where = question.where
    return page_tokens.digest(
        [query.id for query in queries],
        [
            (region.image, region.weight, covered.tobytes().hex())
            for region, covered in zip(question.regions, weights, strict=True)
        ],
        [sorted(where.cameras), sorted(where.tracks), sorted(where.exclude_ids)],
        [str(where.captured_after), str(where.captured_before), dict(where.attributes)],
        [question.score, str(question.by), sorted(where.exclude_cameras)],
    )
