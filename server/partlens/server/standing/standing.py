"""The standing queries of a server: storage, matching and delivery."""

import asyncio
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

from redis.asyncio import Redis

from partlens.common.durable import make_folder
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.settings import Settings
from partlens.runtime.redis_connection import connect
from partlens.runtime.tasks import Report, end, keep_running
from partlens.server.errors import OverloadedError
from partlens.server.limits.holders import share_of
from partlens.server.messages.encoding import Encoder
from partlens.server.observe.metrics import StandingFigures
from partlens.server.standing import messages
from partlens.server.standing.board import Board
from partlens.server.standing.http_client import connect as connect_web
from partlens.server.standing.matcher import Matcher, StandingMatch
from partlens.server.standing.query import Change, StandingQuery
from partlens.server.standing.sinks import pump, redis_stream, webhook
from partlens.server.standing.store import StandingStore


class Standing:
    """All state about the standing queries of one gallery, for the lifetime of the server.

    Attributes:
        board: notifies of matches.
        encoder: encodes matches.

    Args:
        name: own name of the gallery.
        others: standing queries of the server's other galleries, which the limits count too.
        gallery: the whole gallery; access is checked when matches are sent to a caller.
        report: called if matching or a delivery fails.

    Raises:
        SettingsError: a file in the settings cannot be read, or a proxy cannot be used.
    """

    def __init__(
        self,
        name: str,
        gallery: Gallery,
        settings: Settings,
        metrics: StandingFigures,
        report: Report,
        *,
        others: Callable[[], Iterable[StandingQuery]],
    ) -> None:
        self._settings, self._report = settings, report
        self._name, self._others = name, others
        self._folder = folder_of(gallery.path, settings)
        self._store = StandingStore(self._folder, gallery.spec)
        self._changing = StandingStore(self._folder, gallery.spec)
        matcher = Matcher(gallery, self._store)
        self._gallery, self.board = gallery, Board(matcher, metrics, report)
        url = settings.standing.webhook
        self._web, self._redis = connect_web(url) if url else None, _redis(settings)
        self._pumps: list[asyncio.Task[None]] = []
        self.encoder = Encoder(gallery.spec)
        self._start_pumps()

    def newest(self) -> int:
        """Revision of the newest image that any process has committed.

        Raises:
            DamagedError: a commit of another process cannot be read.
        """
        self._gallery.refresh()
        return self._gallery.view.newest_revision

    def read(self) -> Mapping[str, StandingQuery]:
        """All standing queries by id."""
        return self._changing.read()

    def add(self, query: StandingQuery, request: bytes) -> None:
        """Saves one; on disk when this returns.

        Args:
            request: the request that made it; see StandingStore.add.

        Raises:
            OverloadedError: there are as many as the settings allow, of all tokens or of its own.
            StandingQueryError: the disk refused it.
        """
        most = self._settings.standing.queries
        saved = [*self.read().values(), *self._others()]
        if len(saved) >= most:
            raise OverloadedError(
                f"{most} standing queries are saved, the most allowed (standing.queries);"
                " delete some"
            )
        share = share_of(most, self._settings.limits.token_share)
        if query.token and sum(one.token == query.token for one in saved) >= share:
            raise OverloadedError(
                f"{share} standing queries of token {query.token} are saved, the most for one"
                " token (limits.token_share of standing.queries); delete some"
            )
        self._changing.add(query, request)

    def update(self, id: str, change: Change) -> StandingQuery:
        """Changes one, and returns it; on disk when this returns.

        Raises:
            UnknownStandingQueryError: there is none with this id.
            RequestError: it cannot be paused again.
            DamagedError: a commit of another process cannot be read; nothing is changed.
            StandingQueryError: the disk refused it.
        """

        def changed(query: StandingQuery) -> StandingQuery:
            return query.changed(change, 0 if change.paused is None else self.newest())

        return self._changing.update(id, changed)

    def begin(self) -> int:
        """Scores images that are added from now on against the queries that were carried over.

        Returns:
            Revision of the newest image, which is not scored against them.
        """
        newest = self.newest()
        for id, query in self.read().items():
            if query.waits:
                self._changing.update(id, lambda one: one.begun(newest))
        return newest

    def remove(self, id: str) -> None:
        """Deletes one; raises StandingQueryError as add does."""
        self._changing.remove(id)

    async def close(self) -> None:
        """Ends all watching; undelivered matches are delivered after the next start."""
        await self.board.close()
        await end(*self._pumps)
        if self._web is not None:
            await self._web.client.aclose()
        if self._redis is not None:
            await self._redis.aclose()

    def _start_pumps(self) -> None:
        settings = self._settings

        def encode(match: StandingMatch) -> str:
            return messages.match_json(self.encoder, match, self._name)

        sinks = {}
        if self._web is not None:
            sinks["webhook"] = webhook(self._web, settings.standing, encode)
        if self._redis is not None:
            sinks["redis"] = redis_stream(
                self._redis, settings.redis.prefix, self._name, settings.standing, encode
            )
        for name, deliver in sinks.items():
            make_folder(self._folder)
            cursor = self._folder / f"{name}.json"
            work = partial(pump, self.board, cursor, deliver)
            task = f"{name} of {self._name}"
            self._pumps.append(keep_running(task, work, self._report))


def _redis(settings: Settings) -> Redis | None:
    return connect(settings.redis) if settings.redis.url else None


def folder_of(gallery: Path, settings: Settings) -> Path:
    """The folder of a gallery's standing queries."""
    return settings.standing.folder or beside(gallery)


def beside(gallery: Path) -> Path:
    """The default folder of a gallery's standing queries.

    >>> beside(Path("data/people")).as_posix()
    'data/people.standing'
    """
    return gallery.with_name(f"{gallery.name}.standing")
