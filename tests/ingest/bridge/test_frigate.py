"""What Frigate tracks comes into the ingest stream once, cropped, whoever is away meanwhile."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import numpy as np
import paho.mqtt.client as mqtt
import pytest
from mosquitto import PASSWORD, USER, Mosquitto, running_mosquitto
from paho.mqtt.enums import CallbackAPIVersion
from PIL import Image
from redis_server import RedisServer, free_port, running_redis
from tests.ingest.bridge.conftest import BOX, Frigate, encoded, frame, message
from tests.ingest.conftest import until
from tests.server.conftest import DEADLINE, Running

from partlens.ingest.bridge.frigate import FrigateBridge
from partlens.ingest.bridge.frigate_api import FrigateApi
from partlens.ingest.bridge.metrics import BridgeMetrics
from partlens.ingest.bridge.mqtt import MqttMessages
from partlens.ingest.metrics import IngestMetrics
from partlens.ingest.stream import IngestStream
from partlens.ingest.uploader import Uploader
from partlens.ingest.worker import Worker
from partlens.runtime.config.sections import BridgeSection, IngestSection, LimitsSection
from partlens.runtime.errors import SettingsError
from partlens.runtime.redis_connection import connect
from partlens.v1 import gallery_service_pb2 as pb

TOPIC = "frigate/events"
LIMITS = LimitsSection(request_bytes=100_000)


def section(broker: Mosquitto, frigate: Frigate, **values: object) -> BridgeSection:
    given = broker.values | {"frigate": frigate.address, "wait_seconds": 0.5}
    return BridgeSection.model_validate(given | values)


@pytest.fixture
async def stream(redis_server: RedisServer, tmp_path: Path) -> AsyncIterator[IngestStream]:
    settings = IngestSection(waiting=50)
    made = IngestStream(connect(redis_server.settings), tmp_path.name, settings)
    yield made
    await made.close()


@asynccontextmanager
async def bridging(used: BridgeSection, stream: IngestStream) -> AsyncIterator[BridgeMetrics]:
    """A bridge of this process, connected."""
    messages, api, metrics = MqttMessages(used), FrigateApi(used, LIMITS), BridgeMetrics()
    bridge = FrigateBridge(messages, api, stream, used, LIMITS.image_limits, metrics)
    task = asyncio.create_task(bridge.run())
    try:
        await until(connected(messages))
        yield metrics
    finally:
        bridge.stop()
        await asyncio.wait_for(task, DEADLINE)
        await api.close()


def connected(messages: MqttMessages) -> Any:
    async def holds() -> bool:
        return messages._client.is_connected() and messages._connection > 0

    return holds


def dealt_with(metrics: BridgeMetrics, count: int) -> Any:
    async def holds() -> bool:
        return sum(results(metrics).values()) >= count

    return holds


def results(metrics: BridgeMetrics) -> dict[str, int]:
    found = {}
    for result in ("pushed", "passed", "missing", "malformed"):
        value = metrics.registry.get_sample_value(
            "partlens_bridge_messages_total", {"result": result}
        )
        if value:
            found[result] = int(value)
    return found


def publish(broker: Mosquitto, *payloads: bytes) -> None:
    """As Frigate does, at quality 1; returns when the broker has them."""
    client = mqtt.Client(CallbackAPIVersion.VERSION2)
    client.username_pw_set(USER, PASSWORD)
    if "mqtt_ca" in broker.values:
        client.tls_set(str(broker.values["mqtt_ca"]))
    client.connect("127.0.0.1", broker.port)
    client.loop_start()
    for payload in payloads:
        client.publish(TOPIC, payload, qos=1).wait_for_publish(DEADLINE)
    client.disconnect()
    client.loop_stop()


def entries(server: RedisServer, stream: IngestStream) -> list[tuple[dict[str, Any], np.ndarray]]:
    """Events and pictures in the stream."""
    with server.client as client:
        found: Any = client.xrange(stream.name)
    return [
        (json.loads(fields[b"event"]), np.asarray(Image.open(io.BytesIO(fields[b"image"]))))
        for _, fields in found
    ]


def tracks(server: RedisServer, stream: IngestStream) -> set[str]:
    return {event["track"] for event, _ in entries(server, stream)}


@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_a_snapshot_comes_cropped_with_all_that_is_known(
    tmp_path: Path, frigate: Frigate, stream: IngestStream, redis_server: RedisServer, tls: bool
) -> None:
    told = message(3)
    frigate.has(told, "snapshot-clean.png", frame(3))
    frigate.has(told, "snapshot.jpg", frame(9))
    with running_mosquitto(tmp_path / "broker", tls=tls) as broker:
        async with bridging(section(broker, frigate), stream) as metrics:
            publish(broker, encoded(told))
            await until(dealt_with(metrics, 1))
    ((event, picture),) = entries(redis_server, stream)
    id = told["after"]["id"]
    assert event == {
        "id": f"front_door/{id}",
        "camera": "front_door",
        "track": id,
        "captured_at": "2020-12-04T23:19:23.475377Z",
        "uri": f"{frigate.address}/api/events/{id}/snapshot-clean.png",
        "attributes": {
            "label": "person",
            "sub_label": "John Smith",
            "score": "0.959",
            "zone": "yard",
            "zone:driveway": "yes",
            "zone:yard": "yes",
        },
    }
    assert picture.shape == (BOX[3] - BOX[1], BOX[2] - BOX[0], 3)
    assert np.abs(picture.astype(int) - (30, 80, 160)).max() < 12  # nothing of the white around


async def test_only_what_is_wanted_is_taken(
    broker: Mosquitto, frigate: Frigate, stream: IngestStream, redis_server: RedisServer
) -> None:
    wanted = [message(1), message(2, label="car")]
    others = [
        message(3, "update"),
        message(4, "new"),
        message(5, label="dog"),
        message(6, has_snapshot=False),
        message(7, false_positive=True),
    ]
    for told in (*wanted, *others):
        frigate.has(told, "snapshot-clean.webp", frame(1))
    async with bridging(section(broker, frigate, labels="person, car"), stream) as metrics:
        publish(broker, *map(encoded, (*others, *wanted)))
        await until(dealt_with(metrics, 7))
    assert results(metrics) == {"pushed": 2, "passed": 5}
    assert [event["track"] for event, _ in entries(redis_server, stream)] == [
        told["after"]["id"] for told in wanted
    ]


async def test_each_better_snapshot_is_an_image_of_the_track(
    broker: Mosquitto, frigate: Frigate, stream: IngestStream, redis_server: RedisServer
) -> None:
    first, better = message(1, "update"), message(1, "update")
    better["after"]["snapshot"]["frame_time"] += 0.25
    last = message(1)
    last["after"]["snapshot"]["frame_time"] += 0.25
    frigate.has(first, "snapshot.jpg", frame(1))
    frigate.has(first, "snapshot-clean.webp", frame(1))
    async with bridging(section(broker, frigate, moments="each"), stream) as metrics:
        publish(broker, *map(encoded, (first, first, better, last)))
        await until(dealt_with(metrics, 4))
    found = [event for event, _ in entries(redis_server, stream)]
    assert len({event["track"] for event in found}) == 1
    # Twice the same moment is the same image, and so is the last and the one before.
    assert len({event["id"] for event in found}) == 2 and len(found) == 4
    in_progress = [path for path in frigate.asked if "snapshot.jpg" in path]
    assert len(in_progress) == 3 and all("bbox=0" in path for path in in_progress)


async def test_what_cannot_be_used_is_named_and_harms_no_other(
    broker: Mosquitto,
    frigate: Frigate,
    stream: IngestStream,
    redis_server: RedisServer,
    caplog: pytest.LogCaptureFixture,
) -> None:
    gone, broken, moved, huge, good = (message(number) for number in range(5))
    frigate.has(broken, "snapshot.jpg", b"no picture")
    frigate.has(moved, "snapshot.jpg", b"", 302)
    frigate.answers["/elsewhere"] = (200, frame(2))
    frigate.has(huge, "snapshot.jpg", bytes(200_000))
    frigate.has(good, "snapshot.jpg", frame(4))
    payloads = [b"", b"{}", b"\xff", b'{"type": "end", "after": {"id": "../../config"}}']
    payloads += [encoded(message(8, id=id)) for id in ("../../config", "..", "")]
    payloads += [encoded(message(9, snapshot=None))]
    payloads += [encoded(message(9, snapshot={"frame_time": 1, "box": [1e999] * 4}))]
    payloads += map(encoded, (gone, broken, moved, huge, good))
    async with bridging(section(broker, frigate), stream) as metrics:
        publish(broker, *payloads)
        await until(dealt_with(metrics, len(payloads)))
    assert results(metrics) == {"pushed": 1, "missing": 4, "malformed": 9}
    assert [event["track"] for event, _ in entries(redis_server, stream)] == [good["after"]["id"]]
    assert not any("elsewhere" in path or "/.." in path for path in frigate.asked)
    for told in (gone, broken, moved, huge):
        assert told["after"]["id"] in caplog.text


async def test_a_picture_that_frigate_has_cropped_is_taken_whole(
    broker: Mosquitto, frigate: Frigate, stream: IngestStream, redis_server: RedisServer
) -> None:
    told, outside = message(1), message(2)
    outside["after"]["snapshot"]["box"] = [400, 300, 480, 500]
    frigate.config(160, 120, crop=True)
    frigate.has(told, "snapshot.jpg", frame(1))
    frigate.has(outside, "snapshot-clean.webp", frame(1))
    async with bridging(section(broker, frigate), stream) as metrics:
        publish(broker, encoded(told), encoded(outside))
        await until(dealt_with(metrics, 2))
    for _, picture in entries(redis_server, stream):
        assert picture.shape == (120, 160, 3)


@pytest.mark.parametrize("says_its_size", [True, False])
async def test_a_frame_of_another_size_is_cut_in_proportion(
    broker: Mosquitto,
    frigate: Frigate,
    stream: IngestStream,
    redis_server: RedisServer,
    says_its_size: bool,
) -> None:
    told = message(3)
    told["after"]["snapshot"]["box"] = [2 * number for number in BOX]
    frigate.config(320, 240)
    if not says_its_size:  # then it is taken to be what boxes are given in
        frigate.answers["/api/config"] = (200, b"[]")
        told = message(3)
    frigate.has(told, "snapshot-clean.webp", frame(3))
    async with bridging(section(broker, frigate), stream) as metrics:
        publish(broker, encoded(told))
        await until(dealt_with(metrics, 1))
    ((_, picture),) = entries(redis_server, stream)
    assert picture.shape == (BOX[3] - BOX[1], BOX[2] - BOX[0], 3)
    assert np.abs(picture.astype(int) - (30, 80, 160)).max() < 12


async def test_a_snapshot_that_is_still_being_written_is_waited_for(
    broker: Mosquitto, frigate: Frigate, stream: IngestStream, redis_server: RedisServer
) -> None:
    told = message(1)
    async with bridging(section(broker, frigate, wait_seconds=20), stream) as metrics:
        publish(broker, encoded(told))
        await until(lambda: asyncio.sleep(0, bool(frigate.asked)))
        frigate.has(told, "snapshot-clean.webp", frame(1))
        await until(dealt_with(metrics, 1))
    assert results(metrics) == {"pushed": 1} and len(entries(redis_server, stream)) == 1


async def test_nothing_is_lost_while_the_bridge_is_away_or_the_broker_is_killed(
    broker: Mosquitto, frigate: Frigate, stream: IngestStream, redis_server: RedisServer
) -> None:
    told = [message(number) for number in range(5)]
    for one in told:
        frigate.has(one, "snapshot-clean.webp", frame(1))
    used = section(broker, frigate)
    async with bridging(used, stream) as metrics:
        publish(broker, encoded(told[0]))
        await until(dealt_with(metrics, 1))
    publish(broker, encoded(told[1]), encoded(told[2]))  # while nobody listens
    async with bridging(used, stream) as metrics:
        await until(dealt_with(metrics, 2))
        broker.kill()
        broker.start()
        publish(broker, encoded(told[3]), encoded(told[4]))
        # What the broker had not noted as acknowledged comes again, as the same image.
        wanted = {one["after"]["id"] for one in told}
        await until(lambda: asyncio.sleep(0, tracks(redis_server, stream) == wanted))


async def test_a_message_is_acknowledged_only_when_its_picture_is_in_the_stream(
    broker: Mosquitto, frigate: Frigate, stream: IngestStream, redis_server: RedisServer
) -> None:
    """Stopped in the midst of it, the next bridge gets it again."""
    told = message(1)
    used = section(broker, frigate, wait_seconds=20)
    async with bridging(used, stream):
        publish(broker, encoded(told))
        await until(lambda: asyncio.sleep(0, bool(frigate.asked)))
    assert not entries(redis_server, stream)
    frigate.has(told, "snapshot-clean.webp", frame(1))
    async with bridging(used, stream) as metrics:
        await until(dealt_with(metrics, 1))
    assert len(entries(redis_server, stream)) == 1


async def test_a_full_stream_and_a_dead_redis_are_waited_for(
    broker: Mosquitto, frigate: Frigate, tmp_path: Path
) -> None:
    told = [message(number) for number in range(8)]
    for one in told:
        frigate.has(one, "snapshot-clean.webp", frame(1))
    with running_redis(tmp_path / "redis") as server:
        stream = IngestStream(connect(server.settings, 0.5), "p", IngestSection(waiting=5))
        async with bridging(section(broker, frigate), stream) as metrics:
            publish(broker, *map(encoded, told))
            await until(dealt_with(metrics, 5))
            await asyncio.sleep(0.5)
            assert results(metrics) == {"pushed": 5}
            server.kill()
            await asyncio.sleep(0.5)
            server.start()
            before = entries(server, stream)
            with server.client as client:
                client.delete(stream.name)
            await until(dealt_with(metrics, 8))
        found = {event["track"] for event, _ in (*before, *entries(server, stream))}
        assert found == {one["after"]["id"] for one in told}
        await stream.close()


async def test_a_failing_gateway_is_waited_for_and_a_failing_picture_is_not(
    broker: Mosquitto,
    frigate: Frigate,
    stream: IngestStream,
    redis_server: RedisServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("partlens.ingest.bridge.frigate_api._SECONDS", 0.5)
    good, broken, slow = message(1), message(2), message(3)
    frigate.has(good, "snapshot-clean.webp", frame(1))
    frigate.has(broken, "snapshot-clean.webp", b"", 500)
    frigate.has(slow, "snapshot-clean.webp", frame(1))
    frigate.slow.add(f"/api/events/{slow['after']['id']}/snapshot-clean.webp")
    before = dict(frigate.answers)
    frigate.answers = {path: (502, b"") for path in before}
    async with bridging(section(broker, frigate), stream) as metrics:
        publish(broker, encoded(broken), encoded(slow), encoded(good))
        await until(lambda: asyncio.sleep(0, len(frigate.asked) > 6))
        assert not results(metrics)  # as Frigate itself is away
        frigate.answers = before
        await until(dealt_with(metrics, 3))
    assert results(metrics) == {"pushed": 1, "missing": 2}
    assert tracks(redis_server, stream) == {good["after"]["id"]}


async def test_a_broker_that_is_not_there_is_told_of(
    frigate: Frigate, stream: IngestStream, caplog: pytest.LogCaptureFixture
) -> None:
    used = BridgeSection(mqtt=f"127.0.0.1:{free_port()}", frigate=frigate.address)
    messages, api = MqttMessages(used), FrigateApi(used, LIMITS)
    bridge = FrigateBridge(messages, api, stream, used, LIMITS.image_limits, BridgeMetrics())
    task = asyncio.create_task(bridge.run())
    await until(lambda: asyncio.sleep(0, "no broker answers" in caplog.text))
    bridge.stop()
    await asyncio.wait_for(task, DEADLINE)
    await api.close()


async def test_frigate_away_or_refusing_us_is_waited_for(
    broker: Mosquitto,
    frigate: Frigate,
    stream: IngestStream,
    redis_server: RedisServer,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    told = message(1)
    frigate.has(told, "snapshot-clean.webp", frame(1))
    (tmp_path / "token").write_text("secret-token\n")
    frigate.token = "another"
    used = section(broker, frigate, wait_seconds=0, frigate_token_file=tmp_path / "token")
    async with bridging(used, stream) as metrics:
        publish(broker, encoded(told))
        await until(lambda: asyncio.sleep(0, len(frigate.asked) > 2))
        frigate.token = "secret-token"
        await until(dealt_with(metrics, 1))
    assert results(metrics) == {"pushed": 1} and len(entries(redis_server, stream)) == 1
    assert "401" in caplog.text and "secret-token" not in caplog.text


async def listed(running: Running, count: int) -> bool:
    answer = await running.gallery.ListImages(pb.ListImagesRequest(), timeout=DEADLINE)
    return len(answer.images) == count


async def test_from_frigate_to_the_gallery(
    broker: Mosquitto, frigate: Frigate, stream: IngestStream, running: Running
) -> None:
    told = message(1)
    frigate.has(told, "snapshot-clean.webp", frame(1))
    used = IngestSection(server=running.address)
    uploader = Uploader(used)
    worker = Worker(stream, uploader, used, IngestMetrics())
    task = asyncio.create_task(worker.run())
    try:
        async with bridging(section(broker, frigate), stream) as metrics:
            publish(broker, encoded(told), encoded(told))
            await until(dealt_with(metrics, 2))
        await until(lambda: listed(running, 1))
    finally:
        worker.stop()
        await asyncio.wait_for(task, DEADLINE)
        await uploader.close()
    answer = await running.gallery.ListImages(pb.ListImagesRequest(), timeout=DEADLINE)
    (stored,) = answer.images
    assert stored.metadata.camera == "front_door"
    assert stored.metadata.track == told["after"]["id"]
    assert (stored.width, stored.height) == (BOX[2] - BOX[0], BOX[3] - BOX[1])


def test_the_command_says_what_is_wrong_and_stops_when_told(
    broker: Mosquitto, frigate: Frigate, redis_server: RedisServer
) -> None:
    main = "from partlens.cli.main import main; main()"
    command = [sys.executable, "-c", main, "bridge", "frigate"]
    wrong = subprocess.run(
        [*command, "--set", "bridge.mqtt=nowhere"],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert wrong.returncode == 6 and "write nowhere:PORT" in wrong.stderr
    given = {f"bridge.{key}": value for key, value in broker.values.items()}
    given |= {f"redis.{key}": value for key, value in redis_server.values.items()}
    given["bridge.frigate"] = frigate.address
    texts = [word for key, value in given.items() for word in ("--set", f"{key}={value}")]
    with subprocess.Popen([*command, *texts], stderr=subprocess.PIPE, env=os.environ) as process:
        assert process.stderr is not None
        lines = list[str]()
        while "connected to" not in "".join(lines):
            line = process.stderr.readline().decode()
            assert line, lines
            lines.append(line)
        process.send_signal(signal.SIGTERM)
        assert process.wait(DEADLINE) == 0
    assert PASSWORD not in "".join(lines)


@pytest.mark.parametrize(
    "values",
    [
        {"mqtt": "host"},
        {"mqtt": "host:99999"},
        {"frigate": "ftp://x"},
        {"frigate": "http://user:secret@x"},
        {"mqtt_certificate": "a.pem"},
        {"topic_prefix": "#"},
        {"moments": "all"},
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        BridgeSection.model_validate(values)


def test_files_that_are_not_there_are_named(tmp_path: Path) -> None:
    for values in ({"mqtt_ca": tmp_path / "no"}, {"mqtt_user": "u", "mqtt_password_file": "/no"}):
        with pytest.raises(SettingsError, match="bridge"):
            MqttMessages(BridgeSection.model_validate(values))
    with pytest.raises(SettingsError, match="bridge"):
        FrigateApi(BridgeSection(frigate_token_file=tmp_path / "no"), LIMITS)
