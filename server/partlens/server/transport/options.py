"""Options of the gRPC server: sizes of messages, and how many connections it keeps."""

import resource

from partlens.runtime.config.sections import LimitsSection

_KEEPALIVE_MS, _ANSWER_MS, _HANDSHAKE_MS = 60_000, 20_000, 10_000
_ENVELOPE_BYTES = 72 * 2**10
"""Allowance for the rest of a request: metadata.MAX_BYTES, the id and the framing."""
_MOST_METADATA_BYTES = 16 * 2**10


def options(limits: LimitsSection) -> list[tuple[str, int]]:
    """Channel arguments of the server."""
    return [
        ("grpc.max_receive_message_length", limits.request_bytes + _ENVELOPE_BYTES),
        ("grpc.max_send_message_length", limits.response_bytes),
        ("grpc.absolute_max_metadata_size", _MOST_METADATA_BYTES),
        # Two servers on one port would silently share its calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_allowed_incoming_connections", connections(limits)),
        ("grpc.max_concurrent_streams", limits.connection_streams),
        ("grpc.max_connection_idle_ms", round(1000 * limits.idle_connection_seconds)),
        # A connection whose other end is gone is closed, and its calls end.
        ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
        ("grpc.keepalive_timeout_ms", _ANSWER_MS),
        ("grpc.server_handshake_timeout_ms", _HANDSHAKE_MS),
        ("grpc.http2.settings_timeout", _HANDSHAKE_MS),
    ]


def connections(limits: LimitsSection) -> int:
    """Most connections: at most half of the file descriptors, since the gallery needs some too."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if allowed == resource.RLIM_INFINITY:
        return limits.connections
    return min(limits.connections, max(allowed // 2, 1))


def raise_open_files() -> None:
    """Allows this process as many file descriptors as the system lets it have."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
