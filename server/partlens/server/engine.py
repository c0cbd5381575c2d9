"""The questions that the services answer, asked of one model and one gallery."""

from collections.abc import Callable, Sequence
from copy import copy

import numpy as np
import torch
from numpy.typing import NDArray

from partlens.explainer.decomposition import Decomposition
from partlens.explainer.errors import RegionError
from partlens.explainer.images import decode
from partlens.explainer.model import MetricModel
from partlens.explainer.pair import PairExplanation
from partlens.explainer.regions import Region, position_weights
from partlens.explainer.scoring import QueryPart, query_part
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import NotFoundError
from partlens.indexer.gallery import Candidate, Gallery
from partlens.indexer.gallery.following import Follower
from partlens.indexer.gallery.view import View
from partlens.server import paging
from partlens.server.access.caller import Confinement
from partlens.server.access.confined_gallery import ConfinedGallery
from partlens.server.answers import DescribeAnswer, Match, PairAnswer, PartialMap, SearchAnswer
from partlens.server.config.sections import LimitsSection
from partlens.server.errors import StalePageError, UnknownQueryError, blamed_on
from partlens.server.kept_views import SECONDS as KEPT_SECONDS
from partlens.server.kept_views import KeptViews
from partlens.server.queries import Query, Unseen, image_of, query_id, stored_query_id
from partlens.server.questions import (
    DescribeQuestion,
    EarlierPicture,
    PairQuestion,
    Picture,
    RegionToExplain,
    SearchQuestion,
    Source,
    StoredPicture,
)

FloatArray = NDArray[np.float32]


