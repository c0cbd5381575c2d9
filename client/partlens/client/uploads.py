"""Uploads on their way to a server. gRPC would swallow what making one raises; here it is kept."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

from partlens.client import encoding
from partlens.client.questions import Upload
from partlens.v1 import gallery_service_pb2 as gallery_pb


class Failure:
    """What ended a stream of uploads early, if something did.

    Attributes:
        error: that the caller's iterable or the encoding of an upload raised.
    """

    def __init__(self) -> None:
        self.error: Exception | None = None

    def require_none(self) -> None:
        """Raise the error, if there is one."""
        if self.error is not None:
            raise self.error


def requests(
    images: Iterable[Upload], failure: Failure
) -> Iterator[gallery_pb.UpsertImagesRequest]:
    """A message for each upload, up to the first that fails."""
    try:
        for one in images:
            yield encoding.upload(one)
    except Exception as error:
        failure.error = error


async def requests_async(
    images: Iterable[Upload] | AsyncIterable[Upload], failure: Failure
) -> AsyncIterator[gallery_pb.UpsertImagesRequest]:
    """The same, of an iterable of either kind."""
    if not isinstance(images, AsyncIterable):
        for request in requests(images, failure):
            yield request
        return
    try:
        async for one in images:
            yield encoding.upload(one)
    except Exception as error:
        failure.error = error
