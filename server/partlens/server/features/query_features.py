"""Finds or computes the features of a caller's query images."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from partlens.explainer.images import decode, memory_of
from partlens.server.engine.engine import Engine
from partlens.server.engine.questions import EarlierPicture, Picture, Source, StoredPicture
from partlens.server.errors import UnknownQueryError
from partlens.server.features.batcher import Batcher
from partlens.server.features.blame import blamed_on
from partlens.server.features.cache import QueryCache
from partlens.server.features.query import Query, image_of, query_id
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.tracing import tracer

T = TypeVar("T")


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
    """

    def __init__(
        self,
        model_digest: str,
        run: Run,
        decode: Decode,
        batcher: Batcher,
        cache: QueryCache,
        metrics: Metrics,
    ) -> None:
        self._model_digest, self._run, self._decode = model_digest, run, decode
        self._batcher, self._cache = batcher, cache
        self._lookups = metrics.query_lookups

    async def of(self, images: Sequence[Source]) -> Sequence[Query]:
        """The query images of a question, in order; new pictures go through the model.

        Raises:
            RequestError: a picture cannot be used.
            UnknownQueryError: a query id is not known, or its image has been replaced.
            NotFoundError: the caller sees no gallery image with an id.
            OverloadedError: too many images are waiting for the model.
            ServerError: see Host.run.
        """
        with tracer.start_as_current_span("find the query images"):
            return await asyncio.gather(*map(self._query, images))

    async def _query(self, source: Source) -> Query:
        match source:
            case StoredPicture(id):
                query = await self._run(lambda engine: engine.stored_query(id))
            case EarlierPicture(id):
                query = await self._earlier(id)
            case Picture():
                return await self._picture(source)
        self._lookups.labels("kept").inc()
        return query

    async def _earlier(self, id: str) -> Query:
        if image_id := image_of(id):
            return await self._run(lambda engine: engine.stored_query(image_id, id))
        if query := await self._cache.find(id):
            return query
        raise UnknownQueryError(id)

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
            seen = await self._batcher.decompose(pixels)
            query = Query(id, size, seen.contributions, seen.bias)
            await self._cache.keep(query)
        return query


def _memory(picture: Picture, engine: Engine) -> int:
    return memory_of(picture.data, engine.limits.image_limits, engine.require_waiting)


def _decoded(picture: Picture, engine: Engine) -> tuple[tuple[int, int], NDArray[np.float32]]:
    """Width and height of a picture, and the model's input [3, height, width]."""
    image = decode(picture.data, engine.limits.image_limits, engine.require_waiting)
    engine.require_waiting()
    pixels = engine.spec.preprocessing.pixels(image)
    return (image.shape[1], image.shape[0]), pixels
