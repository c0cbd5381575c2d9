"""Prometheus metrics of a bridge."""

from prometheus_client import CollectorRegistry, Counter


class BridgeMetrics:
    """One bridge's metrics.

    Attributes:
        registry: registry of all metrics.
        messages: handled messages by result: pushed, passed (not wanted), missing (no usable
            snapshot) or malformed.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.messages = Counter(
            "partlens_bridge_messages_total",
            "Messages handled, by result: pushed, passed, missing or malformed.",
            ("result",),
            registry=registry,
        )
