"""Options of the gRPC server: sizes of messages, and how many connections it keeps."""

from partlens.runtime.config.sections import LimitsSection
from partlens.server.limits.connections import connections
from partlens.server.limits.receiving import ENVELOPE_BYTES

_KEEPALIVE_MS, _ANSWER_MS, _HANDSHAKE_MS = 60_000, 20_000, 10_000
_MOST_METADATA_BYTES = 16 * 2**10


def options(limits: LimitsSection, fronts: int = 1) -> list[tuple[str, int]]:
    """Channel arguments of the server.

    Args:
        fronts: with how many fronts it shares the connections, itself included.
    """
    return [
        ("grpc.max_receive_message_length", limits.request_bytes + ENVELOPE_BYTES),
        ("grpc.max_send_message_length", limits.response_bytes),
        ("grpc.absolute_max_metadata_size", _MOST_METADATA_BYTES),
        # Two servers on one port would silently share its calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", connections(limits, fronts)),
        ("grpc.max_concurrent_streams", limits.connection_streams),
        ("grpc.max_connection_idle_ms", round(1000 * limits.idle_connection_seconds)),
        # A connection whose other end is gone is closed, and its calls end.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _ANSWER_MS),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.http2.settings_timeout", _HANDSHAKE_MS),
    ]
