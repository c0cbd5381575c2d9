"""OpenTelemetry spans of calls, exported according to the standard OTEL_* variables."""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

from opentelemetry import propagate, trace
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SpanExporter

from partlens.client import address as addresses
from partlens.client import proxies
from partlens.client.channel import Route
from partlens.client.errors import AddressError
from partlens.runtime.errors import SettingsError
from partlens.server.calls.call import Call
from partlens.server.calls.code import Code

# The first that is set is used.
_ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_DEFAULT_ENDPOINT, _PORT = "http://localhost:4317", 443
"""gRPC's default port."""
# By OpenTelemetry's conventions, a caller's mistake is not an error of the server's span.
_SERVER_FAULTS = frozenset({Code.INTERNAL, Code.UNAVAILABLE, Code.DATA_LOSS})
# OpenTelemetry's names.
_SYSTEMS = {"grpc": "grpc", "http": "connect_rpc"}

tracer = trace.get_tracer("partlens")
_log = logging.getLogger(__name__)


class Tracing:
    """Creates a span for every call, as a child of the caller's span if it sends one."""

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """The call's span; contains nothing from the request."""
        with tracer.start_as_current_span(
            call.method[1:],
            context=propagate.extract(call.metadata),
            kind=trace.SpanKind.SERVER,
            attributes={
                "rpc.system": _SYSTEMS[call.transport],
                "rpc.service": call.service,
                "rpc.method": call.name,
                "partlens.request_id": call.request_id,
            },
            # An error's message may name an image.
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                yield
            finally:
                span.set_attribute("rpc.grpc.status_code", int(call.code))
                if call.code in _SERVER_FAULTS:
                    span.set_status(trace.Status(trace.StatusCode.ERROR, call.code.name))


def configure() -> None:
    """Exports spans if OTEL_TRACES_EXPORTER or an OTLP endpoint is set.

    OpenTelemetry itself reads the endpoint, headers, sampler, service name and the rest.

    Raises:
        SettingsError: an unknown exporter, an invalid endpoint or an unusable proxy.
    """
    otlp = "otlp" if any(os.environ.get(name) for name in _ENDPOINTS) else "none"
    names = os.environ.get("OTEL_TRACES_EXPORTER", otlp).split(",")
    if names == ["none"] or os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return
    os.environ.setdefault("OTEL_SERVICE_NAME", "partlens")
    provider = TracerProvider()
    for name in names:
        if name.strip() not in _EXPORTERS:
            raise SettingsError(
                f"OTEL_TRACES_EXPORTER={name}: allowed are {', '.join(_EXPORTERS)} and none"
            )
        provider.add_span_processor(BatchSpanProcessor(_EXPORTERS[name.strip()]()))
    trace.set_tracer_provider(provider)


def _otlp() -> SpanExporter:
    name = next((name for name in _ENDPOINTS if os.environ.get(name)), _ENDPOINTS[-1])
    endpoint = os.environ.get(name) or _DEFAULT_ENDPOINT
    if endpoint.startswith("unix:"):
        return OTLPSpanExporter()  # never through a proxy
    try:
        if "://" in endpoint:
            address = addresses.of_url(endpoint, {"http": _PORT, "https": _PORT})
        else:
            address = addresses.parse(endpoint)
        way = Route(address, proxy=proxies.between(address, proxies.GRPC))
    except AddressError as error:
        raise SettingsError(f"{name}: {error}") from error
    _log.info("exporting spans to %s", way)
    # The exporter's own annotation allows one option, a text.
    return OTLPSpanExporter(channel_options=cast("Any", way.proxy_options()))


_EXPORTERS: dict[str, Callable[[], SpanExporter]] = {"otlp": _otlp, "console": ConsoleSpanExporter}
