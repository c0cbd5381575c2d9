"""The galleries of a server, and their aliases."""

from collections.abc import Sequence

from partlens.client import decoding, encoding
from partlens.client.answers import AliasMoved, GalleryAnswer, NamedGallery
from partlens.client.asynchronous.calls import Calls
from partlens.v1 import gallery_service_pb2 as gallery_pb


class GalleryCalls(Calls):
    """Calls about galleries and their names."""

    async def get_gallery(
        self, *, gallery: str | None = None, deadline: float | None = None
    ) -> GalleryAnswer:
        """Return the gallery's size, its model, the server's limits, and what your token allows."""
        request = gallery_pb.GetGalleryRequest()
        response = await self._ask(self._gallery.GetGallery, request, deadline, gallery)
        return decoding.gallery(response)

    async def list_galleries(self, *, deadline: float | None = None) -> Sequence[NamedGallery]:
        """Return the names of galleries that your token may use, in order."""
        request = gallery_pb.ListGalleriesRequest()
        response, _ = await self._send(self._gallery.ListGalleries, request, deadline)
        return [decoding.named_gallery(one) for one in response.galleries]

    async def set_gallery_alias(
        self, alias: str, gallery: str, *, deadline: float | None = None
    ) -> AliasMoved:
        """Make a name lead to a gallery from the next call on.

        Args:
            alias: the name; it may be that of another gallery, which it then hides.
            gallery: own name of a gallery, not an alias. If it is `alias`, that leads to its own
                gallery again.
        """
        request = encoding.set_alias(alias, gallery)
        response, _ = await self._send(self._gallery.SetGalleryAlias, request, deadline)
        return decoding.alias_moved(response)

    async def delete_gallery_alias(self, alias: str, *, deadline: float | None = None) -> None:
        """Remove an alias."""
        request = encoding.delete_alias(alias)
        await self._send(self._gallery.DeleteGalleryAlias, request, deadline)
