"""Lists the galleries of a server, and moves their aliases."""

from collections.abc import Callable, Sequence
from typing import Any

from partlens.server.calls import call as calls
from partlens.server.engine.engine import Engine
from partlens.server.errors import ForbiddenError
from partlens.server.galleries.directory import NamedGallery
from partlens.server.galleries.served import ServedGallery
from partlens.server.host import Host
from partlens.server.messages import encoding
from partlens.server.standing.query import StandingQuery
from partlens.v1 import gallery_service_pb2 as pb


class AliasHandlers:
    """Methods about the names of galleries.

    Attributes:
        answers: name of a method -> handler.
    """

    def __init__(self, host: Host) -> None:
        self._host = host
        self.answers: dict[str, Callable[..., Any]] = {
            "ListGalleries": self.list_galleries,
            "SetGalleryAlias": self.set_gallery_alias,
            "DeleteGalleryAlias": self.delete_gallery_alias,
        }

    async def list_galleries(self, request: pb.ListGalleriesRequest) -> pb.ListGalleriesResponse:
        """Every name of a gallery that the caller may use."""
        directory = self._host.directory
        directory.require_loaded()
        named = directory.names(calls.current().caller.within)
        found = [await self._named(one) for one in named]
        return pb.ListGalleriesResponse(galleries=found)

    async def set_gallery_alias(
        self, request: pb.SetGalleryAliasRequest
    ) -> pb.SetGalleryAliasResponse:
        """Makes a name lead to a gallery; answers when the move is on disk."""
        _require_unconfined()
        directory = self._host.directory
        directory.require_alias(request.alias)
        target = directory.target(request.gallery)
        calls.current().gallery = target.name
        calls.current().note(alias=request.alias)

        def move(engine: Engine) -> tuple[ServedGallery | None, Sequence[StandingQuery]]:
            before = directory.led_to(request.alias)
            # Carried queries score from this revision on, and watchers follow from it on.
            after = target.standing.begin()
            left = () if before in (None, target) else _left(before, target)
            directory.move(request.alias, target.name, after)
            return before, left

        before, left = await target.write(move)
        calls.current().note(before=before.name if before else "", left=len(left))
        return pb.SetGalleryAliasResponse(
            before=before.name if before else "",
            left=[pb.StandingQueryLeft(id=one.id, name=one.name) for one in left],
        )

    async def delete_gallery_alias(
        self, request: pb.DeleteGalleryAliasRequest
    ) -> pb.DeleteGalleryAliasResponse:
        """Removes an alias; answers when that is on disk."""
        _require_unconfined()
        directory = self._host.directory
        directory.require_alias(request.alias)
        calls.current().note(alias=request.alias)
        directory.require_loaded()
        any_gallery = next(iter(directory.galleries.values()))
        await any_gallery.write(lambda engine: directory.remove(request.alias))
        return pb.DeleteGalleryAliasResponse()

    async def _named(self, named: NamedGallery) -> pb.GalleryName:
        def look(engine: Engine) -> pb.GalleryName:
            view = engine.gallery.view
            return pb.GalleryName(
                name=named.name,
                gallery=named.gallery.name,
                default=named.name == self._host.directory.default,
                version=view.number,
                images=len(view),
                model=encoding.model(engine.spec),
            )

        made = await named.gallery.look(look)
        if named.alias is not None:
            made.moved_at.FromDatetime(named.alias.moved_at)
        return made


def _left(before: ServedGallery | None, target: ServedGallery) -> Sequence[StandingQuery]:
    """The standing queries of a gallery that another one does not have."""
    if before is None:
        return ()
    there = target.standing.read()
    return [one for id, one in before.standing.read().items() if id not in there]


def _require_unconfined() -> None:
    """Raise ForbiddenError for a token that may use only some images: a move is for everyone."""
    within = calls.current().caller.within
    if within.cameras is not None or within.galleries is not None:
        raise ForbiddenError(
            "this token is restricted to some cameras or galleries; moving an alias needs a token"
            " with scope admin and no such restriction"
        )
