"""Bounds the requests that have arrived and are not handled yet."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from partlens.runtime.config.sections import LimitsSection
from partlens.server.errors import OverloadedError
from partlens.server.limits.holders import share_of


class Arrivals:
    """Bytes of requests, over all tokens and of each.

    They are refused and not kept waiting: a request that waits is in memory already. One request of
    any size is let in while nothing else counts against it.

    Attributes:
        bytes: bytes now.
    """

    def __init__(self, limits: LimitsSection) -> None:
        self._most = limits.arrived_bytes
        self._share = share_of(limits.arrived_bytes, limits.token_share)
        self._of: Counter[str] = Counter()
        self.bytes = 0

    @contextmanager
    def held(self, token: str, size: int) -> Iterator[None]:
        """Counts a request.

        Args:
            token: of the caller; "" if it has none, who has no share.

        Raises:
            OverloadedError: there is no room for it.
        """
        self._require_room(token, size)
        self.bytes += size
        self._of[token] += size
        try:
            yield
        finally:
            self.bytes -= size
            self._of[token] -= size
            if not self._of[token]:
                del self._of[token]

    def _require_room(self, token: str, size: int) -> None:
        held = self._of.get(token, 0)
        if token and held and held + size > self._share:
            whose, most = f" of token {token}", self._share
        elif self.bytes and self.bytes + size > self._most:
            whose, most = "", self._most
        else:
            return
        raise OverloadedError(
            f"requests{whose} of {most} bytes have arrived and are not handled yet, the most"
            " allowed (limits.arrived_bytes); send this one again later, or fewer at a time"
        )
