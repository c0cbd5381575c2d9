"""The server stops in time, whatever is connected over HTTP."""

import asyncio
import json
import signal
from pathlib import Path

import head_modules
import httpx
from prometheus_client import Gauge
from server_process import server_process
from tests.server.conftest import DEADLINE
from tests.server.http.conftest import GET_IMAGE, UPSERTS, WATCH, both
from tests.server.http.test_http_limits import connected, ended, head
from tests.server.http.test_streams import BINARY, until, value

from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.gallery import Gallery
from partlens.server.http.bodies import END_STREAM, PREFIX, envelope

FOREVER = 3600.0


def streaming(path: str, length: int) -> bytes:
    """The head of a stream."""
    lines = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {BINARY}\r\n"
    return f"{lines}Content-Length: {length}\r\n\r\n".encode()


async def test_open_streams_and_idle_connections_do_not_hold_it_up(
    model: MetricModel, gallery: Gallery
) -> None:
    async with both(model, gallery) as fronts:
        await fronts.http.get("/health")  # stays connected
        async with (
            connected(fronts) as (watching, watcher),
            connected(fronts) as (uploading, uploader),
            connected(fronts) as (silent, _),
            connected(fronts) as (half, sender),
        ):
            watcher.write(streaming(WATCH, 5) + envelope(0, b""))
            uploader.write(streaming(UPSERTS, 1000) + PREFIX.pack(0, 900))
            sender.write(b"GET /health HT")
            calls = fronts.server.metrics.calls.in_progress
            await until(lambda: value_of(calls, "watch") == value_of(calls, "stream") == 1)
            async with asyncio.timeout(DEADLINE):
                await fronts.server.stop(FOREVER)
            assert (await ended(watching)).endswith(b"\r\n0\r\n\r\n")
            assert b'"STOPPING"' in await ended(uploading)
            assert await ended(silent) == await ended(half) == b""


async def test_a_call_is_cut_off_with_words_when_its_grace_is_over(
    model: MetricModel, gallery: Gallery
) -> None:
    async with both(model, gallery) as fronts, connected(fronts) as (reader, writer):
        writer.write(head(GET_IMAGE, "Content-Length: 30") + b'{"id": ')
        calls = fronts.server.metrics.calls.in_progress
        await until(lambda: value_of(calls, "call") == 1)
        async with asyncio.timeout(DEADLINE):
            await fronts.server.stop(0.2)
        answer = await ended(reader)
        assert answer.startswith(b"HTTP/1.1 503")
        error = json.loads(answer.partition(b"\r\n\r\n")[2])
        assert error["details"][0]["debug"]["reason"] == "STOPPING"


def test_ctrl_c_stops_a_server_with_open_streams(tmp_path: Path) -> None:
    net = head_modules.make("two branches")
    model = MetricModel.from_module(
        net, feature_layer="stem", preprocessing=Preprocessing(32, 16), name="t", licence="MIT"
    ).save(tmp_path / "model")
    Gallery.create(tmp_path / "gallery", model.spec).close()
    file = tmp_path / "http.address"
    options = ["--http", "127.0.0.1:0", "--set", f"server.http_address_file={file}"]
    with server_process(tmp_path / "model", tmp_path / "gallery", *options) as server:
        url = file.read_text().strip()
        assert url.startswith("http://127.0.0.1:") and url.endswith("/")
        with httpx.Client(base_url=url, timeout=DEADLINE) as client:
            assert client.get("/health").text == "ready\n"
            headers = {"Content-Type": BINARY}
            with client.stream("POST", WATCH, content=envelope(0, b""), headers=headers) as watch:
                assert watch.status_code == 200
                server.process.send_signal(signal.SIGINT)
                log = server.finish()
                assert watch.read()[:1] == bytes([END_STREAM])
    assert server.process.returncode == 0
    assert "Traceback" not in log and url in log
    assert not file.exists()


def value_of(gauge: Gauge, kind: str) -> float:
    """What a gauge shows for a kind of call."""
    return value(gauge.labels(kind))
