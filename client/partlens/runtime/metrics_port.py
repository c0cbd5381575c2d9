"""Serves metrics to Prometheus."""

import logging
import socket
import threading
import time
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, make_server

from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.exposition import ThreadingWSGIServer

from partlens.client import address as addresses
from partlens.client.errors import AddressError
from partlens.runtime.errors import ListenError

_log = logging.getLogger(__name__)
CONNECTIONS, SECONDS = 8, 10.0
"""Most connections, each with a thread, and the longest that one may last."""


class MetricsPort:
    """Serves metrics over HTTP, for Prometheus to fetch.

    More than CONNECTIONS at a time, and those that last longer than SECONDS, are closed.

    Args:
        registry: registry of the metrics.
        listen: "host:port"; port 0 picks a free port.
        seconds: longest time that a connection may last.

    Raises:
        ListenError: the address cannot be listened on.
    """

    def __init__(
        self, registry: CollectorRegistry, listen: str, *, seconds: float = SECONDS
    ) -> None:
        try:
            address = addresses.parse(listen, listening=True)
            self._server = make_server(
                address.host,
                address.port,
                make_wsgi_app(registry),
                _Ipv6Server if _is_ipv6(address.host) else _BoundedServer,
                _QuietHandler,
            )
        except (OSError, AddressError) as error:
            raise ListenError(f"cannot serve metrics on {listen}: {error}") from error
        self._server.seconds = seconds
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _BoundedServer(ThreadingWSGIServer):
    """A thread for each connection; there are few connections, and none lasts long.

    Attributes:
        seconds: longest that a connection may last.
    """

    seconds = SECONDS

    def __init__(self, *arguments: Any) -> None:
        self._begun: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def verify_request(self, request: Any, client_address: Any) -> bool:
        """Whether there is room for one more connection; if not, it is closed."""
        with self._lock:
            if len(self._begun) >= CONNECTIONS:
                return False
            self._begun[request] = time.monotonic()
            return True

    def shutdown_request(self, request: Any) -> None:
        """Called at the end of each connection."""
        with self._lock:
            self._begun.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Called twice a second: ends what lasts too long, whether it waits to read or to write."""
        with self._lock:
            latest = time.monotonic() - self.seconds
            late = [one for one, begun in self._begun.items() if begun < latest]
            for connection in late:
                try:
                    connection.shutdown(socket.SHUT_RDWR)
                except OSError:
                    continue  # it has just ended

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Called if a connection breaks, or is ended for lasting too long."""
        _log.debug("a metrics connection from %s broke", client_address, exc_info=True)


class _Ipv6Server(_BoundedServer):
    address_family = socket.AF_INET6


def _is_ipv6(host: str) -> bool:
    """Whether a name or address means an IPv6 address first."""
    family, *_ = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0]
    return family == socket.AF_INET6


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""
