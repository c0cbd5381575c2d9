"""Limits the number of calls in progress."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import Gauge

from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls.call import Call
from partlens.server.errors import OverloadedError
from partlens.server.limits.holders import Holders, network, share_of

# Calls that last as long as the caller likes; they are counted separately.
_KINDS = {
    "/partlens.v1.GalleryService/UpsertImages": "stream",
    "/partlens.v1.StandingQueryService/WatchMatches": "watch",
}
_NAMES = {
    "call": ("calls", "concurrent_calls"),
    "stream": ("streams of uploads", "upload_streams"),
    "watch": ("watchers of matches", "watch_streams"),
}
"""How messages name each kind of call, and the setting that bounds it."""


@dataclass(eq=False)
class Places:
    """Places for calls of one kind.

    Attributes:
        name: of such calls, in messages.
        setting: name of the setting that bounds them, in messages.
        most: most calls in progress.
        tokens, networks: what each token and each network holds of them.
        now: calls in progress.
    """

    name: str
    setting: str
    most: int
    tokens: Holders
    networks: Holders
    now: int = 0

    @classmethod
    def of(cls, name: str, setting: str, limits: LimitsSection) -> "Places":
        """As many as the setting says, as the settings share them out."""
        most: int = getattr(limits, setting)
        tokens = Holders(share_of(most, limits.token_share))
        return cls(name, setting, most, tokens, Holders(share_of(most, limits.network_share)))

    def take(self, token: str, peer: str) -> None:
        """Takes a place; OverloadedError if there is none for this caller."""
        place = network(peer)
        if self.now >= self.most:
            raise OverloadedError(
                f"{self.most} {self.name} are in progress, the most this server allows"
                f" (limits.{self.setting}); try again"
            )
        if self.tokens.full(token):
            raise OverloadedError(
                f"{self.tokens.most} {self.name} of token {token} are in progress, the most for"
                f" one token (limits.token_share of limits.{self.setting}); try again"
            )
        if self.networks.full(place):
            raise OverloadedError(
                f"{self.networks.most} {self.name} from {place} are in progress, the most for one"
                f" network (limits.network_share of limits.{self.setting}); try again"
            )
        self.now += 1
        self.tokens.take(token)
        self.networks.take(place)

    def give(self, token: str, peer: str) -> None:
        """Gives the place back."""
        self.now -= 1
        self.tokens.give(token)
        self.networks.give(network(peer))


class Admission:
    """Refuses calls immediately when too many are in progress, instead of queueing them.

    Args:
        gauge: number of calls in progress, by kind: call, stream (of uploads) and watch (for
            matches).
    """

    def __init__(self, limits: LimitsSection, gauge: Gauge) -> None:
        self._places = {kind: Places.of(*names, limits) for kind, names in _NAMES.items()}
        self._gauge = gauge
        self._idle = asyncio.Event()
        self._idle.set()

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Takes a place until the call's last response is sent. Raises OverloadedError if the limit
        of the server, the token or the network is reached."""
        kind = _KINDS.get(call.method, "call")
        places, token, peer = self._places[kind], call.caller.token, call.peer
        places.take(token, peer)
        self._gauge.labels(kind).inc()
        self._idle.clear()
        call.held.callback(self._give, kind, token, peer)
        yield

    def _give(self, kind: str, token: str, peer: str) -> None:
        self._places[kind].give(token, peer)
        self._gauge.labels(kind).dec()
        if not any(one.now for one in self._places.values()):
            self._idle.set()

    async def idle(self) -> None:
        """Returns when no call is in progress."""
        await self._idle.wait()
