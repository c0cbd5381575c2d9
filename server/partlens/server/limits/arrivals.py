"""Bounds the requests that have arrived and are not handled yet."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import OverloadedError
from partlens.server.limits.holders import share_of


class Arrivals:
    """Bytes of requests, over all tokens and of each.

    They are refused and not kept waiting: a request that waits is in memory already. One call may
    have a request of any size while nothing else counts against it.

    Attributes:
        bytes: bytes now.
    """

    def __init__(self, limits: LimitsSection) -> None:
        self._most = limits.arrived_bytes
        self._share = share_of(limits.arrived_bytes, limits.token_share)
        self._of: Counter[str] = Counter()
        self.bytes = 0

    @contextmanager
    def held(self, token: str) -> Iterator["Held"]:
        """Counts what one call holds, until the block ends.

        Args:
            token: of the caller; "" if it has none, who has no share.
        """
        held = Held(self, token)
        try:
            yield held
        finally:
            held.drop(held.bytes)

    def _add(self, token: str, size: int) -> None:
        self.bytes += size
        self._of[token] += size
        if not self._of[token]:
            del self._of[token]

    def _require_room(self, token: str, own: int, size: int) -> None:
        others, tokens = self.bytes - own, self._of.get(token, 0) - own
        if token and tokens and tokens + own + size > self._share:
            whose, most = f" of token {token}", self._share
        elif others and others + own + size > self._most:
            whose, most = "", self._most
        else:
            return
        raise OverloadedError(
            f"requests{whose} of {most} bytes have arrived and are not handled yet, the most"
            " allowed (limits.arrived_bytes); send this one again later, or fewer at a time"
        )


class Held:
    """What one call holds of the bytes that have arrived.

    Attributes:
        bytes: bytes now.
    """

    def __init__(self, arrivals: Arrivals, token: str) -> None:
        self._arrivals, self._token = arrivals, token
        self.bytes = 0

    def add(self, size: int) -> None:
        """Counts bytes that have arrived; raises OverloadedError if there is no room for them."""
        self._arrivals._require_room(self._token, self.bytes, size)
        self._arrivals._add(self._token, size)
        self.bytes += size

    def drop(self, size: int) -> None:
        """No longer counts bytes that were handled."""
        self._arrivals._add(self._token, -size)
        self.bytes -= size
