"""The server: its services, their health, and how it starts and stops."""

import asyncio
from collections.abc import Callable
from pathlib import Path

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.settings import Settings
from partlens.runtime.errors import ListenError, ProgramError
from partlens.runtime.metrics_port import MetricsPort
from partlens.server.access.authentication import Authentication, Authorisation
from partlens.server.access.certificates import certificates
from partlens.server.access.exposure import require_locked
from partlens.server.access.token_file import TokenFile
from partlens.server.audit.log import AuditLog, beside
from partlens.server.audit.trail import AuditTrail
from partlens.server.calls.outcome import Outcome
from partlens.server.calls.pipeline import Layer, Pipeline
from partlens.server.engine.engine import Engine
from partlens.server.handlers.table import SERVICES, methods
from partlens.server.host import Host
from partlens.server.limits.admission import Admission
from partlens.server.limits.rate import Rate
from partlens.server.limits.rights import Rights
from partlens.server.observe.logs import CallLog
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.tracing import Tracing
from partlens.server.transport.grpc_calls import GrpcCalls
from partlens.server.transport.open_calls import OpenCalls
from partlens.server.transport.options import options

# Health of the server as a whole has the empty name.
_HEALTH_NAMES = ("", *SERVICES)
FILES_HEALTH = "partlens.files"
"""Health service name that reports whether the gallery has no known damage. The server keeps
serving what is intact, so its own health does not depend on this."""
_HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class PartlensServer:
    """A gRPC server of one model and one gallery.

    Args:
        make: creates the engine; called once, on a thread.
        audit_log: path of the audit log.
        insecure: allow serving other machines without TLS or tokens.
    """

    def __init__(
        self,
        make: Callable[[], Engine],
        settings: Settings,
        *,
        audit_log: Path,
        insecure: bool = False,
    ) -> None:
        self._make, self._settings = make, settings
        self._audit_log, self._insecure = audit_log, insecure
        self._health = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
        limits, self.metrics = settings.limits, Metrics()
        self._admission = Admission(limits, self.metrics.calls.in_progress)
        self._metrics_port: MetricsPort | None = None
        self._host: Host | None = None
        self._server: grpc.aio.Server | None = None
        self._audit: AuditLog | None = None

    async def start(self) -> int:
        """Binds and loads; every service answers when this returns. Returns the port.

        Raises:
            ListenError: the server cannot listen on the address.
        """
        port = await self.bind()
        await self.load()
        return port

    async def bind(self) -> int:
        """Listens; until load, health is NOT_SERVING and all else UNAVAILABLE. Returns the port.

        Raises:
            ListenError: the server cannot, or must not, listen on the address.
            CertificateError, AuditError: a file cannot be used.
        """
        access, listen = self._settings.access, self._settings.server.listen
        limits = self._settings.limits
        require_locked(listen, access, insecure=self._insecure)
        tls = certificates(access)
        credentials = tls.credentials() if tls else None
        host = Host(self._settings, self.metrics, self._files_teller())
        log = AuditLog(self._audit_log)
        server = grpc.aio.server(interceptors=[OpenCalls(limits)], options=options(limits))
        pipeline = Pipeline(_layers(self._settings, self.metrics, self._admission, log))
        server.add_generic_rpc_handlers((GrpcCalls(pipeline, methods(host), limits),))
        self._add_health(server)
        await self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        try:
            port = _add_port(server, listen, credentials)
            log.open()
            if self._settings.observe.metrics_listen:
                self._metrics_port = MetricsPort(
                    self.metrics.registry, self._settings.observe.metrics_listen
                )
        except ProgramError:
            await log.close()
            await host.close()
            raise
        await server.start()
        self._server, self._host, self._audit = server, host, log
        return port

    async def load(self) -> None:
        """Creates the engine; health is SERVING when this returns.

        Raises:
            Exception: whatever make raises.
        """
        if self._host is None:
            raise RuntimeError("bind before load")
        await self._host.load(self._make)
        await self._set_health(health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float | None = None) -> None:
        """Stops accepting calls, lets those in progress finish, and closes.

        Args:
            grace: seconds until calls are cut off; None for the setting grace_seconds. A commit
                that has begun always finishes.
        """
        if self._server is None or self._host is None or self._audit is None:
            return
        await self._health.enter_graceful_shutdown()
        self._host.begin_to_stop()
        await self._server.stop(self._settings.server.grace_seconds if grace is None else grace)
        # Calls that were cut off still write their lines in the audit log.
        await self._admission.idle()
        await self._host.close()
        await self._audit.close()
        if self._metrics_port is not None:
            self._metrics_port.close()

    @property
    def metrics_port(self) -> int:
        """Port of the metrics; 0 if they are not served."""
        return self._metrics_port.port if self._metrics_port else 0

    def _files_teller(self) -> Callable[[bool], None]:
        """A function, callable from any thread, that sets FILES_HEALTH."""
        loop, of = asyncio.get_running_loop(), health_pb2.HealthCheckResponse

        def tell(sound: bool) -> None:
            status = of.SERVING if sound else of.NOT_SERVING
            asyncio.run_coroutine_threadsafe(self._health.set(FILES_HEALTH, status), loop)

        return tell

    def _add_health(self, server: grpc.aio.Server) -> None:
        """Adds health, and reflection if the settings enable it."""
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        if self._settings.server.reflection:
            names = (*SERVICES, _HEALTH_SERVICE, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)

    async def _set_health(self, status: health_pb2.HealthCheckResponse.ServingStatus) -> None:
        for name in _HEALTH_NAMES:
            await self._health.set(name, status)


def create_server(
    model: MetricModel, gallery: Gallery, settings: Settings | None = None
) -> PartlensServer:
    """A server for a loaded model and gallery; see PartlensServer.start."""
    used = settings or Settings()
    audit_log = used.access.audit_log or beside(gallery.path)
    return PartlensServer(lambda: Engine(model, gallery, used.limits), used, audit_log=audit_log)


def _layers(
    settings: Settings, metrics: Metrics, admission: Admission, log: AuditLog
) -> tuple[Layer, ...]:
    """The layers around every call, outermost first."""
    tokens, limits = settings.access.tokens, settings.limits
    return (
        Tracing(),
        metrics.calls,
        CallLog(),
        Outcome(),
        Authentication(TokenFile(tokens) if tokens else None),
        Rate(limits.calls_per_second, limits.burst_calls),
        admission,
        AuditTrail(log),
        Authorisation(),
        Rights(),
    )


def _add_port(
    server: grpc.aio.Server, listen: str, credentials: grpc.ServerCredentials | None
) -> int:
    try:
        if credentials:
            return server.add_secure_port(listen, credentials)
        return server.add_insecure_port(listen)
    except RuntimeError as error:
        raise ListenError(
            f"cannot listen on {listen}: give host:port of this machine, with a free port"
        ) from error
