"""The HTTP front of the server: uvicorn, in the event loop that gRPC uses too."""

import asyncio
import ssl
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import uvicorn
from starlette.types import ASGIApp

from partlens.client import address as addresses
from partlens.runtime.config.sections import LimitsSection
from partlens.runtime.tasks import end
from partlens.server.http.connection import Connection
from partlens.server.http.guard import MOST_HEADER_BYTES
from partlens.server.http.listener import listener

HANDSHAKE_SECONDS = 10.0
_SWEEPS = 5
"""Sweeps within the shortest time that a caller may be silent."""
_LAST_WORDS_SECONDS = 1.0
"""How long calls that were cut off may take to say so."""
JSON_THREADS = 2
"""Threads that parse and encode large messages: a JSON message takes several times its size."""


class HttpFront:
    """Serves HTTP/1.1 on one address.

    Args:
        listen: "host:port"; port 0 picks a free port.
        limits: limits on requests, and on how long callers may be silent.
        most: most connections.
        tls: certificates; None for plain HTTP.

    Attributes:
        port: the port in use.
        threads: parse and encode large messages.

    Raises:
        ListenError: the address cannot be listened on.
    """

    def __init__(
        self, listen: str, limits: LimitsSection, most: int, tls: ssl.SSLContext | None
    ) -> None:
        self._socket, self._limits, self._tls = listener(listen, most), limits, tls
        self.port = int(self._socket.getsockname()[1])
        self.threads = ThreadPoolExecutor(JSON_THREADS, "partlens-json")
        self._host = addresses.parse(listen, listening=True)
        self._server: _Server | None = None
        self._tasks: list[asyncio.Task[Any]] = []

    @property
    def url(self) -> str:
        """Address of the page, for a browser on this machine."""
        host, ip = self._host.host, self._host.ip
        if ip is not None and ip.is_unspecified:
            host = "::1" if ip.version == 6 else "127.0.0.1"
        return f"http{'s' if self._tls else ''}://{addresses.Address(host, self.port)}/"

    @property
    def connections(self) -> int:
        """Connections now."""
        return self._socket.open

    def start(self, app: ASGIApp) -> None:
        """Begins to answer requests."""
        limits = self._limits
        config = uvicorn.Config(
            cast("Any", app),
            http=cast("Any", partial(Connection, limits=limits)),
            ws="none",
            lifespan="off",
            interface="asgi3",
            loop="none",
            log_config=None,
            # Its warnings come from requests; what fails here is logged by Guard.
            log_level="critical",
            access_log=False,
            server_header=False,
            # A header may say anything.
            proxy_headers=False,
            h11_max_incomplete_event_size=MOST_HEADER_BYTES,
            timeout_keep_alive=cast("int", limits.idle_connection_seconds),
        )
        config.load()
        config.ssl = self._tls
        self._server = _Server(config)
        serving = asyncio.create_task(self._server.serve(sockets=[self._socket]))
        self._tasks = [serving, asyncio.create_task(self._sweep(self._server))]

    async def stop(self, grace: float) -> None:
        """Stops accepting connections, lets calls finish, and closes.

        Args:
            grace: seconds until calls are cut off.
        """
        if self._server is not None:
            serving, sweeping = self._tasks
            self._server.config.timeout_graceful_shutdown = cast("int", grace)
            self._server.should_exit = True
            await serving
            # Those that were cut off have been cancelled, and finish what they have begun.
            if cut_off := list(self._server.server_state.tasks):
                await asyncio.wait(cut_off, timeout=_LAST_WORDS_SECONDS)
            await end(sweeping)
            for connection in list(self._server.server_state.connections):
                connection.transport.abort()
        self._socket.close()
        self.threads.shutdown(cancel_futures=True)

    async def _sweep(self, server: "_Server") -> None:
        limits = self._limits
        pause = min(limits.first_message_seconds, limits.send_seconds) / _SWEEPS
        while True:
            await asyncio.sleep(min(pause, 1.0))
            now = time.monotonic()
            for connection in list(server.server_state.connections):
                cast("Connection", connection).sweep(now)


class _Server(uvicorn.Server):
    """Leaves signals to the program, and does not wait long for a TLS handshake."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: Any = None) -> None:
        config = self.config

        def protocol() -> asyncio.Protocol:
            make = cast("Any", config.http_protocol_class)
            made: asyncio.Protocol = make(
                config=config, server_state=self.server_state, app_state={}
            )
            return made

        seconds = HANDSHAKE_SECONDS if config.ssl else None
        self.servers = [
            await asyncio.get_running_loop().create_server(
                protocol, sock=one, ssl=config.ssl, ssl_handshake_timeout=seconds
            )
            for one in sockets
        ]
        self.started = True
