"""One HTTP/1.1 connection, which no caller can keep for nothing.

uvicorn bounds only the pause between two requests. Here a caller that connects and says nothing,
sends a request byte by byte, does not read, or does not close is cut off.
"""

import asyncio
import socket
import time
from contextlib import suppress
from typing import Any, cast

import h11
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from partlens.runtime.config.sections import LimitsSection
from partlens.server.http.exchange import ABORT

_PROBE_AFTER, _PROBE_EVERY, _PROBES = 60, 10, 2
"""Seconds and counts after which a connection whose other end has vanished is closed."""


class Connection(H11Protocol):
    """A connection; see the module.

    Args:
        limits: how long callers may be silent.
    """

    def __init__(self, *, limits: LimitsSection, **others: Any) -> None:
        super().__init__(**others)
        self._limits = limits
        self._inner = self.app
        self.app = cast("Any", self._answered)
        self._heard = True
        self._resumed = 0
        self._state: tuple[object, ...] = ()
        self._since = time.monotonic()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Also asks the system to look whether the other end is still there."""
        super().connection_made(transport)
        own = transport.get_extra_info("socket")
        with suppress(OSError):
            own.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in (
                ("TCP_KEEPIDLE", _PROBE_AFTER),
                ("TCP_KEEPINTVL", _PROBE_EVERY),
                ("TCP_KEEPCNT", _PROBES),
            ):
                if hasattr(socket, name):  # not on every system
                    own.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)

    def data_received(self, data: bytes) -> None:
        """Also notes that a request has begun."""
        self._heard = True
        super().data_received(data)

    def on_response_complete(self) -> None:
        """Also notes that the next request has not begun."""
        self._heard = bool(self.conn.trailing_data[0])
        super().on_response_complete()

    def resume_writing(self) -> None:
        """Also notes that the caller has read."""
        self._resumed += 1
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        """Answers what is not HTTP; cuts off a request that turns out not to be while answered."""
        if self.cycle is not None and not self.cycle.response_complete:
            self.transport.abort()
        else:
            super().send_400_response(msg)

    def sweep(self, now: float) -> None:
        """Cuts the caller off if it has kept the connection waiting for too long.

        Args:
            now: time.monotonic().
        """
        seconds, *state = self._waits_for()
        if tuple(state) != self._state:
            self._state, self._since = tuple(state), now
        elif seconds is not None and now - self._since > seconds:
            self.transport.abort()

    def _waits_for(self) -> tuple[Any, ...]:
        """Most seconds that the present state may last, and what tells it from the one before."""
        limits, answered = self._limits, self.cycle is None or self.cycle.response_complete
        if self.transport is None:  # still in its TLS handshake, which has its own limit
            return None, "handshake"
        if self.transport.is_closing():
            return limits.send_seconds, "closing"
        if self.flow.write_paused:
            return limits.send_seconds, "writing", self._resumed
        if answered and self._heard and self.conn.their_state is h11.IDLE:
            return limits.first_message_seconds, "request", self.cycle
        if answered and self.conn.their_state is h11.SEND_BODY:
            return limits.first_message_seconds, "rest of a body", self.cycle
        return None, "in use"

    async def _answered(self, scope: Scope, receive: Receive, send: Send) -> None:
        abort = self.transport.abort
        await cast("Any", self._inner)({**scope, ABORT: abort}, receive, send)
