"""Uploads on their way to the server."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from partlens.client import checks, encoding
from partlens.client.questions import Upload
from partlens.v1.gallery_service_pb2 import UpsertImagesRequest


class Sending:
    """Turns uploads into requests while gRPC asks for them.

    gRPC takes requests on a thread of its own, which swallows what an iterable raises. Here the
    stream ends instead, so that images sent before get their answers, and the error is kept.
    """

    def __init__(self) -> None:
        self._error: Exception | None = None

    def requests(self, images: Iterable[Upload]) -> Iterator[UpsertImagesRequest]:
        """A request for each image; RequestError at once where these are no images."""
        return self._each(checks.several("images", images))

    def requests_of_any(
        self, images: Iterable[Upload] | AsyncIterable[Upload]
    ) -> AsyncIterator[UpsertImagesRequest]:
        """The same for asyncio."""
        if isinstance(images, AsyncIterable):
            return self._each_async(images)
        return self._each_async(_asynchronous(checks.several("images", images)))

    def require_all_sent(self) -> None:
        """Raise what the iterable raised, or what was wrong with one of its images."""
        if self._error is not None:
            raise self._error

    def _each(self, images: Iterable[Upload]) -> Iterator[UpsertImagesRequest]:
        try:
            for one in images:
                yield encoding.upload(one)
        except Exception as error:
            self._error = error

    async def _each_async(
        self, images: AsyncIterable[Upload]
    ) -> AsyncIterator[UpsertImagesRequest]:
        try:
            async for one in images:
                yield encoding.upload(one)
        except Exception as error:
            self._error = error


async def _asynchronous(images: Iterable[Upload]) -> AsyncIterator[Upload]:
    for one in images:
        yield one
