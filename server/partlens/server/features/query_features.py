"""Finds or computes the features of the query images of a caller."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.images import decode_at_least, memory_of
from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.errors import PictureUnavailableError, UnknownQueryError
from partlens.server.features.batcher import Batcher
from partlens.server.features.cache import PictureCache, QueryCache
from partlens.server.observe.metrics import QueryMetrics
from partlens.server.observe.tracing import tracer
from partlens.server.query_images.query import Query
from partlens.server.query_images.query_id import query_id
from partlens.server.query_images.sources import EarlierPicture, Picture, Source
from partlens.server.requests.blame import blamed_on


class Question(Protocol):
    """A request about query images."""

    @property
    def sources(self) -> Sequence[Source]:
        """Where the query images come from."""
        ...


T = TypeVar("T")
Q = TypeVar("Q", bound=Question)
A = TypeVar("A")


class Run(Protocol):
    """Runs work on a thread for the current caller; see Host.run."""

    async def __call__(self, work: Callable[[Engine], T]) -> T:
        """The result of the work."""
        ...


class Decode(Protocol):
    """Runs work that decodes a picture, when there is memory for it; see Host.decode."""

    async def __call__(self, memory: Callable[[Engine], int], work: Callable[[Engine], T]) -> T:
        """The result of the work."""
        ...


class QueryFeatures:
    """Finds, decodes, caches and batches query images.

    Args:
        run: reads gallery images with the caller's access.
        decode: decodes pictures.
        batcher: runs decoded pictures through the model.
        cache: keeps features of pictures for later calls.
        pictures: keeps the pictures themselves.
    """

    def __init__(
        self,
        model_digest: str,
        run: Run,
        decode: Decode,
        batcher: Batcher,
        cache: QueryCache,
        pictures: PictureCache,
        metrics: QueryMetrics,
    ) -> None:
        self._model_digest, self._run, self._decode = model_digest, run, decode
        self._batcher, self._cache, self._pictures = batcher, cache, pictures
        self._lookups = metrics.lookups

    async def answer(
        self,
        decode: Callable[[Engine], Q],
        answer: Callable[[Engine, Q, Sequence[Query]], A],
        run: Run | None = None,
    ) -> A:
        """Answers a question about query images; new pictures go through the model.

        Every trip to a thread waits for a free one. So decoding the question, reading images of the
        gallery and answering share one trip, unless a query image has to be found elsewhere.

        Args:
            decode: decodes the question; called on a thread.
            answer: answers it, given its query images, in order; called on a thread.
            run: runs `decode`; by default where searches run, and then `answer` may follow at once.

        Raises:
            RequestError: decode or answer raised it, or a picture cannot be used.
            UnknownQueryError: a query id is not known, or its image has been replaced.
            NotFoundError: the caller sees no gallery image with an id.
            OverloadedError: too many images are waiting for the model.
            ServerError: see Host.run.
        """

        def begin(
            engine: Engine,
        ) -> tuple[Q, Sequence[Query | Picture | EarlierPicture], tuple[A] | None]:
            with tracer.start_as_current_span("find the query images"):
                question = decode(engine)
                sources = engine.with_stored(question.sources)
            stored = [one for one in sources if isinstance(one, Query)]
            if run is not None or len(stored) < len(sources):
                return question, sources, None
            self._lookups.labels("kept").inc(len(stored))
            return question, sources, (answer(engine, question, stored),)

        question, sources, answered = await (run or self._run)(begin)
        if answered is not None:
            return answered[0]
        if len(sources) == 1:  # it needs no task of its own
            queries = [await self._query(sources[0])]
        else:
            queries = await asyncio.gather(*map(self._query, sources))
        return await self._run(lambda engine: answer(engine, question, queries))

    async def picture(self, query_id: str) -> bytes:
        """The encoded picture of a query id.

        Raises:
            PictureUnavailableError: only its features are kept.
            UnknownQueryError: the query id is not known.
        """
        picture = await self._pictures.find(query_id)
        if picture is not None:
            return picture
        if await self._cache.find(query_id) is None:
            raise UnknownQueryError(query_id, calls.where())
        raise PictureUnavailableError(
            f"the server no longer keeps the picture of query id {query_id[:64]!r}, only its"
            " features (limits.kept_picture_bytes); send the picture again in a search"
        )

    async def _query(self, source: Query | Picture | EarlierPicture) -> Query:
        match source:
            case Picture():
                return await self._picture(source)
            case EarlierPicture(id):
                query = await self._cache.find(id)
                if query is None:
                    raise UnknownQueryError(id, calls.where())
            case Query() as query:
                pass
        self._lookups.labels("kept").inc()
        return query

    async def _picture(self, picture: Picture) -> Query:
        id = query_id(self._model_digest, "data", picture.digest)
        query = await self._cache.find(id)
        self._lookups.labels("kept" if query else "unseen").inc()
        if query is None:
            with blamed_on(picture.field):
                size, pixels = await self._decode(
                    lambda engine: _memory(picture, engine),
                    lambda engine: _decoded(picture, engine),
                )
            seen = await self._batcher.decompose(pixels, holder=calls.current().caller.token)
            query = Query(id, size, seen.contributions, seen.bias, picture.media_digest)
            await self._cache.keep(query)
        await self._pictures.keep(id, picture.data)
        return query


def _memory(picture: Picture, engine: Engine) -> int:
    limits, least = engine.limits.image_limits, engine.spec.preprocessing.least
    return memory_of(picture.data, limits, engine.require_waiting, least)


def _decoded(picture: Picture, engine: Engine) -> tuple[tuple[int, int], NDArray[np.float32]]:
    """Width and height of a picture, and the model's input [3, height, width]."""
    limits, how = engine.limits.image_limits, engine.spec.preprocessing
    image = decode_at_least(picture.data, how.least, limits, engine.require_waiting)
    engine.require_waiting()
    return image.size, how.pixels(image)
