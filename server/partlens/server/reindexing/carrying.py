"""Makes the standing queries of a gallery again for a gallery of another model."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partlens.common.media_digest import of_sha256
from partlens.common.waiting import wait_always
from partlens.explainer.errors import ExplainerError
from partlens.explainer.images import decode_at_least
from partlens.explainer.model import MetricModel
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import IndexerError
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.sections import LimitsSection
from partlens.server.access.confined_view import ConfinedView
from partlens.server.caller.confinement import Confinement
from partlens.server.engine.preparing import Preparation
from partlens.server.engine.stored_images import resolved
from partlens.server.errors import ServerError
from partlens.server.messages import decoding
from partlens.server.query_images.prepared import PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.query_images.query_id import query_id, stored_query_id
from partlens.server.query_images.sources import StoredPicture
from partlens.server.standing.query import StandingQuery
from partlens.server.standing.store import StandingStore
from partlens.v1.image_pb2 import QueryImage
from partlens.v1.part_search_service_pb2 import SearchRegionsRequest
from partlens.v1.standing_query_service_pb2 import CreateStandingQueryRequest


class _LeftError(Exception):
    """A standing query that cannot be carried over; the message says why."""


@dataclass(frozen=True)
class LeftBehind:
    """A standing query that could not be carried over, and why."""

    id: str
    name: str
    reason: str


@dataclass
class Carried:
    """What became of the standing queries of a gallery.

    Attributes:
        made: number that the new gallery has now.
        left: those that it does not have.
    """

    made: int = 0
    left: list[LeftBehind] = field(default_factory=list)


class Carrying:
    """Carries standing queries over.

    They keep their ids, names, owners, filters and thresholds. They score nothing until their
    gallery takes the place of the old one; see StandingQuery.waits.

    Args:
        source: folder of the standing queries, and the model that they are of.
        folder: folder for the new ones.
        gallery: the new gallery, with the images that it shares with the old one.
        model: the model of the new gallery.
    """

    def __init__(
        self,
        source: tuple[Path, ModelSpec],
        folder: Path,
        gallery: Gallery,
        model: MetricModel,
        limits: LimitsSection,
    ) -> None:
        self._source, self._target = StandingStore(*source), StandingStore(folder, model.spec)
        self._gallery, self._model, self._limits = gallery, model, limits

    def run(self) -> Carried:
        """Carry all over; run it again after a change of the old ones.

        Raises:
            StandingQueryError: the disk refused one.
        """
        result, there = Carried(), dict(self._target.read())
        every = self._source.read()
        for id, one in there.items():
            if one.waits and id not in every:  # deleted since an earlier run
                self._target.remove(id)
        for id, query in every.items():
            before = there.get(id)
            try:
                if before is None or before.waits:
                    self._carry(query, before)
                result.made += 1
            except (_LeftError, ExplainerError, IndexerError) as error:
                result.left.append(LeftBehind(id, query.name, str(error)))
        return result

    def _carry(self, query: StandingQuery, before: StandingQuery | None) -> None:
        request = self._source.request(query.id)
        if not request:
            raise _LeftError("an earlier version saved it, without its regions; create it again")
        search = before.search if before else self._prepared(query, request)
        self._target.add(query.carried(search, self._model.spec.digest), request)

    def _prepared(self, query: StandingQuery, request: bytes) -> PreparedSearch:
        asked = CreateStandingQueryRequest.FromString(request)
        search = SearchRegionsRequest(
            images=asked.images, regions=asked.regions, score=asked.score, marks=asked.marks
        )
        images = [*search.images, *(mark.image for mark in search.marks)]
        queries = list(self._queries(images, query))
        preparation = Preparation(self._model.spec, wait_always)
        try:
            question = decoding.search(search, self._limits)
            return preparation.search(question, queries)
        except ServerError as error:
            raise _LeftError(str(error)) from error

    def _queries(self, images: Sequence[QueryImage], query: StandingQuery) -> Iterator[Query]:
        """The images of a query as the new model sees them."""
        for image, before in zip(images, query.search.images, strict=True):
            kind = image.WhichOneof("source")
            if kind == "gallery_id":
                yield self._stored(image.gallery_id, before.id, query.model_digest)
            elif kind == "data":
                yield self._seen(image.data)
            else:
                raise _LeftError(
                    "a picture of it was not kept; set standing.keep_pictures before you create"
                    " standing queries"
                )

    def _stored(self, id: str, known_as: str, model_digest: str) -> Query:
        view = self._gallery.view
        if id not in view:
            raise _LeftError(f"its image {id!r} is not in the new gallery")
        if stored_query_id(model_digest, id, view.get(id).media_digest) != known_as:
            raise _LeftError(f"its image {id!r} was replaced by another picture since")
        found = resolved(StoredPicture(id, "images"), ConfinedView(view, Confinement()))
        if not isinstance(found, Query):
            raise TypeError(f"{found!r} is not an image of the gallery")
        return found

    def _seen(self, data: bytes) -> Query:
        spec, digest = self._model.spec, hashlib.sha256(data).digest()
        picture = decode_at_least(data, spec.preprocessing.least, self._limits.image_limits)
        seen = self._model.decompose_pixels(spec.preprocessing.pixels(picture)[None])
        id = query_id(spec.digest, "data", digest)
        return Query(id, picture.size, seen.contributions[0], seen.bias[0], of_sha256(digest))
