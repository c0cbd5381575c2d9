"""Matches of a gallery, and of every gallery that its name moves to while it is watched."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import NamedTuple

from partlens.runtime.tasks import end
from partlens.server.errors import RequestError
from partlens.server.galleries.directory import Directory
from partlens.server.galleries.served import ServedGallery
from partlens.server.standing.board import Note
from partlens.v1 import standing_query_service_pb2 as pb

_LOOK_SECONDS = 0.25


class GalleryNote(NamedTuple):
    """Result of one scan of new images, and the gallery that was scanned."""

    gallery: ServedGallery
    note: Note


class Watch:
    """A watch of the matches in a gallery.

    If its name moves, the matches in the new gallery after the move are added. Those in the one
    before go on, as an upload may just be on its way there.

    Args:
        name: name that the caller gave.
        gallery: what it led to when the call began.
    """

    def __init__(self, directory: Directory, name: str, gallery: ServedGallery) -> None:
        self._directory, self._name, self._first = directory, name, gallery
        self._moves_seen = len(directory.moves(name))
        # One, so that a slow caller holds back the boards, which bound what waits.
        self._notes: asyncio.Queue[GalleryNote | Exception] = asyncio.Queue(1)
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def notes(self, request: pb.WatchMatchesRequest) -> AsyncGenerator[GalleryNote]:
        """Scans from the revision that the request gives on.

        Raises:
            RequestError: the name has never led to the gallery of the revision.
            OverloadedError, StoppingError: see Board.watch.
        """
        after = request.after_revision if request.HasField("after_revision") else None
        async with self._watching():
            for gallery, since in self._starts(after, request.revision_gallery):
                self._begin(gallery, since)
            while True:
                one = await self._notes.get()
                if isinstance(one, Exception):
                    raise one
                yield one

    def _starts(self, after: int | None, of: str) -> list[tuple[ServedGallery, int | None]]:
        """The galleries to watch at first, and the revisions to begin after."""
        if after is None or of in ("", self._first.name):
            return [(self._first, after)]
        moves, galleries = self._directory.moves(self._name), self._directory.galleries
        numbers = [i for i, move in enumerate(moves) if move.gallery == of]
        if not numbers or of not in galleries:
            raise RequestError(
                "revision_gallery",
                f"{of[:80]!r}: the name {self._name or self._directory.default!r} has not led to"
                " such a gallery; leave after_revision out to watch from now on",
            )
        later = moves[numbers[-1] + 1 :]
        starts: dict[str, int] = {of: after}
        for move in later:
            starts.setdefault(move.gallery, move.after)
        return [(galleries[name], since) for name, since in starts.items() if name in galleries]

    @asynccontextmanager
    async def _watching(self) -> AsyncGenerator[None]:
        following = asyncio.create_task(self._follow())
        try:
            yield
        finally:
            await end(following, *self._tasks.values())

    async def _follow(self) -> None:
        """Begins to watch the galleries that the name moves to."""
        try:
            while True:
                await asyncio.sleep(_LOOK_SECONDS)
                moves = await asyncio.to_thread(self._directory.moves, self._name)
                for move in moves[self._moves_seen :]:
                    gallery = self._directory.galleries.get(move.gallery)
                    if gallery is not None:
                        self._begin(gallery, move.after)
                self._moves_seen = len(moves)
        except Exception as error:
            await self._notes.put(error)

    def _begin(self, gallery: ServedGallery, after: int | None) -> None:
        if gallery.name not in self._tasks:
            watching = asyncio.create_task(self._watch(gallery, after))
            self._tasks[gallery.name] = watching

    async def _watch(self, gallery: ServedGallery, after: int | None) -> None:
        try:
            async with aclosing(gallery.standing.board.watch(after)) as notes:
                async for note in notes:
                    await self._notes.put(GalleryNote(gallery, note))
        except Exception as error:
            await self._notes.put(error)
