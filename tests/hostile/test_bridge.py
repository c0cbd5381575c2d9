"""The Frigate bridge between a hostile MQTT broker and a hostile HTTP API."""

import asyncio
import gzip
import json
import resource
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tests.ingest.bridge.conftest import encoded, frame, message
from tests.ingest.conftest import stream, until

from partlens.ingest.bridge.frigate import FrigateBridge
from partlens.ingest.bridge.frigate_api import FrigateApi
from partlens.ingest.bridge.frigate_event import MOST_BYTES
from partlens.ingest.bridge.metrics import BridgeMetrics
from partlens.ingest.bridge.mqtt import MqttMessages
from partlens.ingest.errors import SnapshotError
from partlens.ingest.stream import IngestStream
from partlens.runtime.config.sections import BridgeSection, LimitsSection

__all__ = ["stream"]

DEADLINE = 20.0
LIMITS = LimitsSection(request_bytes=100_000)
MEMORY_KIB = 200 * 2**10
NAN, INFINITE = float("nan"), float("inf")
GOOD = message(1)


def publish(payload: bytes, number: int = 0, topic: bytes = b"frigate/events") -> bytes:
    """A PUBLISH packet; at quality 1 if it has a number."""
    body = len(topic).to_bytes(2, "big") + topic
    if number:
        body += number.to_bytes(2, "big")
    return packet(0x32 if number else 0x30, body + payload)


def packet(kind: int, body: bytes) -> bytes:
    """An MQTT packet."""
    length, left = b"", len(body)
    while True:
        left, low = divmod(left, 128)
        length += bytes([low | (128 if left else 0)])
        if not left:
            return bytes([kind]) + length + body


class Broker:
    """Sends what it likes to whoever subscribes.

    Args:
        sent: packets of the first connection, of the second and so on.

    Attributes:
        acknowledged: numbers of the messages that the bridge acknowledged.
    """

    def __init__(self, *sent: list[bytes]) -> None:
        self._sent, self.acknowledged, self.connections = list(sent), list[int](), 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                (kind,) = await reader.readexactly(1)
                length = shift = 0
                while True:
                    (byte,) = await reader.readexactly(1)
                    length |= (byte & 127) << shift
                    shift += 7
                    if byte < 128:
                        break
                body = await reader.readexactly(length)
                if kind >> 4 == 1:
                    writer.write(packet(0x20, b"\0\0"))
                elif kind >> 4 == 8:
                    writer.write(packet(0x90, body[:2] + b"\1"))
                    for one in self._sent.pop(0) if self._sent else []:
                        writer.write(one)
                        await writer.drain()
                elif kind >> 4 == 4:
                    self.acknowledged.append(int.from_bytes(body, "big"))
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


