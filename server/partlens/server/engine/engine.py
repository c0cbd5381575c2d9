"""Answers the services' requests from one model and one gallery."""

from collections.abc import Sequence
from copy import copy
from dataclasses import replace

from partlens.common.filters import Filter, to_plain
from partlens.common.regions import Whole
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.explainer.model import MetricModel
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import SupersededError
from partlens.indexer.gallery import Candidate, Gallery
from partlens.indexer.gallery.fan_out import Layouts
from partlens.indexer.gallery.following import Follower
from partlens.runtime.config.sections import LimitsSection
from partlens.server.access.confined_gallery import ConfinedGallery
from partlens.server.access.confined_view import ConfinedView
from partlens.server.caller.confinement import Confinement
from partlens.server.engine.hit_maps import with_maps
from partlens.server.engine.pair_maps import explained_pairs, explanation, partial_map, whole_map
from partlens.server.engine.preparing import Preparation
from partlens.server.engine.stored_images import resolved
from partlens.server.errors import StalePageError
from partlens.server.pages import page_tokens
from partlens.server.pages.kept_views import SECONDS as KEPT_SECONDS
from partlens.server.pages.kept_views import KeptViews
from partlens.server.pages.page_tokens import SearchStart
from partlens.server.query_images.prepared import PreparedRegion, PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.query_images.sources import EarlierPicture, Picture, Source
from partlens.server.requests.answers import (
    DescribeAnswer,
    PairAnswer,
    SearchAnswer,
)
from partlens.server.requests.digest import digest
from partlens.server.requests.questions import (
    DescribeQuestion,
    PairQuestion,
    SearchQuestion,
)


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
        require_waiting: raises when the caller is gone.
    """

    def __init__(self, model: MetricModel, gallery: Gallery, limits: LimitsSection) -> None:
        self.model, self.limits = model, limits
        self.whole, self.gallery = gallery, ConfinedGallery(gallery, Confinement())
        self.require_waiting: RequireWaiting = wait_always
        self._follower = Follower(gallery)
        self._kept = KeptViews()

    def share_views(self, kept: KeptViews) -> None:
        """Keep the views of later pages with those of other galleries, bounded together."""
        self._kept = kept

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
        self, confinement: Confinement, require_waiting: RequireWaiting = wait_always
    ) -> "Engine":
        """An engine for one caller, restricted to the images within a confinement.

        Args:
            require_waiting: raises when the caller is gone, to end long work early.
        """
        confined = copy(self)
        confined.require_waiting = require_waiting
        confined.gallery = ConfinedGallery(self.whole, confinement, require_waiting)
        return confined

    @property
    def spec(self) -> ModelSpec:
        """The model's specification."""
        return self.model.spec

    def search(self, question: SearchQuestion, queries: Sequence[Query]) -> SearchAnswer:
        """One page of images that contain parts similar to the question's regions.

        Args:
            queries: all images of the question, in the order of its sources.

        Raises:
            RequestError: a region, mark or page token cannot be used.
            ForbiddenError: the filter names a camera that the caller may not see.
            StalePageError: the snapshot of the first page is no longer kept.
        """
        prepared = self.prepare(question, queries)
        return self.gallery.read(lambda view: self._page(question, prepared, view))

    def prepare(self, question: SearchQuestion, queries: Sequence[Query]) -> PreparedSearch:
        """What a search ranks by.

        Args:
            queries: all images of the question, in the order of its sources.

        Raises:
            RequestError: a region or mark cannot be used.
        """
        return self._preparation.search(question, queries)

    def explain(self, question: PairQuestion, query: Query, retrieved: Query) -> PairAnswer:
        """Why two images are similar; raises as search does."""
        why, partial = explanation(query, retrieved, self.spec.grid), []
        for one in question.regions:
            image = query if one.side == "query" else retrieved
            covered = self._preparation.coverage(image, one.region, one.field)
            if isinstance(one.region, Whole):
                partial.append(whole_map(why, one.side))
            else:
                partial.append(partial_map(why, one.side, covered))
        pairs = explained_pairs(why, question.pairs) if question.pairs else None
        asked = digest(query.id, retrieved.id)
        return PairAnswer(query, retrieved, why, tuple(partial), asked, pairs)

    def describe(self, question: DescribeQuestion, query: Query) -> DescribeAnswer:
        """How the model sees an image and regions of it; raises as search does."""
        coverage = tuple(
            self._preparation.coverage(query, region, field).reshape(self.spec.grid)
            for region, field in question.regions
        )
        return DescribeAnswer(query, coverage, self.spec.digest)

    def with_stored(self, sources: Sequence[Source]) -> Sequence[Query | Picture | EarlierPicture]:
        """The sources, in order, with every image of the gallery as a query image.

        All images are read from one view.

        Raises:
            NotFoundError: the caller sees no image with an id.
            UnknownQueryError: a text is not a query id, or its image was replaced since.
        """
        return self.gallery.read(lambda view: [resolved(one, view) for one in sources])

    @property
    def _preparation(self) -> Preparation:
        return Preparation(self.spec, self.require_waiting)

    def _page(
        self, question: SearchQuestion, prepared: PreparedSearch, now: ConfinedView
    ) -> SearchAnswer:
        """A page of the first page's ranking, without images deleted or replaced since."""
        where = where_of(question, prepared.images)
        asked, depth = _digest(question, prepared, where), self.limits.search_depth
        start, ranked = 0, now
        earlier: Layouts = ()
        if question.page_token:
            given = page_tokens.search_start(question.page_token, asked, depth)
            start, ranked = given.offset, self._ranked_by_first_page(given, now)
            earlier = given.layouts
        end = min(start + question.page_size, depth)
        more = end < depth
        # Of the first page alone, as all pages must be of one ranking.
        partial = question.partial and not start
        try:
            found = ranked.search(
                prepared.parts, question.score, where, end + more, question.by, start, earlier,
                partial=partial,
            )  # fmt: skip
        except SupersededError as error:
            if not question.page_token:
                raise
            raise _stale(ranked.number, now.number) from error
        page: Sequence[Candidate] = found[: end - start]
        token = ""
        if len(found) > len(page):
            rest = SearchStart(end, ranked.number, self._kept.keep(ranked.whole), found.layouts)
            token = page_tokens.search_token(rest, asked)
        # From here on, everything is read from the current view.
        if ranked is not now:
            page = now.unchanged(page)
        if question.thumbnails:
            page = now.with_thumbnails(page)
        images = len(question.images)
        queries, marked = prepared.images[:images], prepared.images[images:]
        matches = with_maps(question.maps, prepared, queries, page, now)
        missing, total = found.layouts.count(None), len(found.layouts) or 1
        return SearchAnswer(
            matches, token, queries, marked, ranked.number, asked, total - missing, total
        )

    def _ranked_by_first_page(self, start: SearchStart, now: ConfinedView) -> ConfinedView:
        """The view that the first page of a search ranked."""
        kept = self._kept.of(start.view)
        for view in (kept, now.whole):
            if view is not None and view.number == start.version:
                return self.gallery.seen_in(view)
        raise _stale(start.version, now.number)


def _stale(before: int, now: int) -> StalePageError:
    return StalePageError(
        f"the gallery has changed from version {before} to {now}, and the first page's snapshot is"
        f" kept for at most {KEPT_SECONDS:g} s: search again from the first page"
    )


def where_of(question: SearchQuestion, images: Sequence[Query]) -> Filter:
    """The filter of a search, which may leave out pictures identical to a query image.

    Args:
        images: all images of the question, in the order of its sources.
    """
    if not question.exclude_identical:
        return question.where
    identical = {image.media_digest for image in images[: len(question.images)]} - {""}
    return replace(question.where, exclude_media={*question.where.exclude_media, *identical})


def _digest(question: SearchQuestion, prepared: PreparedSearch, where: Filter) -> str:
    """Digest of everything that affects the ranking; a query id equals its picture."""

    def plain(region: PreparedRegion) -> Sequence[object]:
        return region.image, region.weight, region.whole, region.coverage.tobytes().hex()

    return digest(
        [image.id for image in prepared.images],
        [plain(region) for region in prepared.regions],
        [(mark.region, plain(mark.place)) for mark in prepared.marks],
        to_plain(where),
        [question.score, str(question.by)],
    )
