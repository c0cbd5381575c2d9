"""The images of a gallery."""

from collections.abc import AsyncIterator, Sequence

from partlens.client import decoding, encoding
from partlens.client.answers import Facets, GalleryImage, Picture, UpdateAnswer
from partlens.client.asynchronous.calls import Calls
from partlens.client.questions import GalleryImageId, ImageUpdate, QueryId
from partlens.client.updates import answer as updated
from partlens.client.updates import to_update
from partlens.common.filters import Filter


class ImageCalls(Calls):
    """Calls that read, change and delete the images of a gallery."""

    async def get_image(
        self, id: str, *, gallery: str | None = None, deadline: float | None = None
    ) -> tuple[GalleryImage, bytes]:
        """Return an image of the gallery, and its thumbnail (a JPEG)."""
        request = encoding.get_image(id)
        response = await self._ask(self._gallery.GetImage, request, deadline, gallery)
        return decoding.image(response.image), response.thumbnail

    async def get_picture(
        self,
        image: GalleryImageId | QueryId,
        max_side: int = 0,
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> Picture:
        """Return the original of a gallery image, or the picture of an earlier query image.

        Args:
            max_side: longest side of a JPEG, in pixels; it is never enlarged. It shows the
                thumbnail if the server cannot read the original. 0 for the original file, byte for
                byte.

        Raises:
            NotFoundError: with reason PICTURE_UNAVAILABLE if the server cannot read the original
                file, or no longer keeps the picture.
        """
        request = encoding.get_picture(image, max_side)
        return decoding.picture(
            await self._ask(self._gallery.GetPicture, request, deadline, gallery)
        )

    async def get_facets(
        self,
        where: Filter | None = None,
        values: int = 0,
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> Facets:
        """Count the values of each property of the images.

        Args:
            where: which images of the gallery to count; None for all.
            values: most values of each property to return; 0 for the server's default.
        """
        request = encoding.get_facets(where, values)
        return decoding.facets(await self._ask(self._gallery.GetFacets, request, deadline, gallery))

    async def list_images(
        self,
        page_size: int = 0,
        *,
        where: Filter | None = None,
        prefix: str = "",
        thumbnails: bool = False,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> AsyncIterator[GalleryImage]:
        """Yield the images of the gallery in order of id; each page is one call.

        Args:
            where: which images to list; None for all.
            prefix: list only images whose ids begin with this, character for character.
            thumbnails: whether to return each image's thumbnail.
        """
        first = encoding.list_images(page_size, "", where, prefix, thumbnails)
        if first.filter.ByteSize() or first.prefix:
            await self._require_current("the filter or prefix of a list", deadline)
        token = ""
        while True:
            request = encoding.list_images(page_size, token, where, prefix, thumbnails)
            response = await self._ask(self._gallery.ListImages, request, deadline, gallery)
            for one, thumbnail in decoding.listed(response, thumbnails=thumbnails):
                yield decoding.image(one, thumbnail)
            token = response.next_page_token
            if not token:
                return

    async def update_images(
        self,
        updates: Sequence[ImageUpdate],
        *,
        gallery: str | None = None,
        deadline: float | None = None,
    ) -> UpdateAnswer:
        """Change metadata of images without sending their pictures; return once it is on disk.

        All updates are one commit: if one of them is invalid, none is applied. Ids without an
        image, and images with another revision than expected, are skipped and returned.

        Args:
            updates: at least one, at most the server's limits.update_images (256 by default); each
                id once.
        """
        request = to_update(updates)
        return updated(await self._ask(self._gallery.UpdateImages, request, deadline, gallery))

    async def delete_images(
        self, ids: Sequence[str], *, gallery: str | None = None, deadline: float | None = None
    ) -> int:
        """Delete images; return how many of them existed."""
        request = encoding.delete_images(ids)
        response = await self._ask(self._gallery.DeleteImages, request, deadline, gallery)
        return int(response.deleted)
