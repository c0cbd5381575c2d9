"""How often one token may call."""

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from partlens.server.calls.call import Call
from partlens.server.errors import RateError


@dataclass
class Bucket:
    """A token bucket: `burst` calls at once, and `rate` a second in the long run.

    Attributes:
        left: calls it has for now.
        at: when that was counted, in seconds.
    """

    rate: float
    burst: float
    left: float
    at: float

    def take(self, now: float) -> float:
        """Takes one call; 0, or the seconds until there is one.

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
    """Refuses the calls of a token that come faster than its rate. Without tokens there is none.

    Args:
        rate: calls a second of one token.
        burst: calls at once after a pause.
        clock: seconds.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: dict[str, Bucket] = {}

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises RateError where the call comes too soon."""
        if call.caller.token:
            self._take(call.caller.token)
        yield

    def _take(self, token: str) -> None:
        now = self._clock()
        bucket = self._buckets.get(token)
        if bucket is None:
            bucket = self._buckets[token] = Bucket(self._rate, self._burst, self._burst, now)
        if wait := bucket.take(now):
            raise RateError(
                f"token {token} may call {self._rate:g} times a second, and {self._burst:g} at"
                f" once; try again in {wait:.2f} s",
                wait,
            )
