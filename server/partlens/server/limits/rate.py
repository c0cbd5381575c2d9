"""Rate limit of each token."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from partlens.server.calls.call import Call
from partlens.server.errors import RateError

_FEW = 1024
"""Tokens below which none is forgotten."""


@dataclass
class Bucket:
    """A token bucket: bursts of `burst` calls, and `rate` calls per second sustained.

    Attributes:
        left: calls left now.
        at: time of the last update, in seconds.
    """

    rate: float
    burst: float
    left: float
    at: float

    def take(self, now: float) -> float:
        """Take one call; return 0, or the seconds until one is available.

        >>> bucket = Bucket(rate=2, burst=1, left=1, at=0)
        >>> bucket.take(0.0), bucket.take(0.25), bucket.take(0.5)
        (0.0, 0.25, 0.0)
        """
        self.left = min(self.burst, self.left + (now - self.at) * self.rate)
        self.at = now
        if self.left < 1:
            return (1 - self.left) / self.rate
        self.left -= 1
        return 0.0


class Rate:
    """Refuses calls that exceed the token's rate. A server without tokens has no rate limit.

    Args:
        rate: calls per second of one token.
        burst: calls that a token may make in a burst after a pause.
        clock: returns the time in seconds.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, Bucket] = {}
        self._look_at = _FEW

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises RateError if the call comes too soon."""
        if call.caller.token:
            self._take(call.caller.token)
        yield

    def __len__(self) -> int:
        return len(self._buckets)

    def _forget(self, now: float) -> None:
        """Drops the tokens that have paused long enough to make a whole burst again."""
        if len(self._buckets) >= self._look_at:
            paused = self._burst / self._rate
            self._buckets = {
                token: one for token, one in self._buckets.items() if now - one.at < paused
            }
            self._look_at = max(_FEW, 2 * len(self._buckets))

    def _take(self, token: str) -> None:
        now = self._clock()
        bucket = self._buckets.get(token)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[token] = Bucket(self._rate, self._burst, self._burst, now)
        if wait := bucket.take(now):
            raise RateError(
                f"token {token} may make {self._rate:g} calls per second, in bursts of"
                f" {self._burst:g} (limits.calls_per_second, limits.burst_calls); try again in"
                f" {wait:.2f} s",
                wait,
            )
