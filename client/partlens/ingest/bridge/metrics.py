"""What Prometheus may know of a bridge."""

from prometheus_client import CollectorRegistry, Counter


class BridgeMetrics:
    """One bridge's metrics.

    Attributes:
        registry: all of them.
        messages: dealt with, by result: pushed, passed (not wanted), missing (no usable snapshot)
            or malformed.
    """

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self.messages = Counter(
            "partlens_bridge_messages_total",
            "Messages dealt with, by result: pushed, passed, missing or malformed.",
            ("result",),
            registry=registry,
        )
