"""Prometheus metrics of a server. No label ever names an image, a camera or a token."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from partlens.indexer.gallery.findings import KINDS
from partlens.server.access.caller import NEEDED
from partlens.server.calls.call import Call

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)
_METHOD = ("grpc_type", "grpc_service", "grpc_method")


class Metrics:
    """One server's metrics: grpc_server_* as other gRPC servers name them, partlens_* the rest.

    Attributes:
        registry: registry of all metrics.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()

        def counter(name: str, text: str, *labels: str) -> Counter:
            return Counter(name, text, labels, registry=registry)

        def gauge(name: str, text: str, *labels: str) -> Gauge:
            return Gauge(name, text, labels, registry=registry)

        def histogram(
            name: str, text: str, *labels: str, buckets: Sequence[float] = _SECONDS
        ) -> Histogram:
            return Histogram(name, text, labels, buckets=buckets, registry=registry)

        self._started = counter("grpc_server_started_total", "Calls begun.", *_METHOD)
        self._handled = counter(
            "grpc_server_handled_total", "Calls ended, by status.", *_METHOD, "grpc_code"
        )
        self._handling = histogram(
            "grpc_server_handling_seconds", "Time from a call's begin to its end.", *_METHOD
        )
        self._received = counter(
            "grpc_server_msg_received_total", "Messages of callers that were read.", *_METHOD
        )
        self._sent = counter("grpc_server_msg_sent_total", "Messages sent to callers.", *_METHOD)
        self.calls_in_progress = gauge(
            "partlens_calls_in_progress",
            "Calls that were let in, by kind: call, stream (of uploads) or watch (for matches).",
            "kind",
        )
        self.pass_images = histogram(
            "partlens_model_pass_images",
            "Images that shared a pass through the model.",
            buckets=_IMAGES,
        )
        self.pass_seconds = histogram(
            "partlens_model_pass_seconds", "Time of a pass through the model."
        )
        self.waiting_images = gauge(
            "partlens_model_waiting_images", "Images that wait for the model."
        )
        self.search_seconds = histogram(
            "partlens_search_seconds", "Time of ranking the gallery for one search."
        )
        self.query_lookups = counter(
            "partlens_query_lookups_total",
            "Query images asked for, by result: kept or unseen.",
            "result",
        )
        self.shared_queries = counter(
            "partlens_shared_queries_total",
            "Query images looked for in Redis, by result: found, absent, refused or failed.",
            "result",
        )
        for result in ("found", "absent", "refused", "failed"):
            self.shared_queries.labels(
                result
            )  # created at start, since a new series shows no increase
        self.standing_seconds = histogram(
            "partlens_standing_seconds", "Time of scoring new images against all standing queries."
        )
        self.standing_matches = counter(
            "partlens_standing_matches_total", "Matches of standing queries."
        )
        self.uploads = counter(
            "partlens_uploaded_images_total",
            "Uploaded images, by result: committed or refused.",
            "result",
        )
        self.damaged_files = gauge(
            "partlens_damaged_files",
            "Files and folders of the gallery that are damaged now: truth, segments or indexes.",
            "kind",
        )
        for kind in KINDS:
            self.damaged_files.labels(kind).set(0)
        self.scrubbed_bytes = counter(
            "partlens_scrubbed_bytes_total", "Bytes of the gallery that were read to find damage."
        )
        self.scrub_completed = gauge(
            "partlens_scrub_completed_timestamp_seconds",
            "When all files had last been read to find damage; 0 if they never have been.",
        )
        self.unreadable_thumbnails = counter(
            "partlens_unreadable_thumbnails_total",
            "Thumbnails that a search left out because they are damaged.",
        )
        self.unwell = gauge(
            "partlens_unwell",
            "1 while something is wrong: files, audit, audit.chain, tokens or tasks.",
            "part",
        )
        self.gallery_images = gauge("partlens_gallery_images", "Images that the gallery holds.")
        self.gallery_version = gauge("partlens_gallery_version", "Version of the gallery.")
        gauge("partlens_info", "Always 1.", "version").labels(version("partlens")).set(1)

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Counts the call, its messages, and how it ends."""
        # An unknown method must not create a new series.
        method = (call.kind, call.service, call.name) if call.method in NEEDED else ("", "", "")
        self._started.labels(*method).inc()
        call.received = self._received.labels(*method).inc
        call.sent = self._sent.labels(*method).inc
        begun = time.perf_counter()
        try:
            yield
        finally:
            self._handled.labels(*method, call.code.camel).inc()
            self._handling.labels(*method).observe(time.perf_counter() - begun)
