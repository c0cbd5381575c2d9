"""Prometheus metrics of a server. No label ever names an image, a camera or a token."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from partlens.indexer.gallery.findings import KINDS
from partlens.server.caller.scopes import NEEDED
from partlens.server.calls.call import Call

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
_IMAGES = (1, 2, 4, 8, 16, 32, 64)
_METHOD = ("grpc_type", "grpc_service", "grpc_method")


class Metrics:
    """All metrics of one server, in groups; each component gets the group that it updates.

    Attributes:
        registry: registry of all metrics.
        calls: the calls.
        http: the HTTP front.
        model: passes through the model.
        queries: query images and searches.
        standing: standing queries.
        gallery: the gallery and its files.
        shards: what shards answer.
        unwell: 1 while something is wrong with a part of the server.
        certificate_expires: when the certificate in use expires.
    """

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        new = _Factory(self.registry)
        self.calls = CallMetrics(new)
        self.http = HttpMetrics(new)
        self.model = ModelMetrics(new)
        self.queries = QueryMetrics(new)
        self.standing = StandingMetrics(new)
        self.gallery = GalleryMetrics(new)
        self.shards = ShardMetrics(new)
        self.unwell = new.gauge(
            "partlens_unwell",
            "1 while something is wrong with a part of the server; its health has the same name.",
            "part",
        )
        self.certificate_expires = new.gauge(
            "partlens_certificate_expires_timestamp_seconds",
            "When the TLS certificate in use expires; 0 without TLS.",
        )
        new.gauge("partlens_info", "Always 1.", "version").labels(version("partlens")).set(1)


class _Factory:
    """Creates metrics in one registry.

    Args:
        registry: registry of the new metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    def counter(self, name: str, text: str, *labels: str) -> Counter:
        """A counter with this help text."""
        return Counter(name, text, labels, registry=self._registry)

    def gauge(self, name: str, text: str, *labels: str) -> Gauge:
        """A gauge with this help text."""
        return Gauge(name, text, labels, registry=self._registry)

    def histogram(
        self, name: str, text: str, *labels: str, buckets: Sequence[float] = _SECONDS
    ) -> Histogram:
        """A histogram with this help text; of seconds, unless buckets are given."""
        return Histogram(name, text, labels, buckets=buckets, registry=self._registry)


class CallMetrics:
    """Metrics of calls, named as in other gRPC servers; also the layer that updates them."""

    def __init__(self, new: _Factory) -> None:
        self._started = new.counter("grpc_server_started_total", "Calls started.", *_METHOD)
        self._handled = new.counter(
            "grpc_server_handled_total", "Calls completed, by status.", *_METHOD, "grpc_code"
        )
        self._handling = new.histogram(
            "grpc_server_handling_seconds", "Duration of a call.", *_METHOD
        )
        self._received = new.counter(
            "grpc_server_msg_received_total", "Messages received from callers.", *_METHOD
        )
        self._sent = new.counter(
            "grpc_server_msg_sent_total", "Messages sent to callers.", *_METHOD
        )
        self.in_progress = new.gauge(
            "partlens_calls_in_progress",
            "Admitted calls in progress, by kind: call, stream (of uploads) or watch (for"
            " matches).",
            "kind",
        )

        self.failed_logins = new.counter(
            "partlens_failed_logins_counted_total",
            "Failed logins of networks that send many; no other metric and no log line has them.",
        )

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Counts the call and its messages, and records its status and duration."""
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


class HttpMetrics:
    """Metrics of the HTTP front. Its calls are in CallMetrics too, like those over gRPC."""

    def __init__(self, new: _Factory) -> None:
        self.responses = new.counter(
            "partlens_http_responses_total",
            "Responses over HTTP, of calls, of the page and of /health, by class of status.",
            "status",
        )
        for status in ("2xx", "3xx", "4xx", "5xx"):
            self.responses.labels(status)
        self.connections = new.gauge("partlens_http_connections", "Open HTTP connections.")


class ModelMetrics:
    """Metrics of passes through the model."""

    def __init__(self, new: _Factory) -> None:
        self.pass_images = new.histogram(
            "partlens_model_pass_images",
            "Images that shared a pass through the model.",
            buckets=_IMAGES,
        )
        self.pass_seconds = new.histogram(
            "partlens_model_pass_seconds", "Duration of a pass through the model."
        )
        self.waiting_images = new.gauge(
            "partlens_model_waiting_images", "Images waiting for the model."
        )


class QueryMetrics:
    """Metrics of query images and searches."""

    def __init__(self, new: _Factory) -> None:
        self.search_seconds = new.histogram(
            "partlens_search_seconds", "Time to rank the gallery for one search.", "gallery"
        )
        self.lookups = new.counter(
            "partlens_query_lookups_total",
            "Query image lookups, by result: kept or unseen.",
            "result",
        )
        self.shared_lookups = new.counter(
            "partlens_shared_queries_total",
            "Query image lookups in Redis, by result: found, absent, refused or failed.",
            "result",
        )
        for result in ("found", "absent", "refused", "failed"):
            # Created at start, because a new series shows no increase.
            self.shared_lookups.labels(result)
        self.unreadable_thumbnails = new.counter(
            "partlens_unreadable_thumbnails_total",
            "Thumbnails that a search omitted because they are damaged.",
        )


@dataclass(frozen=True, eq=False)
class StandingFigures:
    """Metrics of the standing queries of one gallery.

    Attributes:
        seconds: time to score new images.
        matches: matches found.
    """

    seconds: Histogram
    matches: Counter


class StandingMetrics:
    """Metrics of standing queries, by gallery."""

    def __init__(self, new: _Factory) -> None:
        self._seconds = new.histogram(
            "partlens_standing_seconds",
            "Time to score new images against all standing queries.",
            "gallery",
        )
        self._matches = new.counter(
            "partlens_standing_matches_total", "Matches of standing queries.", "gallery"
        )

    def of(self, gallery: str) -> StandingFigures:
        """Those of one gallery."""
        return StandingFigures(self._seconds.labels(gallery), self._matches.labels(gallery))


class ShardMetrics:
    """Metrics of shards, on a server that has some."""

    def __init__(self, new: _Factory) -> None:
        self._seconds = new.histogram(
            "partlens_shard_seconds",
            "Time until a shard had answered a search, by gallery and number of the shard.",
            "gallery",
            "shard",
        )
        self._retries = new.counter(
            "partlens_shard_retries_total",
            "Times that a shard was asked again, since a replica died or was late.",
            "gallery",
            "shard",
        )
        self.partial = new.counter(
            "partlens_partial_answers_total",
            "Answers that lack images of shards that could not be reached.",
            "gallery",
        )

    def of(self, gallery: str, count: int) -> "ShardCounts":
        """Those of one gallery with so many shards."""
        self.partial.labels(gallery)
        for shard in map(str, range(count)):
            self._seconds.labels(gallery, shard)
            self._retries.labels(gallery, shard)
        return ShardCounts(gallery, self._seconds, self._retries)


@dataclass(frozen=True)
class ShardCounts:
    """Counts the answers of one gallery's shards; see fan_out.ShardFigures."""

    gallery: str
    seconds: Histogram
    retries: Counter

    def answered(self, shard: int, seconds: float, retries: int) -> None:
        """See fan_out.ShardFigures.answered."""
        self.seconds.labels(self.gallery, str(shard)).observe(seconds)
        self.retries.labels(self.gallery, str(shard)).inc(retries)


