"""Delivers matches to Redis and to a webhook, each at least once."""

import asyncio
import hmac
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from pathlib import Path

import httpx
from redis.asyncio import Redis
from redis.exceptions import RedisError

from partlens.common.durable import write_atomically
from partlens.common.redaction import redacted
from partlens.runtime.config.sections import StandingSection
from partlens.runtime.errors import SettingsError
from partlens.server.errors import OverloadedError, StoppingError
from partlens.server.standing.board import Board
from partlens.server.standing.http_client import WebClient
from partlens.server.standing.matcher import StandingMatch

_log = logging.getLogger(__name__)
_LONGEST_PAUSE = 60.0
_DAY = 86400

Deliver = Callable[[StandingMatch], Awaitable[None]]
ToJson = Callable[[StandingMatch], str]


class DeliveryError(Exception):
    """A match could not be delivered now and must be retried."""


async def pump(board: Board, cursor: Path, deliver: Deliver) -> None:
    """Delivers every match in order until the server stops; retries until each is delivered.

    Args:
        cursor: file that stores the progress, to resume after a restart.
        deliver: raises DeliveryError if the delivery must be retried.
    """
    after = _read(cursor)
    while True:
        try:
            if after is None:
                after = _write(cursor, board.revision)
            async with aclosing(board.watch(after)) as notes:
                async for note in notes:
                    for match in note.matches:
                        await _until_delivered(deliver, match)
                    after = _write(cursor, note.revision)
        except StoppingError:
            return
        except OverloadedError:
            _log.info("matches wait for %s", cursor.stem)


async def _until_delivered(deliver: Deliver, match: StandingMatch) -> None:
    pause = 0.5
    while True:
        try:
            return await deliver(match)
        except DeliveryError as error:
            _log.warning("delivery of a match of %s will be retried: %s", match.query.id, error)
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)


def _write(cursor: Path, revision: int) -> int:
    try:
        write_atomically(cursor, json.dumps({"revision": revision}))
    except OSError as error:
        _log.error(
            "%s cannot be written; matches will be sent again after a restart: %s", cursor, error
        )
    return revision


def _read(cursor: Path) -> int | None:
    try:
        return int(json.loads(cursor.read_text())["revision"])
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        _log.error("%s cannot be read, so only new matches are delivered: %s", cursor, error)
        return None


# Atomic, so that exactly one of several servers writes a match, and none claims it and then dies.
# Redis does not undo a script that fails halfway: the match is claimed only once it is written.
_ONCE = """
if redis.call('EXISTS', KEYS[1]) == 0 then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[2], '*', 'match', ARGV[3])
  redis.call('SET', KEYS[1], '1', 'EX', ARGV[1])
end
"""


def redis_stream(
    redis: Redis, prefix: str, gallery: str, settings: StandingSection, encode: ToJson
) -> Deliver:
    """Delivers a gallery's matches to the stream PREFIX:matches, once for any number of servers."""

    async def deliver(match: StandingMatch) -> None:
        key = f"{prefix}:match:{gallery}:{match.query.id}:{match.revision}:{match.found.id}"
        try:
            await redis.eval(  # type: ignore[misc, unused-ignore]
                _ONCE, 2, key, f"{prefix}:matches", str(_DAY), str(settings.kept_matches),
                encode(match),
            )  # fmt: skip
        except (RedisError, OSError) as error:
            raise DeliveryError(f"Redis does not take it: {error}") from error

    return deliver


def webhook(web: WebClient, settings: StandingSection, encode: ToJson) -> Deliver:
    """Delivers by HTTP POST to the address in the settings. A response of 4xx, except 408 and 429,
    is final: the match is skipped. A redirect is not followed; the match is retried.

    Raises:
        SettingsError: the file of the secret cannot be read.
    """
    secret = _secret(settings.webhook_secret_file)

    async def deliver(match: StandingMatch) -> None:
        body = encode(match).encode()
        headers = {"content-type": "application/json"}
        if secret:
            headers["x-partlens-signature"] = f"sha256={hmac.digest(secret, body, 'sha256').hex()}"
        try:
            status = await web.post(settings.webhook or "", body, headers)
        except (httpx.HTTPError, TimeoutError) as error:
            raise DeliveryError(
                redacted(
                    f"the webhook does not answer at {web.way}: {type(error).__name__} {error}"
                ).rstrip()
            ) from error
        if 300 <= status < 400:
            raise DeliveryError(
                f"the webhook at {web.way} redirects ({status}), and redirects are not followed;"
                " set standing.webhook to the final address"
            )
        if status in (408, 429) or status >= 500:
            raise DeliveryError(f"the webhook at {web.way} answers {status}")
        if status >= 400:
            _log.error(
                "the webhook at %s refuses a match of %s: %d", web.way, match.query.id, status
            )

    return deliver


def _secret(file: Path | None) -> bytes:
    try:
        return file.read_bytes().strip() if file else b""
    except OSError as error:
        raise SettingsError(f"standing.webhook_secret_file cannot be read: {error}") from error
