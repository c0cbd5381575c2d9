"""Prometheus metrics of an ingest worker."""

from prometheus_client import CollectorRegistry, Counter, Gauge

from partlens.ingest.stream import Lag


class IngestMetrics:
    """One worker's metrics; the backlog is that of the stream, the same for every worker.

    Attributes:
        registry: registry of all metrics.
        entries: handled entries by result: committed or dead.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.entries = Counter(
            "partlens_ingest_entries_total",
            "Entries of the stream that this worker handled, by result: committed or dead.",
            ("result",),
            registry=registry,
        )
        self._waiting = Gauge(
            "partlens_ingest_waiting_entries", "Entries that no worker holds.", registry=registry
        )
        self._taken = Gauge(
            "partlens_ingest_taken_entries", "Entries that workers hold.", registry=registry
        )
        self._oldest = Gauge(
            "partlens_ingest_oldest_seconds", "Age of the oldest entry.", registry=registry
        )
        self._dead = Gauge("partlens_ingest_dead_letters", "Dead letters.", registry=registry)

    def report(self, lag: Lag) -> None:
        """Export the backlog of the workers."""
        self._waiting.set(lag.waiting)
        self._taken.set(lag.taken)
        self._oldest.set(lag.oldest_seconds)
        self._dead.set(lag.dead)