class GalleryMetrics:
    """Metrics of the galleries and their files, by gallery."""

    def __init__(self, new: _Factory) -> None:
        self._figures: dict[str, GalleryFigures] = {}
        self.images = new.gauge("partlens_gallery_images", "Images in the gallery.", "gallery")
        self.version = new.gauge("partlens_gallery_version", "Version of the gallery.", "gallery")
        self.uploads = new.counter(
            "partlens_uploaded_images_total",
            "Uploaded images, by result: committed or refused.",
            "gallery",
            "result",
        )
        self.damaged_files = new.gauge(
            "partlens_damaged_files",
            "Damaged files and folders of the gallery, by kind: truth, segments or indexes.",
            "gallery",
            "kind",
        )
        self.mended_files = new.counter(
            "partlens_mended_files_total",
            "Damaged files and folders of the gallery that the server rebuilt, by kind.",
            "gallery",
            "kind",
        )
        self.retained = new.counter(
            "partlens_retention_erased_images_total",
            "Images erased because of their age.",
            "gallery",
        )
        self.retention_completed = new.gauge(
            "partlens_retention_completed_timestamp_seconds",
            "When a scheduled erasure last ended, also if no image was old; 0 if not since the"
            " start. Only of galleries with a schedule.",
            "gallery",
        )
        self.scrubbed_bytes = new.counter(
            "partlens_scrubbed_bytes_total", "Bytes of the gallery read to find damage.", "gallery"
        )
        self.scrub_completed = new.gauge(
            "partlens_scrub_completed_timestamp_seconds",
            "When the last complete read of all files to find damage ended; 0 if there was none.",
            "gallery",
        )

    def of(self, gallery: str) -> "GalleryFigures":
        """Those of one gallery; new ones begin at 0."""
        if gallery not in self._figures:
            self._figures[gallery] = GalleryFigures(self, gallery)
        return self._figures[gallery]


class GalleryFigures:
    """Metrics of one gallery and its files."""

    def __init__(self, every: GalleryMetrics, gallery: str) -> None:
        self._every, self._gallery = every, gallery
        self.images = every.images.labels(gallery)
        self.version = every.version.labels(gallery)
        self.scrubbed_bytes = every.scrubbed_bytes.labels(gallery)
        self.scrub_completed = every.scrub_completed.labels(gallery)
        self.retained = every.retained.labels(gallery)
        for kind in KINDS:
            self.damaged_files(kind).set(0)
            self.mended_files(kind)

    def retention_completed(self) -> Gauge:
        """Of a gallery with a schedule: begins at 0 with the first call."""
        return self._every.retention_completed.labels(self._gallery)

    def uploads(self, result: str) -> Counter:
        """Uploaded images with this result."""
        return self._every.uploads.labels(self._gallery, result)

    def damaged_files(self, kind: str) -> Gauge:
        """Damaged files of this kind."""
        return self._every.damaged_files.labels(self._gallery, kind)

    def mended_files(self, kind: str) -> Counter:
        """Files of this kind that the server rebuilt."""
        return self._every.mended_files.labels(self._gallery, kind)
