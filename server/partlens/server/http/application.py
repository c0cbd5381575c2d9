"""Which path is answered by what."""

from collections.abc import Callable, Mapping
from concurrent.futures import Executor

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route, Router
from starlette.types import ASGIApp

from partlens.runtime.config.sections import LimitsSection
from partlens.server.calls.method import Method
from partlens.server.calls.pipeline import Pipeline
from partlens.server.http.connect_calls import ConnectMethod, UnknownMethod
from partlens.server.http.guard import Guard
from partlens.server.http.hosts import Hosts
from partlens.server.http.page import Page
from partlens.server.limits.arrivals import Arrivals
from partlens.server.observe.metrics import HttpMetrics

_READING = ["GET", "HEAD"]
_ANY = "/{path:path}"
_RETRY_SECONDS = "1"


def application(
    pipeline: Pipeline,
    methods: Mapping[str, Method],
    limits: LimitsSection,
    arrivals: Arrivals,
    threads: Executor,
    *,
    hosts: Hosts,
    page: Page,
    trouble: Callable[[], str | None],
    metrics: HttpMetrics,
) -> ASGIApp:
    """The methods, the page and /health as one ASGI application.

    Args:
        methods: by path.
        arrivals: counts the requests of all transports until they are handled.
        threads: parse and encode large messages.
        trouble: why the server cannot answer calls; None if it can.
    """

    async def health(request: Request) -> Response:
        reason = trouble()
        if reason is None:
            return PlainTextResponse("ready\n")
        return PlainTextResponse(f"{reason}\n", 503, {"Retry-After": _RETRY_SECONDS})

    routes = [
        *(
            Route(path, ConnectMethod(pipeline, method, limits, arrivals, threads))
            for path, method in methods.items()
        ),
        Route("/health", health, methods=_READING),
        Route(_ANY, page.answer, methods=_READING),
        Route(_ANY, UnknownMethod(limits), methods=["POST"]),
    ]
    return Guard(Router(routes, redirect_slashes=False), hosts, metrics)
