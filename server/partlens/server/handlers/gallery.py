"""GalleryService: the images that searches look through."""

from collections.abc import AsyncIterator, Sequence

from partlens.server.access.confined_view import ConfinedView
from partlens.server.calls import call as calls
from partlens.server.calls.method import methods_of
from partlens.server.engine.engine import Engine
from partlens.server.errors import RequestError
from partlens.server.galleries.served import ServedGallery
from partlens.server.handlers import listings, pictures, uploads
from partlens.server.handlers.aliases import AliasHandlers
from partlens.server.handlers.inbox import receiving
from partlens.server.host import Host
from partlens.server.limits.shares import holding
from partlens.server.messages import decoding_changes, encoding
from partlens.server.messages.decoding_images import image_id
from partlens.server.pages import page_tokens
from partlens.server.requests.answers import Committed, Receipt, Refused
from partlens.server.requests.digest import digest
from partlens.server.requests.image_changes import ImageChange
from partlens.v1 import gallery_service_pb2 as pb

SERVICE = pb.DESCRIPTOR.services_by_name["GalleryService"]


class GalleryHandlers:
    """Adds, updates, shows, lists and deletes images.

    The errors of the methods reach the caller through calls/.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.methods = methods_of(
            SERVICE,
            {
                "UpsertImages": self.upsert_images,
                "GetImage": self.get_image,
                "UpsertImage": self.upsert_image,
                "GetPicture": self.get_picture,
                "GetFacets": self.get_facets,
                "ListImages": self.list_images,
                "UpdateImages": self.update_images,
                "DeleteImages": self.delete_images,
                "GetGallery": self.get_gallery,
                **AliasHandlers(host).answers,
            },
        )

    async def upsert_images(
        self, requests: AsyncIterator[pb.UpsertImagesRequest]
    ) -> AsyncIterator[pb.UpsertImagesResponse]:
        """Answers each image in the order sent, when it is on disk or has been refused."""
        host, index, named = self._host, 0, None
        limits, uploading = host.settings.limits, host.threads.uploading
        async with receiving(requests, limits, uploading, host.stopping) as inbox:
            while batch := await inbox.take():
                named = batch[0].gallery if named is None else named
                # Found anew for each commit: a stream that never ends follows an alias that moves.
                gallery = host.directory.of(named)
                receipts = await _upserted(gallery, batch, named)
                await calls.current().commit()
                for request, receipt in zip(batch, receipts, strict=True):
                    yield encoding.receipt(request.id, index, receipt, gallery.name)
                    index += 1

    async def upsert_image(self, request: pb.UpsertImageRequest) -> pb.UpsertImageResponse:
        """Answers when the image is on disk; raises why it was refused."""
        gallery = self._host.directory.of(request.gallery)
        budget, holder = self._host.threads.uploading, calls.current().caller.token
        async with holding(budget, holder, max(1, min(request.ByteSize(), budget.whole))):
            (receipt,) = await _upserted(gallery, [request], request.gallery)
        if isinstance(receipt, Refused):
            raise receipt.error
        return pb.UpsertImageResponse(committed=encoding.committed(receipt, gallery.name))

    async def get_picture(self, request: pb.GetPictureRequest) -> pb.GetPictureResponse:
        """The original of an image of the gallery, or the picture of a query image."""
        return await pictures.picture(request, self._host.directory.of(request.gallery))

    async def get_facets(self, request: pb.GetFacetsRequest) -> pb.GetFacetsResponse:
        """How many of the images that pass a filter have each value."""
        gallery = self._host.directory.of(request.gallery)
        return await gallery.look(lambda engine: listings.facets(request, engine))

    async def get_image(self, request: pb.GetImageRequest) -> pb.GetImageResponse:
        """One image of the gallery, with its thumbnail."""

        def answer(engine: Engine) -> pb.GetImageResponse:
            id = image_id(request.id, "id")

            def look(view: ConfinedView) -> pb.GetImageResponse:
                calls.current().note(query=digest([id]), gallery_version=view.number)
                image, thumbnail = encoding.image(view.get(id)), view.thumbnails([id])[0]
                return pb.GetImageResponse(image=image, thumbnail=thumbnail)

            return engine.gallery.read(look)

        return await self._host.directory.of(request.gallery).look(answer)

    async def list_images(self, request: pb.ListImagesRequest) -> pb.ListImagesResponse:
        """A page of the images that pass a filter, ordered by id."""
        earlier, request.page_token = page_tokens.split(request.page_token)
        gallery, metrics = self._host.directory.of(request.gallery, earlier), self._host.metrics
        return await gallery.look(
            lambda engine: listings.page(request, engine, metrics.queries, gallery.name)
        )

    async def update_images(self, request: pb.UpdateImagesRequest) -> pb.UpdateImagesResponse:
        """Changes metadata of images, in one commit; answers when it is on disk."""
        gallery = self._host.directory.of(request.gallery)

        def decode(engine: Engine) -> Sequence[ImageChange]:
            changes = decoding_changes.changes(request)
            calls.current().note(query=digest([one.id for one in changes]))
            return changes

        changes = await gallery.look(decode)

        def answer(engine: Engine) -> pb.UpdateImagesResponse:
            with engine.gallery.writing() as writer:
                plan = writer.update(changes)
                version, updated = engine.gallery.view.number, len(plan.corrections)
            calls.current().note(gallery_version=version, updated=updated)
            return pb.UpdateImagesResponse(
                gallery_version=version,
                updated=updated,
                unchanged=plan.unchanged,
                unknown_ids=plan.unknown,
                stale_ids=plan.stale,
            )

        return await gallery.write(answer)

    async def delete_images(self, request: pb.DeleteImagesRequest) -> pb.DeleteImagesResponse:
        """Deletes images by id; returns how many existed."""
        if not request.ids:
            raise RequestError("ids", "none given; give at least one id")
        gallery = self._host.directory.of(request.gallery)

        def decode(engine: Engine) -> list[str]:
            ids = [image_id(id, f"ids[{i}]") for i, id in enumerate(request.ids)]
            calls.current().note(query=digest(ids))
            return ids

        ids = await gallery.look(decode)

        def answer(engine: Engine) -> pb.DeleteImagesResponse:
            with engine.gallery.writing() as writer:
                deleted = writer.delete(ids)
                version = engine.gallery.view.number
            calls.current().note(gallery_version=version, deleted=deleted)
            return pb.DeleteImagesResponse(deleted=deleted)

        return await gallery.write(answer)

    async def get_gallery(self, request: pb.GetGalleryRequest) -> pb.GetGalleryResponse:
        """The gallery's size, its model, the server's limits, and who is calling."""
        gallery, indexing = self._host.directory.of(request.gallery), self._host.indexing.now

        def answer(engine: Engine) -> pb.GetGalleryResponse:
            view, caller = engine.gallery.view, calls.current().caller
            made = encoding.gallery(
                view.number, len(view), engine.spec, engine.limits, caller, indexing
            )
            made.gallery = gallery.name
            return made

        return await gallery.look(answer)


async def _upserted(
    gallery: ServedGallery, batch: Sequence[uploads.UploadRequest], named: str
) -> list[Receipt]:
    prepared = await uploads.prepare(batch, gallery, named)
    calls.current().note(images=len(batch))
    receipts = await uploads.commit(prepared, gallery)
    for receipt in receipts:
        result = "committed" if isinstance(receipt, Committed) else "refused"
        gallery.figures.uploads(result).inc()
    return receipts
