"""Limits on rates: of calls by one token, or of anything else that has a key."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from partlens.server.calls.call import Call
from partlens.server.errors import RateError

_FEW = 1024
"""Keys below which none is forgotten."""


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


class Buckets:
    """A bucket for each key; keys that have paused long enough are forgotten.

    Args:
        rate, burst: as for each bucket.
        clock: returns the time in seconds.
    """

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rate, self.burst, self._clock = rate, burst, clock
        self._buckets: dict[str, Bucket] = {}
        self._look_at = _FEW

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: str) -> float:
        """Take one call; return 0, or the seconds until one is available."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            self._forget(now)
            bucket = self._buckets[key] = Bucket(self.rate, self.burst, self.burst, now)
        return bucket.take(now)

    def empty(self, key: str) -> bool:
        """Whether no call is available; takes none."""
        bucket = self._buckets.get(key)
        return bucket is not None and replace(bucket).take(self._clock()) > 0

    def _forget(self, now: float) -> None:
        """Drops the keys that have paused long enough to make a whole burst again."""
        if len(self._buckets) >= self._look_at:
            paused = self.burst / self.rate
            self._buckets = {
                key: one for key, one in self._buckets.items() if now - one.at < paused
            }
            self._look_at = max(_FEW, 2 * len(self._buckets))


class Rate:
    """Refuses calls that exceed the token's rate. A server without tokens has no rate limit.

    Args:
        buckets: by token.
    """

    def __init__(self, buckets: Buckets) -> None:
        self._buckets = buckets

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Raises RateError if the call comes too soon."""
        token = call.caller.token
        if token and (wait := self._buckets.take(token)):
            raise RateError(
                f"token {token} may make {self._buckets.rate:g} calls per second, in bursts of"
                f" {self._buckets.burst:g} (limits.calls_per_second, limits.burst_calls); try again"
                f" in {wait:.2f} s",
                wait,
            )
        yield
