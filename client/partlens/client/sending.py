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
        """A request for each image."""
        try:
            for one in checks.several("images", images):
                yield encoding.upload(one)
        except Exception as error:
            self._error = error

    async def requests_of_any(
        self, images: Iterable[Upload] | AsyncIterable[Upload]
    ) -> AsyncIterator[UpsertImagesRequest]:
        """The same for asyncio."""
        if not isinstance(images, AsyncIterable):
            for request in self.requests(images):
                yield request
            return
        try:
            async for one in images:
                yield encoding.upload(one)
        except Exception as error:
            self._error = error

    def require_all_sent(self) -> None:
        """Raise what the iterable raised, or what was wrong with one of its images."""
        if self._error is not None:
            raise self._error