Answer = Callable[[str, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(serve: Any) -> AsyncIterator[int]:
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def api(answer: Answer) -> AsyncIterator[str]:
    """Frigate's HTTP API."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                await answer(head.split()[1].decode().partition("?")[0], writer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async with listening(serve) as port:
        yield f"http://127.0.0.1:{port}"


def response(body: bytes, status: int = 200, more: str = "") -> bytes:
    return f"HTTP/1.1 {status} X\r\n{more}content-length: {len(body)}\r\n\r\n".encode() + body


async def honest(path: str, writer: asyncio.StreamWriter) -> None:
    writer.write(response(frame(1) if "/events/" in path else b"{}"))


async def endless(path: str, writer: asyncio.StreamWriter) -> None:
    """Errors for pictures; everything else has no end."""
    if "/events/" in path:
        writer.write(response(b"", 500))
        return
    writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        writer.write(2**18 * b"\0")
        await writer.drain()


@asynccontextmanager
async def bridging(
    broker: Broker, frigate: str, stream: IngestStream
) -> AsyncIterator[BridgeMetrics]:
    async with listening(broker.serve) as port:
        used = BridgeSection(mqtt=f"127.0.0.1:{port}", frigate=frigate, wait_seconds=0.1)
        messages, source, metrics = MqttMessages(used), FrigateApi(used, LIMITS), BridgeMetrics()
        bridge = FrigateBridge(messages, source, stream, used, LIMITS.image_limits, metrics)
        task = asyncio.create_task(bridge.run())
        try:
            yield metrics
            assert not task.done(), "the bridge must go on"
        finally:
            bridge.stop()
            await asyncio.wait_for(task, DEADLINE)
            await source.close()


def counted(metrics: BridgeMetrics, **wanted: int) -> Callable[[], Awaitable[bool]]:
    async def holds() -> bool:
        found = {
            name: metrics.registry.get_sample_value(
                "partlens_bridge_messages_total", {"result": name}
            )
            for name in wanted
        }
        return found == wanted

    return holds


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


WRONG: list[Any] = [
    b"",
    b"\0\xff",
    b"[" * 100_000,
    b'{"a":' * 100_000,
    b"9" * 100_000,
    b'{"type":"end","after":' + b"[" * 10_000,
    MOST_BYTES * b" " + encoded(GOOD),
    [],
    None,
    {"type": "end"},
    {"type": ["end"], "after": GOOD["after"]},
    *(
        message(1, "end", **{name: value})
        for name, value in {
            "id": "../../etc/passwd",
            "camera": 200 * "../",
            "label": {"person": 1},
            "entered_zones": 300 * ["yard"],
            "top_score": INFINITE,
            "snapshot": {"frame_time": NAN, "box": [1, 2, 3, 4]},
            "sub_label": [[["a"]]],
            "has_snapshot": "perhaps",
        }.items()
    ),
    message(1, id="a/../b"),
    message(1, id="a\n"),
    message(1, camera="a\0b"),
    message(1, snapshot={"frame_time": 1e300, "box": [1, 2, 3, 4]}),
    message(1, snapshot={"frame_time": 1, "box": [NAN, 2, 3, 4]}),
    message(1, snapshot={"frame_time": 1, "box": 10_000 * [1]}),
]


async def test_wrong_messages_are_counted_and_the_next_is_handled(
    stream: IngestStream, caplog: pytest.LogCaptureFixture
) -> None:
    payloads = [one if isinstance(one, bytes) else json.dumps(one).encode() for one in WRONG]
    broker = Broker(
        [publish(one, number) for number, one in enumerate(payloads, 1)]
        + [publish(encoded(GOOD), 1000)]
    )
    async with (
        api(honest) as address,
        bridging(broker, address, stream) as metrics,
    ):
        await until(counted(metrics, malformed=len(WRONG), pushed=1))

        async def acknowledged() -> bool:
            return broker.acknowledged == [*range(1, len(WRONG) + 1), 1000]

        await until(acknowledged)
    assert len(caplog.text) < 10_000, "a stranger fills the log"


@pytest.mark.parametrize(
    "broken",
    [
        packet(0x30, b""),  # no topic
        packet(0x32, b"\xff\xff" + b"a"),  # a topic longer than the packet
        packet(0x90, b""),  # an acknowledgement of nothing
        packet(0x40, b""),
        packet(0xF0, b"x"),
        b"\x30\xff\xff\xff\xff\xff",  # a length without end
        publish(b"{}", topic=b"\xff\xfe"),
    ],
)
async def test_what_is_no_mqtt_ends_a_connection_and_not_the_bridge(
    stream: IngestStream, broken: bytes
) -> None:
    broker = Broker([broken, publish(encoded(GOOD), 7)], [publish(encoded(GOOD), 7)])
    async with api(honest) as address, bridging(broker, address, stream) as metrics:

        async def pushed() -> bool:
            return broker.acknowledged == [7]

        await until(pushed)
        assert metrics.registry.get_sample_value(
            "partlens_bridge_messages_total", {"result": "pushed"}
        )


async def test_a_flood_and_huge_messages_take_bounded_memory(
    stream: IngestStream, caplog: pytest.LogCaptureFixture
) -> None:
    async def silent(path: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(60)

    padding = json.dumps(message(1, padding=200_000 * "x")).encode()
    # The first waits for Frigate, so that all others wait too: 400 MB, and one of 16 MB,
    # of which paho makes several copies.
    flood = [publish(encoded(GOOD))] + 2000 * [publish(padding)]
    flood += [publish(16 * 2**20 * b"x"), packet(0xC0, b"")]
    broker, before = Broker(flood), peak()
    async with api(silent) as address, bridging(broker, address, stream):

        async def sent() -> bool:
            return not broker._sent

        await until(sent)
        await asyncio.sleep(3)
    assert peak() - before < MEMORY_KIB
    assert "one was lost" in caplog.text and len(caplog.text) < 10_000


HUGE = gzip.compress(100 * 2**20 * b"\0", 9)
CONFIGURATIONS = [
    '{"cameras": {"front_door": {"detect": {"width": Infinity, "height": 1}, "snapshots": {}}}}',
    '{"cameras": {"front_door": {"detect": {"width": NaN, "height": 1}, "snapshots": {}}}}',
    '{"cameras": {"front_door": {"detect": {"width": "x"}, "snapshots": {}}}}',
    '{"cameras": {"front_door": {"detect": {"width": %s, "height": 1}, "snapshots": {}}}}'
    % ("9" * 4000),
    '{"cameras": {"front_door": []}}',
    '{"cameras": 7}',
    "[" * 50_000,
    "",
    "\0",
]


@pytest.mark.parametrize("configuration", CONFIGURATIONS)
async def test_a_wrong_configuration_leaves_the_picture_whole(
    stream: IngestStream, configuration: str
) -> None:
    async def answer(path: str, writer: asyncio.StreamWriter) -> None:
        if path == "/api/config":
            writer.write(response(configuration.encode()))
        else:
            await honest(path, writer)

    broker = Broker([publish(encoded(GOOD), 7)])
    async with api(answer) as address, bridging(broker, address, stream) as metrics:
        await until(counted(metrics, pushed=1))


async def test_no_redirect_is_followed_and_no_answer_is_read_without_end() -> None:
    asked = list[str]()

    async def inner(path: str, writer: asyncio.StreamWriter) -> None:
        asked.append(path)
        writer.write(response(frame(1)))

    async with api(inner) as inside:

        async def redirecting(path: str, writer: asyncio.StreamWriter) -> None:
            writer.write(response(b"", 302, f"location: {inside}/api/events/1/x\r\n"))

        async def bombing(path: str, writer: asyncio.StreamWriter) -> None:
            writer.write(response(HUGE, 200, "content-encoding: gzip\r\n"))

        async def headers(path: str, writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\n" + 10 * (b"x: " + 2**18 * b"y" + b"\r\n"))

        before = peak()
        for answer in (redirecting, bombing, headers, endless):
            async with api(answer) as address:
                source = FrigateApi(BridgeSection(frigate=address), LIMITS)
                try:
                    with pytest.raises(SnapshotError):
                        await asyncio.wait_for(source.snapshot("gate", "1", ended=True), DEADLINE)
                finally:
                    await source.close()
        assert asked == []
        assert peak() - before < MEMORY_KIB
