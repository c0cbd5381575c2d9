"""Spans reach a collector that the standard variables name, over OTLP as it is spoken."""

import queue
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb
from opentelemetry.proto.collector.trace.v1.trace_service_pb2_grpc import (
    TraceServiceServicer,
    add_TraceServiceServicer_to_server,
)
from proxy import proxy
from server_process import server_process
from tests.server.conftest import DEADLINE, picture, tiny_model

from partlens.client import Box, Client, QueryRegion
from partlens.indexer.gallery import Gallery


class Collector(TraceServiceServicer):
    """Keeps what it is sent: (service name, span)."""

    def __init__(self) -> None:
        self.spans: queue.Queue[tuple[str, Any]] = queue.Queue()

    def Export(
        self, request: pb.ExportTraceServiceRequest, context: grpc.ServicerContext
    ) -> pb.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            facts = {one.key: one.value.string_value for one in resource.resource.attributes}
            for scope in resource.scope_spans:
                for span in scope.spans:
                    self.spans.put((facts["service.name"], span))
        return pb.ExportTraceServiceResponse()


@contextmanager
def collecting() -> Iterator[tuple[Collector, int]]:
    with ThreadPoolExecutor(2) as threads:
        server, collector = grpc.server(threads), Collector()
        add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield collector, port
        finally:
            server.stop(0).wait(DEADLINE)


def test_a_search_is_a_span_at_a_collector(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = tiny_model().save(tmp_path / "model")
    Gallery.create(tmp_path / "gallery", model.spec).close()
    with collecting() as (collector, port), proxy() as running:
        for name in ("grpc_proxy", "https_proxy", "http_proxy"):
            monkeypatch.setenv(name, running.url)
        for name in ("no_proxy", "no_grpc_proxy"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{port}")
        monkeypatch.setenv("OTEL_BSP_SCHEDULE_DELAY", "100")
        with server_process(tmp_path / "model", tmp_path / "gallery") as server:
            with Client(server.address) as client:
                client.search_regions([picture(1)], [QueryRegion(Box(0, 0, 20, 20))])
            names = set()
            while "partlens.v1.PartSearchService/SearchRegions" not in names:
                service, span = collector.spans.get(timeout=DEADLINE)
                assert service == "partlens" and span.end_time_unix_nano > 0
                names.add(span.name)
        assert running.got == []  # all of them are on this machine
