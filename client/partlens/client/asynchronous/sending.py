"""Uploads on their way to the server."""

import warnings
from collections.abc import AsyncIterable, AsyncIterator

from partlens.client import encoding
from partlens.client.questions import Upload
from partlens.v1.gallery_service_pb2 import UpsertImagesRequest


class Sending:
    """Turns uploads into requests while gRPC asks for them.

    gRPC swallows errors from an iterable of requests. Here the stream ends instead, so images sent
    before still get their answers, and the error is kept. Dropping this object before requests() is
    called gives a RuntimeWarning, since nothing was sent.

    Attributes:
        gallery: name of the gallery that they are for; "" for the default.
    """

    def __init__(self, images: AsyncIterable[Upload], gallery: str) -> None:
        self._images, self.gallery = images, gallery
        self._begun = False
        self._error: Exception | None = None

    def __del__(self) -> None:
        if not self._begun:
            warnings.warn(
                "the answers of upsert_stream were never iterated over, so no image was sent;"
                " iterate over them, or use upsert_images",
                RuntimeWarning,
                stacklevel=2,
            )

    def requests(self) -> AsyncIterator[UpsertImagesRequest]:
        """A request for each image."""
        self._begun = True
        return self._each()

    def require_all_sent(self) -> None:
        """Raise the iterable's error, or the error of an image that could not be sent."""
        if self._error is not None:
            raise self._error

    async def _each(self) -> AsyncIterator[UpsertImagesRequest]:
        try:
            async for one in self._images:
                yield encoding.upload(one, self.gallery)
        except Exception as error:
            self._error = error
