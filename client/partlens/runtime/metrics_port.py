"""Serves metrics to Prometheus."""

from prometheus_client import CollectorRegistry, start_http_server

from partlens.client import address as addresses
from partlens.client.errors import AddressError
from partlens.runtime.errors import ListenError


class MetricsPort:
    """Serves metrics over HTTP, for Prometheus to fetch.

    Args:
        registry: registry of the metrics.
        listen: "host:port"; port 0 picks a free port.

    Raises:
        ListenError: the address cannot be listened on.
    """

    def __init__(self, registry: CollectorRegistry, listen: str) -> None:
        try:
            address = addresses.parse(listen, listening=True)
            self._server, self._thread = start_http_server(address.port, address.host, registry)
        except (OSError, AddressError) as error:
            raise ListenError(f"cannot serve metrics on {listen}: {error}") from error

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
