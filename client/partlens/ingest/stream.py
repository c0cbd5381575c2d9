"""The ingest stream in Redis: pictures on their way to the gallery.

An entry leaves the stream once its image is on disk, or moves to the dead letters if that is not
possible. So the stream contains exactly the entries that wait or are in progress.
"""

import asyncio
import logging
import os
import secrets
import socket
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, cast

from redis.asyncio import Redis
from redis.exceptions import ResponseError

from partlens.ingest.dead import DeadLetters
from partlens.ingest.event import EVENT, IMAGE, IngestEvent
from partlens.runtime.config.sections import IngestSection

GROUP = "partlens"
_FULL_PAUSE = 0.25
_log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Entry:
    """An entry that this worker holds.

    Attributes:
        id: id in the stream.
        fields: fields as its producer wrote them.
        deliveries: number of deliveries to any worker, including this one.
    """

    id: bytes
    fields: dict[bytes, bytes]
    deliveries: int = 1


@dataclass(frozen=True)
class Lag:
    """The backlog of the workers.

    Attributes:
        waiting: number of entries that no worker holds.
        taken: number of entries that a worker holds.
        oldest_seconds: age of the oldest of these entries.
        dead: number of dead letters.
    """

    waiting: int
    taken: int
    oldest_seconds: float
    dead: int

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)


class IngestStream:
    """A worker's or producer's connection to the stream.

    Methods raise RedisError if Redis does not answer; any of them may then be called again.

    Attributes:
        name: name of the stream.
        dead_letters: the entries that were moved out of it.
        worker: name of this connection as a worker.
    """

    def __init__(self, redis: Redis, prefix: str, settings: IngestSection) -> None:
        self._redis, self._settings = redis, settings
        self.name = f"{prefix}:ingest"
        self.dead_letters = DeadLetters(redis, f"{prefix}:ingest:dead", self.name)
        self.worker = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    async def push(self, event: IngestEvent, picture: bytes) -> None:
        """Add a picture; waits while the stream is full."""
        told = False
        while await self._redis.xlen(self.name) >= self._settings.waiting:
            if not told:
                _log.warning("%s is full; waiting for the workers", self.name)
            told = True
            await asyncio.sleep(_FULL_PAUSE)
        await self._redis.xadd(self.name, {EVENT: event.to_json(), IMAGE: picture})

    async def open(self) -> None:
        """Create the stream and its consumer group if they are missing."""
        with suppress(ResponseError):  # it exists
            await self._redis.xgroup_create(self.name, GROUP, id="0", mkstream=True)

    async def read(self, seconds: float) -> list[Entry]:
        """Read new entries, at most one batch; waits this many seconds for the first."""
        answer = await self._redis.xreadgroup(
            GROUP,
            self.worker,
            {self.name: ">"},
            count=self._settings.batch,
            block=round(1000 * seconds),
        )
        return [entry for _, entries in _pairs(answer) for entry in _entries(entries)]

    async def claim(self) -> Entry | None:
        """Take over an entry of a worker that has been silent too long; None if there is none."""
        cursor: Any = "0-0"
        while True:
            answer = await self._redis.xautoclaim(
                self.name,
                GROUP,
                self.worker,
                min_idle_time=round(1000 * self._settings.claim_seconds),
                start_id=cursor,
                count=1,
            )
            cursor, entries = answer[0], _entries(answer[1])
            if entries:
                id = entries[0].id
                (pending,) = await self._redis.xpending_range(self.name, GROUP, id, id, 1)
                return Entry(id, entries[0].fields, int(pending["times_delivered"]))
            if cursor == b"0-0":
                return None

    async def hold(self, ids: Sequence[bytes]) -> None:
        """Report that this worker is alive and still works on these entries."""
        if ids:
            await self._redis.xclaim(self.name, GROUP, self.worker, 0, list(ids), justid=True)

    async def ours(self) -> set[bytes]:
        """Ids of the entries that this worker holds in the stream."""
        most = self._settings.batch + 1  # one more entry may have been taken over
        found = await self._redis.xpending_range(
            self.name, GROUP, "-", "+", most, consumername=self.worker
        )
        return {cast("bytes", one["message_id"]) for one in found}

    async def done(self, ids: Sequence[bytes]) -> None:
        """Remove entries: their images are on disk."""
        if ids:
            async with self._redis.pipeline(transaction=True) as all_or_nothing:
                all_or_nothing.xack(self.name, GROUP, *ids)
                all_or_nothing.xdel(self.name, *ids)
                await all_or_nothing.execute()

    async def bury(self, entry: Entry, reason: str, message: str) -> None:
        """Move an entry to the dead letters, unchanged, with the reason and time."""
        facts = {
            "reason": reason,
            "message": message,
            "entry": entry.id,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        letter: Any = {**entry.fields, **facts}
        async with self._redis.pipeline(transaction=True) as all_or_nothing:
            all_or_nothing.xadd(
                self.dead_letters.name, letter, maxlen=self._settings.dead_letters, approximate=True
            )
            all_or_nothing.xack(self.name, GROUP, entry.id)
            all_or_nothing.xdel(self.name, entry.id)
            await all_or_nothing.execute()

    async def lag(self) -> Lag:
        """The current backlog of the workers."""
        total, dead = (
            await self._redis.xlen(self.name),
            await self._redis.xlen(self.dead_letters.name),
        )
        taken = 0
        with suppress(ResponseError):  # no group yet
            taken = int((await self._redis.xpending(self.name, GROUP))["pending"])
        first = _entries(await self._redis.xrange(self.name, count=1))
        age = 0.0
        if first:
            seconds, microseconds = await self._redis.time()
            age = seconds + microseconds / 1e6 - int(first[0].id.partition(b"-")[0]) / 1e3
        return Lag(max(0, total - taken), taken, max(0.0, round(age, 3)), dead)

    async def leave(self) -> None:
        """Remove this worker from the group, unless it holds entries for others to take over."""
        for one in await self._redis.xinfo_consumers(self.name, GROUP):
            if one["name"] == self.worker.encode() and not one["pending"]:
                await self._redis.xgroup_delconsumer(self.name, GROUP, self.worker)

    async def close(self) -> None:
        """Close the connections."""
        await self._redis.aclose()


def _pairs(answer: Any) -> Sequence[tuple[Any, Any]]:
    """Streams and their entries, from a response in Redis protocol version 2 or 3."""
    return list(answer.items()) if isinstance(answer, dict) else list(answer or ())


def _entries(answer: Any) -> list[Entry]:
    # An entry that was deleted while a worker held it has no fields.
    return [Entry(id, fields) for id, fields in answer or () if fields is not None]
