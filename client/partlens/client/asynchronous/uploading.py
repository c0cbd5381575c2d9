"""Uploads of pictures."""

from collections.abc import AsyncIterable, AsyncIterator, Iterable

from partlens.client import checks, decoding, encoding
from partlens.client.answers import UpsertAnswer
from partlens.client.async_status import with_servers_status
from partlens.client.asynchronous.calls import Calls
from partlens.client.asynchronous.sending import Sending
from partlens.client.questions import Upload


class UploadCalls(Calls):
    """Calls that add pictures to a gallery."""

    async def upsert_images(
        self,
        images: Iterable[Upload] | AsyncIterable[Upload],
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> list[UpsertAnswer]:
        """Add pictures, or replace those with the same id; return one answer for each, in order.

        An answer says committed once the picture is safe on the server's disk. An image that the
        server refuses has an answer that says why. `images` must end; for a source that does not,
        use upsert_stream.

        If `images` raises, or an image cannot be sent, those before it are still added, and then
        the error is raised. To see their answers, use upsert_stream.

        Args:
            images: sent in this order, while answers to earlier ones arrive.
            deadline: seconds for all images together; None for no limit. The client's deadline
                does not apply here.
        """
        return [
            answer
            async for answer in self.upsert_stream(images, gallery=gallery, deadline=deadline)
        ]

    def upsert_stream(
        self,
        images: Iterable[Upload] | AsyncIterable[Upload],
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[UpsertAnswer]:
        """Send pictures and yield the answers as they come; `images` may be endless.

        Arguments and answers are those of upsert_images, and none are kept in memory. Iterate over
        the answers: nothing is sent before, and dropping them unused gives a RuntimeWarning.
        Stopping early cancels the call, and pictures without an answer may or may not be added.

        If `images` raises, or an image cannot be sent, those before it are answered first, and
        then the error is raised.
        """
        timeout = checks.optional_seconds("deadline", deadline)
        sending = Sending(checks.several_async("images", images), self._named(gallery))
        return self._upserted(sending, timeout)

    async def upsert_image(
        self, image: Upload, *, gallery: str | None = None, deadline: float | None = None
    ) -> UpsertAnswer:
        """Add one picture, or replace the one with the same id; return once it is on disk.

        Raises:
            RequestError, AccessError: the server refuses the picture.
        """
        request = encoding.upsert_image(image)
        response = await self._ask(self._gallery.UpsertImage, request, deadline, gallery)
        return decoding.committed(image.id, response.committed)

    async def _upserted(
        self, sending: Sending, timeout: float | None
    ) -> AsyncIterator[UpsertAnswer]:
        requests = sending.requests()
        if sending.gallery:
            await self._require_current("named galleries", None)
        with self._errors():
            answers = self._gallery.UpsertImages(requests, timeout=timeout, metadata=self._metadata)
            async for response in with_servers_status(answers):
                yield decoding.upsert(response)
        sending.require_all_sent()
