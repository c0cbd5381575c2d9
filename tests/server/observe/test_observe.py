"""What is told of calls: metrics, log lines and spans, and nothing in them of any image."""

import io
import json
import logging
import urllib.request
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from tests.server.conftest import DEADLINE, Running, picture, settings

from partlens.client import AsyncClient, Box, NotFoundError, QueryRegion, Upload
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.view import GalleryView
from partlens.runtime import logs
from partlens.runtime.errors import SettingsError
from partlens.server.app import create_server
from partlens.server.observe import tracing
from partlens.server.observe.logs import with_request_id
from partlens.v1 import gallery_service_pb2 as pb

REGION = [QueryRegion(Box(4, 2, 25, 20))]
SECRET = "secret-image"


def samples(text: str) -> dict[tuple[str, ...], float]:
    """(name, value of each label) -> value."""
    return {
        (sample.name, *(sample.labels[key] for key in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


async def use(address: str) -> None:
    """Two searches with one picture, an upload, and an image that is not there."""
    async with AsyncClient(address, DEADLINE) as client:
        await client.upsert_images([Upload(SECRET, picture(1)), Upload("", b"")])
        for _ in range(2):
            await client.search_regions([picture(100)], REGION)
        with pytest.raises(NotFoundError):
            await client.get_image(SECRET + "2")


async def test_metrics_count_what_happened(model: MetricModel, gallery: Gallery) -> None:
    server = create_server(model, gallery, settings(observe={"metrics_listen": "127.0.0.1:0"}))
    address = f"127.0.0.1:{await server.start()}"
    await use(address)
    with urllib.request.urlopen(f"http://127.0.0.1:{server.metrics_port}/metrics") as answer:
        text = answer.read().decode()
    await server.stop(0)
    found = samples(text)
    search = ("SearchRegions", "partlens.v1.PartSearchService", "unary")
    assert found["grpc_server_started_total", *search] == 2
    assert found["grpc_server_handled_total", "OK", *search] == 2
    assert found["grpc_server_handling_seconds_count", *search] == 2
    get = ("GetImage", "partlens.v1.GalleryService", "unary")
    assert found["grpc_server_handled_total", "NotFound", *get] == 1
    upsert = ("UpsertImages", "partlens.v1.GalleryService", "bidi_stream")
    assert found["grpc_server_handled_total", "OK", *upsert] == 1
    for name, method, count in (
        ("received", search, 2),
        ("sent", search, 2),
        ("received", upsert, 2),
        ("sent", upsert, 2),
        ("received", get, 1),
    ):
        assert found[f"grpc_server_msg_{name}_total", *method] == count
    assert found["grpc_server_msg_sent_total", *get] == 0
    assert found["partlens_query_lookups_total", "unseen"] == 1
    assert found["partlens_query_lookups_total", "kept"] == 1
    assert found["partlens_uploaded_images_total", "default", "committed"] == 1
    assert found["partlens_uploaded_images_total", "default", "refused"] == 1
    assert found["partlens_model_pass_images_sum",] == 2
    assert found["partlens_search_seconds_count", "default"] == 2
    assert found["partlens_gallery_images", "default"] == 1
    assert found["partlens_model_waiting_images",] == 0
    assert found["partlens_calls_in_progress", "call"] == 0
    assert SECRET not in text


async def test_a_method_that_is_not_ours_makes_no_series(running: Running) -> None:
    for path in ("/partlens.v1.GalleryService/Nothing", "/other.Service/Method"):
        call: Any = running.channel.unary_unary(path)
        with pytest.raises(grpc.aio.AioRpcError):
            await call(b"", timeout=DEADLINE)
    text = generate_latest(running.server.metrics.registry).decode()
    assert "Nothing" not in text and "other.Service" not in text


@dataclass
class Log:
    """What was logged, as JSON lines."""

    stream: io.StringIO

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.stream.getvalue().splitlines()]


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log(io.StringIO())
    handler = logging.StreamHandler(made.stream)
    handler.setFormatter(logs.json_formatter())
    handler.addFilter(with_request_id)
    logger = logging.getLogger("partlens")
    before = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    yield made
    logger.removeHandler(handler)
    logger.setLevel(before)


def ids_of_calls(log: Log) -> list[str]:
    return [line["request_id"] for line in log.lines if "method" in line]


async def test_every_call_has_a_line_with_its_request_id(running: Running, log: Log) -> None:
    await use(running.address)
    by_method = {line["method"]: line for line in log.lines if "method" in line}
    assert by_method["SearchRegions"]["code"] == "OK"
    assert by_method["GetImage"]["code"] == "NOT_FOUND"
    assert all(len(line["request_id"]) == 16 for line in by_method.values())
    ids = {line["request_id"] for line in log.lines if "request_id" in line}
    assert len(ids) == 4
    assert SECRET not in log.stream.getvalue()


@pytest.mark.parametrize(
    ("given", "kept"), [("job-7", True), ("two words", False), ("x" * 65, False), ("", False)]
)
async def test_the_answer_carries_the_request_id(
    running: Running, log: Log, given: str, kept: bool
) -> None:
    call = running.gallery.GetGallery(
        pb.GetGalleryRequest(), timeout=DEADLINE, metadata=(("x-request-id", given),)
    )
    id = dict(await call.initial_metadata())["x-request-id"]
    await call
    assert (id == given) is kept and [
        line["request_id"] for line in log.lines if "method" in line
    ] == [id]


async def test_an_error_of_the_client_names_its_request(running: Running, log: Log) -> None:
    async with AsyncClient(running.address, DEADLINE) as client:
        with pytest.raises(NotFoundError) as caught:
            await client.get_image("nobody")
    assert [line["request_id"] for line in log.lines if "method" in line] == [
        caught.value.request_id
    ]


async def test_the_cause_of_an_internal_error_is_in_the_log_alone(
    filled: Running, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: GalleryView, id: str) -> None:
        raise ValueError("/srv/galleries/secret")

    monkeypatch.setattr(GalleryView, "get", fail)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await filled.gallery.GetImage(pb.GetImageRequest(id="p001"), timeout=DEADLINE)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    details = caught.value.details() or ""
    (line,) = [line for line in log.lines if line["level"] == "ERROR"]
    assert line["request_id"] in details and "secret" not in details
    assert "/srv/galleries/secret" in line["exc_info"]


@pytest.fixture
async def spans(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[InMemorySpanExporter]:
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("partlens")
    for module in ("observe.tracing", "features.query_features", "handlers.part_search"):
        monkeypatch.setattr(f"partlens.server.{module}.tracer", tracer)
    yield exporter
    provider.shutdown()


async def test_a_call_is_a_span_below_its_callers(
    running: Running, spans: InMemorySpanExporter
) -> None:
    await use(running.address)
    await running.gallery.GetGallery(
        pb.GetGalleryRequest(),
        timeout=DEADLINE,
        metadata=(("traceparent", f"00-{'a' * 32}-{'b' * 16}-01"),),
    )
    made: dict[str, ReadableSpan] = {span.name: span for span in spans.get_finished_spans()}
    search = made["partlens.v1.PartSearchService/SearchRegions"]
    assert search.kind is trace.SpanKind.SERVER
    for inside in ("find the query images", "search"):
        parent = made[inside].parent
        assert parent and search.context and parent.trace_id == search.context.trace_id
    get = made["partlens.v1.GalleryService/GetImage"]
    assert get.attributes and get.attributes["rpc.grpc.status_code"] == 5
    below = made["partlens.v1.GalleryService/GetGallery"]
    assert below.parent and f"{below.parent.trace_id:x}" == "a" * 32
    assert SECRET not in "".join(span.to_json() for span in made.values())


def test_an_exporter_that_there_is_not_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_TRACES_EXPORTER", "zipkin")
    with pytest.raises(SettingsError, match="zipkin: allowed are otlp, console and none"):
        tracing.configure()
