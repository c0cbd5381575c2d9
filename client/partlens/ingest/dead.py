"""Dead letters: entries of the ingest stream that can never become an image."""

import json
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal, cast

from redis.asyncio import Redis

from partlens.ingest.errors import LetterError
from partlens.ingest.event import EVENT, IMAGE

_PAGE = 10
"""Letters that Redis reads at once, with their pictures."""
_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
_MOST_EVENT = 65_536
"""Bytes of an event that are read; a longer one is malformed anyway."""

# In one step, so that a letter is moved once, even by two callers, or if a response is lost and
# the command is sent again. Pictures stay in Redis.
_MOVE = f"""
local letter = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[1])[1]
if not letter then return 'absent' end
if redis.call('XLEN', KEYS[2]) >= tonumber(ARGV[2]) then return 'full' end
local fields = {{}}
for i = 1, #letter[2], 2 do
  if letter[2][i] == '{EVENT}' or letter[2][i] == '{IMAGE}' then
    fields[#fields + 1] = letter[2][i]
    fields[#fields + 1] = letter[2][i + 1]
  end
end
if #fields == 0 then return 'empty' end
redis.call('XADD', KEYS[2], '*', unpack(fields))
redis.call('XDEL', KEYS[1], ARGV[1])
return 'moved'
"""
# A page of letters with the size of each picture in its place.
_LIST = f"""
local page = redis.call('XRANGE', KEYS[1], ARGV[1], ARGV[2], 'COUNT', ARGV[3])
for _, letter in ipairs(page) do
  local fields = letter[2]
  for i = 1, #fields, 2 do
    if fields[i] == '{IMAGE}' then fields[i + 1] = tostring(string.len(fields[i + 1]))
    else fields[i + 1] = string.sub(fields[i + 1], 1, {_MOST_EVENT}) end
  end
end
return page
"""

Moved = Literal["moved", "absent", "full", "empty"]


@dataclass(frozen=True)
class Letter:
    """A dead letter without its picture.

    Attributes:
        id: id in the stream of dead letters.
        at: when it was moved there, in RFC 3339.
        reason: why, in one word.
        message: why, in words.
        entry: id that it had in the ingest stream.
        event: its event, as the producer wrote it.
        picture_bytes: size of its picture; None if it has none.
    """

    id: str
    at: str
    reason: str
    message: str
    entry: str
    event: str
    picture_bytes: int | None

    @property
    def source(self) -> dict[str, str]:
        """Texts of the event that say what the picture is of; empty if the event is malformed."""
        try:
            found: Any = json.loads(self.event)
        except (ValueError, RecursionError):
            return {}
        keys = ("id", "camera", "track", "captured_at", "uri")
        return (
            {key: found[key] for key in keys if isinstance(found.get(key), str)}
            if isinstance(found, dict)
            else {}
        )

    def to_json(self) -> dict[str, Any]:
        """Plain values, with the source."""
        return {**vars(self), "source": self.source}


class DeadLetters:
    """The dead letters of one ingest stream. Methods raise RedisError if Redis does not answer.

    Args:
        name: name of their stream.
        stream: name of the ingest stream.
    """

    def __init__(self, redis: Redis, name: str, stream: str) -> None:
        self._redis, self.name, self._stream = redis, name, stream
        self._list = redis.register_script(_LIST)
        self._move = redis.register_script(_MOVE)

    async def all(self, reason: str | None = None) -> AsyncIterator[Letter]:
        """Yield the letters that are there now, the oldest first.

        Args:
            reason: yield only letters with this reason.
        """
        newest = await self._redis.xrevrange(self.name, count=1)
        # A letter that dies again meanwhile does not come again.
        last: Any = newest[0][0] if newest else None
        start = "-"
        while last is not None:
            page: Any = await self._list(keys=[self.name], args=[start, last, _PAGE])
            for id, values in page:
                letter = _letter(id, dict(zip(values[::2], values[1::2], strict=True)))
                if reason in (None, letter.reason):
                    yield letter
            if len(page) < _PAGE:
                return
            start = f"({page[-1][0].decode()}"

    async def one(self, id: str) -> Letter:
        """The letter with this id.

        Raises:
            LetterError: there is none.
        """
        require_id(id)
        page: Any = await self._list(keys=[self.name], args=[id, id, 1])
        if not page:
            raise LetterError(f"there is no dead letter {id}; see `partlens ingest dead list`")
        found, values = page[0]
        return _letter(found, dict(zip(values[::2], values[1::2], strict=True)))

    async def picture(self, id: str) -> bytes | None:
        """The picture of a letter, as its producer sent it; None if it has none.

        Raises:
            LetterError: there is no letter with this id.
        """
        require_id(id)
        found: Any = await self._redis.xrange(self.name, id, id)
        if not found:
            raise LetterError(f"there is no dead letter {id}; see `partlens ingest dead list`")
        return cast("bytes | None", found[0][1].get(IMAGE.encode()))

    async def retry(self, id: str, waiting: int) -> Moved:
        """Move a letter back to the end of the ingest stream, at most once.

        Args:
            waiting: most entries in the ingest stream.

        Returns:
            "moved"; "absent", without a letter of this id; "full", if the ingest stream is;
            "empty", if the letter has neither an event nor a picture.

        Raises:
            LetterError: this is not an id.
        """
        require_id(id)
        done: Any = await self._move(keys=[self.name, self._stream], args=[id, waiting])
        return cast("Moved", done.decode())

    async def drop(self, id: str) -> bool:
        """Delete a letter with its picture; False if there is none with this id.

        Raises:
            LetterError: this is not an id.
        """
        require_id(id)
        return bool(await self._redis.xdel(self.name, id))


def require_id(id: str) -> None:
    """Raise LetterError unless this is the id of a letter. Redis would also take other forms.

    >>> require_id("1767225600000-0")
    """
    if not _ID.fullmatch(id):
        raise LetterError(f"{id!r} is not the id of a dead letter, such as 1767225600000-0")


def _letter(id: bytes, fields: dict[bytes, bytes]) -> Letter:
    def text(name: str) -> str:
        return fields.get(name.encode(), b"").decode(errors="backslashreplace")

    size = text(IMAGE)
    return Letter(
        id.decode(),
        text("at"),
        text("reason"),
        text("message"),
        text("entry"),
        text(EVENT),
        int(size) if size else None,
    )
