"""What Prometheus may know of a server. No label ever names an image, a camera or a token."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

import grpc
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server

from partlens.server.access.caller import NEEDED
from partlens.server.calls.call import Call
from partlens.server.errors import ListenError

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)
_METHOD = ("grpc_type", "grpc_service", "grpc_method")


class Metrics:
    """One server's metrics: grpc_server_* as other gRPC servers name them, partlens_* the rest.

    Attributes:
        registry: all of them.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._started = Counter(
            "grpc_server_started_total", "Calls begun.", _METHOD, registry=registry
        )
        self._handled = Counter(
            "grpc_server_handled_total",
            "Calls ended, by status.",
            (*_METHOD, "grpc_code"),
            registry=registry,
        )
        self._handling = Histogram(
            "grpc_server_handling_seconds",
            "Time from a call's begin to its end.",
            _METHOD,
            buckets=_SECONDS,
            registry=registry,
        )
        self.pass_images = Histogram(
            "partlens_model_pass_images",
            "Images that shared a pass through the model.",
            buckets=_IMAGES,
            registry=registry,
        )
        self.pass_seconds = Histogram(
            "partlens_model_pass_seconds",
            "Time of a pass through the model.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.waiting_images = Gauge(
            "partlens_model_waiting_images", "Images that wait for the model.", registry=registry
        )
        self.calls_in_progress = Gauge(
            "partlens_calls_in_progress",
            "Calls that were let in, by kind: call, stream (of uploads) or watch (for matches).",
            ("kind",),
            registry=registry,
        )
        self.search_seconds = Histogram(
            "partlens_search_seconds",
            "Time of ranking the gallery for one search.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.query_lookups = Counter(
            "partlens_query_lookups_total",
            "Query images asked for, by result: kept or unseen.",
            ("result",),
            registry=registry,
        )
        self.shared_queries = Counter(
            "partlens_shared_queries_total",
            "Query images looked for in Redis, by result: found, absent, refused or failed.",
            ("result",),
            registry=registry,
        )
        for result in ("found", "absent", "refused", "failed"):
            self.shared_queries.labels(result)  # from the start: a series that begins shows no rise
        self.standing_seconds = Histogram(
            "partlens_standing_seconds",
            "Time of scoring new images against all standing queries.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.standing_matches = Counter(
            "partlens_standing_matches_total", "Matches of standing queries.", registry=registry
        )
        self.uploads = Counter(
            "partlens_uploaded_images_total",
            "Uploaded images, by result: committed or refused.",
            ("result",),
            registry=registry,
        )
        self.gallery_images = Gauge(
            "partlens_gallery_images", "Images that the gallery holds.", registry=registry
        )
        self.gallery_version = Gauge(
            "partlens_gallery_version", "Version of the gallery.", registry=registry
        )
        about = Gauge("partlens_info", "Always 1.", ("version",), registry=registry)
        about.labels(version("partlens")).set(1)

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Counts the call, and how it ends."""
        # A method that is not one of ours must not make a series of its own.
        method = (call.kind, call.service, call.name) if call.method in NEEDED else ("", "", "")
        self._started.labels(*method).inc()
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._handled.labels(*method, _spelled(call.code)).inc()
            self._handling.labels(*method).observe(time.perf_counter() - begun)


class MetricsPort:
    """Serves metrics over HTTP, for Prometheus to fetch.

    Args:
        registry: of the metrics.
        listen: "host:port"; port 0 takes a free one.

    Raises:
        ListenError: the address cannot be listened on.
    """

    def __init__(self, registry: CollectorRegistry, listen: str) -> None:
        host, _, port = listen.rpartition(":")
        try:
            self._server, self._thread = start_http_server(int(port), host.strip("[]"), registry)
        except (OSError, ValueError) as error:
            raise ListenError(f"cannot serve metrics on {listen}: {error}") from error

    @property
    def port(self) -> int:
        """The port in use."""
        return int(self._server.server_port)

    def close(self) -> None:
        """Serves no more."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _spelled(code: grpc.StatusCode) -> str:
    """A code as other gRPC servers label it.

    >>> [_spelled(code) for code in (grpc.StatusCode.OK, grpc.StatusCode.NOT_FOUND)]
    ['OK', 'NotFound']
    """
    if code is grpc.StatusCode.CANCELLED:
        return "Canceled"
    return code.name if code is grpc.StatusCode.OK else code.name.title().replace("_", "")