class Engine:
    """Answers questions about query images and a gallery. Blocks; safe to use from threads.

    It never runs the model: whoever asks finds what `look` gives only the id of, or takes what
    `prepare` gives through the model. Made with a whole gallery it answers as if everything were
    the caller's; see within. It follows the gallery: what other processes commit is there within a
    second.

    Args:
        model: the one that the gallery is bound to.

    Attributes:
        whole: the gallery, for what the server itself does with it.
        gallery: as the caller may see it.
    """

    def __init__(self, model: MetricModel, gallery: Gallery, limits: LimitsSection) -> None:
        self.model, self.limits = model, limits
        self.whole, self.gallery = gallery, ConfinedGallery(gallery, Confinement())
        self._follower = Follower(gallery)
        self._kept = KeptViews()

    def refresh_soon(self) -> None:
        """Sees what other processes have committed without waiting for the next look."""
        self._follower.look()

    def close(self) -> None:
        """Stops following the gallery, and lets another process write to it."""
        self._follower.close()
        self.whole.close()

    def within(
        self, confinement: Confinement, require_waiting: Callable[[], None] = lambda: None
    ) -> "Engine":
        """The same for one caller: of the images within a confinement.

        Args:
            require_waiting: raises when the caller is gone, to end a search early.
        """
        confined = copy(self)
        confined.gallery = ConfinedGallery(self.whole, confinement, require_waiting)
        return confined

    @property
    def spec(self) -> ModelSpec:
        """What the model is."""
        return self.model.spec

    def search(self, question: SearchQuestion, queries: Sequence[Query]) -> SearchAnswer:
        """One page of the images that hold parts like the question's.

        Args:
            queries: the question's images.

        Raises:
            RequestError: a region or page token that cannot be used.
            ForbiddenError: the filter names a camera that is not the caller's.
            StalePageError: what the first page of the token saw is not kept any more.
        """
        weights = [self.coverage(queries[r.image], r.region, r.field) for r in question.regions]
        try:
            return self._page(question, queries, weights)
        except NotFoundError:
            # A hit was deleted while its map was being looked up: rank what is there now.
            return self._page(question, queries, weights)

    def explain(self, question: PairQuestion, query: Query, retrieved: Query) -> PairAnswer:
        """Why two images are similar; raises as search does."""
        explanation = PairExplanation(
            _decomposition(query, self.spec.grid), _decomposition(retrieved, self.spec.grid)
        )
        partial = tuple(
            self._partial_map(explanation, query, retrieved, region) for region in question.regions
        )
        asked = paging.digest(query.id, retrieved.id)
        return PairAnswer(query, retrieved, explanation, partial, asked)

    def describe(self, question: DescribeQuestion, query: Query) -> DescribeAnswer:
        """How the model sees an image and regions of it; raises as search does."""
        coverage = tuple(
            self.coverage(query, region, field).reshape(self.spec.grid)
            for region, field in question.regions
        )
        return DescribeAnswer(query, coverage, self.spec.digest)

    def look(self, source: Source) -> Query | str:
        """A query image that the gallery holds; the id of any other.

        Raises:
            UnknownQueryError: a query id that was never given, or of an image that was replaced.
            NotFoundError: the gallery has no image of a given id.
        """
        match source:
            case EarlierPicture(id):
                image_id = image_of(id)
                return self._stored_query(image_id, id) if image_id else id
            case StoredPicture(id):
                return self._stored_query(id)
            case Picture(data):
                return query_id(self.spec.digest, "data", data)

    def prepare(self, picture: Picture) -> Unseen:
        """A picture, decoded for the model.

        Raises:
            RequestError: it cannot be used.
        """
        with blamed_on(picture.field):
            image = decode(picture.data, self.limits.image_limits)
            pixels = self.spec.preprocessing.pixels(image)
        id = query_id(self.spec.digest, "data", picture.data)
        return Unseen(id, (image.shape[1], image.shape[0]), pixels)

    def coverage(self, query: Query, region: Region, field: str) -> FloatArray:
        """Share of each position that a region covers, [P]; raises RequestError."""
        with blamed_on(field):
            return position_weights(
                region, query.image_size, self.spec.preprocessing, self.spec.grid
            )

    def part(self, query: Query, covered: FloatArray, weight: float, field: str) -> QueryPart:
        """A region as a search sees it; raises RequestError, also where it contributes nothing."""
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

    def _stored_query(self, image_id: str, asked: str = "") -> Query:
        stored = self.gallery.get(image_id)
        id = stored_query_id(self.spec.digest, stored.id, stored.media_digest)
        if asked not in ("", id):
            raise UnknownQueryError(asked)
        contributions, bias = self.gallery.decompositions([image_id])
        return Query(id, (stored.width, stored.height), contributions[0], bias[0])

    def _page(
        self, question: SearchQuestion, queries: Sequence[Query], weights: Sequence[FloatArray]
    ) -> SearchAnswer:
        asked, depth = _digest(question, queries, weights), self.limits.search_depth
        start, view = 0, self.gallery.view
        if question.page_token:
            given = paging.search_start(question.page_token, asked, depth)
            start, view = given.offset, self._view_of(given)
        end = min(start + question.page_size, depth)
        parts = [
            self.part(queries[region.image], covered, region.weight, region.field)
            for region, covered in zip(question.regions, weights, strict=True)
        ]
        more = end < depth
        found = self.gallery.search(
            parts, question.score, question.where, end + more, question.by, view
        )
        version, token = view.version.number, ""
        if more and len(found) > end:
            rest = paging.SearchStart(end, version, self._kept.keep(view))
            token = paging.search_token(rest, asked)
        page = self.gallery.current(found[start:end], view)
        if question.thumbnails:
            page = self.gallery.with_thumbnails(page)
        matches = self._matches(question, queries, weights, page)
        return SearchAnswer(matches, token, queries, version, asked)

    def _view_of(self, start: paging.SearchStart) -> View:
        """What the first page of a search saw."""
        now, kept = self.gallery.view, self._kept.of(start.view)
        views = [one for one in (kept, now) if one and one.version.number == start.version]
        if not views:
            raise StalePageError(
                f"the gallery was at version {start.version} and is at {now.version.number} now,"
                " and what"
                f" the first page saw is kept for {KEPT_SECONDS:g} s at most: search again from the"
                " first page"
            )
        return views[0]

    def _matches(
        self,
        question: SearchQuestion,
        queries: Sequence[Query],
        weights: Sequence[FloatArray],
        found: Sequence[Candidate],
    ) -> tuple[Match, ...]:
        if not found or not question.maps & {"overall", "regions"}:
            return tuple(Match(candidate) for candidate in found)
        contributions, bias = self.gallery.decompositions([c.id for c in found])
        norms = np.linalg.norm(contributions.sum(1) + bias, axis=1)
        overall, partial = [], []
        if "overall" in question.maps:
            overall = [self._maps(contributions, norms, q, q.embedding) for q in queries]
        if "regions" in question.maps:
            for region, covered in zip(question.regions, weights, strict=True):
                query = queries[region.image]
                feature = covered @ query.contributions
                partial.append(self._maps(contributions, norms, query, feature))
        return tuple(
            Match(candidate, tuple(m[i] for m in overall), tuple(m[i] for m in partial))
            for i, candidate in enumerate(found)
        )

    def _maps(
        self, contributions: FloatArray, norms: FloatArray, query: Query, feature: FloatArray
    ) -> FloatArray:
        """feature.c / Z of M images, shape [M, rows, cols]; 0 where an embedding is zero."""
        z = norms * np.linalg.norm(query.embedding)
        scale = np.divide(1.0, z, out=np.zeros_like(z), where=z > 0)
        maps = (contributions @ feature) * scale[:, None]
        return np.asarray(maps, np.float32).reshape(-1, *self.spec.grid)

    def _partial_map(
        self, why: PairExplanation, query: Query, retrieved: Query, asked: RegionToExplain
    ) -> PartialMap:
        of_query = asked.side == "query"
        source, other = (query, retrieved) if of_query else (retrieved, query)
        weights = self.coverage(source, asked.region, asked.field)
        covered = torch.from_numpy(weights)
        explain = why.partial_map_of_retrieved if of_query else why.partial_map_of_query
        constant = float(weights @ source.contributions @ other.bias) / why.normaliser
        return PartialMap("retrieved" if of_query else "query", explain(covered).numpy(), constant)


def _decomposition(query: Query, grid: tuple[int, int]) -> Decomposition:
    return Decomposition(torch.from_numpy(query.contributions), torch.from_numpy(query.bias), grid)


def _digest(
    question: SearchQuestion, queries: Sequence[Query], weights: Sequence[FloatArray]
) -> str:
    """What makes two searches rank alike; a query id equals the picture it was given for."""
    where = question.where
    return paging.digest(
        [query.id for query in queries],
        [
            (region.image, region.weight, covered.tobytes().hex())
            for region, covered in zip(question.regions, weights, strict=True)
        ],
        [sorted(where.cameras), sorted(where.tracks), sorted(where.exclude_ids)],
        [str(where.captured_after), str(where.captured_before), dict(where.attributes)],
        [question.score, str(question.by), sorted(where.exclude_cameras)],
    )
