"""The metrics port serves Prometheus whatever others do on it."""

import socket
import time
import urllib.error
import urllib.request
from collections.abc import Iterator

import pytest
from prometheus_client import CollectorRegistry, Gauge

from partlens.runtime.metrics_port import CONNECTIONS, MetricsPort

DEADLINE = 20.0


@pytest.fixture
def port() -> Iterator[MetricsPort]:
    registry = CollectorRegistry()
    # Large enough that an answer does not fit into the buffers of a connection nobody reads.
    gauge = Gauge("large", "", ["label"], registry=registry)
    for number in range(80):
        gauge.labels(f"{number}" * 100_000).set(1)
    port = MetricsPort(registry, "127.0.0.1:0", seconds=1.0)
    yield port
    port.close()


def connected(port: MetricsPort, text: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port.port), DEADLINE)
    connection.sendall(text)
    return connection


def closed(connection: socket.socket) -> bool:
    """Reads to the end; whether the other end closes within the deadline."""
    connection.settimeout(DEADLINE)
    with connection:
        try:
            while connection.recv(2**20):
                pass
        except ConnectionError:
            pass
        except TimeoutError:
            return False
    return True


@pytest.mark.parametrize("text", [b"", b"GET /metrics HTTP/1.1\r\nX: "])
def test_idle_and_slow_connections_are_ended_and_leave_room(port: MetricsPort, text: bytes) -> None:
    held = [connected(port, text) for _ in range(3 * CONNECTIONS)]
    assert all(map(closed, held))
    assert b"large" in fetched(port)


def test_a_reader_that_does_not_read_is_ended(port: MetricsPort) -> None:
    held = [connected(port, b"GET /metrics HTTP/1.0\r\n\r\n") for _ in range(CONNECTIONS)]
    assert b"large" in fetched(port)
    assert all(map(closed, held))


def fetched(port: MetricsPort) -> bytes:
    """What Prometheus gets once there is room for it."""
    end = time.monotonic() + DEADLINE
    while True:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port.port}/metrics") as answer:
                return bytes(answer.read(1000))
        except (OSError, urllib.error.URLError):
            assert time.monotonic() < end
            time.sleep(0.1)
