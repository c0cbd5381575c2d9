"""The server: its services, their health, and how it starts and stops."""

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from partlens.client import address as addresses
from partlens.common.gallery_names import UNNAMED
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.config.sections import LimitsSection
from partlens.runtime.config.settings import Settings
from partlens.runtime.errors import ListenError, ProgramError
from partlens.runtime.metrics_port import MetricsPort
from partlens.runtime.tasks import end, keep_running
from partlens.server.access.authentication import Authentication, Authorisation
from partlens.server.access.certificates import certificates
from partlens.server.access.exposure import require_locked
from partlens.server.access.token_file import TokenFile
from partlens.server.audit.log import AuditLog, beside
from partlens.server.audit.tally import Tally
from partlens.server.audit.trail import AuditTrail, RefusedCalls
from partlens.server.calls.method import Method
from partlens.server.calls.outcome import Outcome
from partlens.server.calls.pipeline import Layer, Pipeline
from partlens.server.engine.engine import Engine
from partlens.server.errors import AuditError
from partlens.server.freed_memory import keep_for_good, keep_returning
from partlens.server.galleries.aliases import AliasFile
from partlens.server.handlers.table import SERVICES, methods
from partlens.server.host import Host, Makes
from partlens.server.http.application import application
from partlens.server.http.front import HttpFront
from partlens.server.http.hosts import hosts
from partlens.server.http.page import Page
from partlens.server.limits.admission import Admission
from partlens.server.limits.arrivals import Arrivals
from partlens.server.limits.connections import connections
from partlens.server.limits.failed_logins import FailedLogins
from partlens.server.limits.rate import Buckets, Rate
from partlens.server.limits.rights import Rights
from partlens.server.observe.health import AUDIT, CHAIN, FILES, ServerHealth
from partlens.server.observe.indexing import IndexingReport
from partlens.server.observe.logs import CallLog
from partlens.server.observe.metrics import Metrics
from partlens.server.observe.shard_watch import watch_shards
from partlens.server.observe.tracing import Tracing
from partlens.server.observe.watch import verify_log, watch
from partlens.server.retention.retaining import Retention, schedule
from partlens.server.transport.grpc_calls import GrpcCalls
from partlens.server.transport.open_calls import OpenCalls
from partlens.server.transport.options import options

# Health of the server as a whole has the empty name.
_HEALTH_NAMES = ("", *SERVICES)
_FAILED_LOGINS = 20
"""Failed logins of one network that are logged one by one after a pause."""
_HEALTH_SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name


class PartlensServer:
    """A server of galleries, over gRPC and, if the settings say so, HTTP.

    Args:
        makes: by the name of each gallery, creates its engine; the default gallery is first.
        aliases: file of the aliases of the galleries; None for a server without any.
        audit_log: path of the audit log.
        insecure: allow serving other machines without TLS or tokens.
        indexing: progress of indexing a folder meanwhile, which GetGallery returns.
    """

    def __init__(
        self,
        makes: Makes,
        settings: Settings,
        *,
        audit_log: Path,
        aliases: Path | None = None,
        insecure: bool = False,
        indexing: IndexingReport | None = None,
    ) -> None:
        self._makes, self._settings = makes, settings
        self._aliases = AliasFile(aliases) if aliases else None
        self._audit_log, self._insecure = audit_log, insecure
        self._indexing = indexing or IndexingReport()
        limits, self.metrics = settings.limits, Metrics()
        self._admission = Admission(limits, self.metrics.calls.in_progress)
        self._metrics_port: MetricsPort | None = None
        self._host: Host | None = None
        self._server: grpc.aio.Server | None = None
        self._http: HttpFront | None = None
        self._audit: AuditLog | None = None
        self._tally: Tally | None = None
        self._health: ServerHealth | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._retaining = asyncio.Lock()

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
        limits, http_listen = self._settings.limits, self._settings.server.http_listen
        for address in (listen, http_listen):
            if address is not None:
                require_locked(address, access, insecure=self._insecure)
        fronts = 1 if http_listen is None else 2
        tls = certificates(access)
        credentials = tls.credentials() if tls else None
        health = ServerHealth(_HEALTH_NAMES, self.metrics.unwell)
        host = Host(
            self._settings,
            self.metrics,
            next(iter(self._makes)),
            self._aliases,
            partial(_tell_sound, health),
            health.report_task,
            self._indexing,
        )
        log = AuditLog(
            self._audit_log,
            access.audit_log_bytes,
            partial(health.report, AUDIT),
            lambda reason: health.report(CHAIN, f"the audit log was {reason}"),
        )
        tally = Tally(log)
        tokens = TokenFile(access.tokens) if access.tokens else None
        server = grpc.aio.server(interceptors=[OpenCalls(limits)], options=options(limits, fronts))
        pipeline = Pipeline(_layers(limits, self.metrics, self._admission, log, tally, tokens))
        arrivals, served = Arrivals(limits), methods(host)
        server.add_generic_rpc_handlers((GrpcCalls(pipeline, served, limits, arrivals),))
        self._add_health(server, health)
        health.begin()
        try:
            port = _add_port(server, listen, credentials)
            if http_listen is not None:
                most, context = connections(limits, fronts), tls.context() if tls else None
                self._http = HttpFront(http_listen, limits, most, context)
            log.open()
            if self._settings.observe.metrics_listen:
                self._metrics_port = MetricsPort(
                    self.metrics.registry, self._settings.observe.metrics_listen
                )
        except ProgramError:
            if self._http is not None:
                await self._http.stop(0)
            await log.close()
            await host.close()
            raise
        await server.start()
        if self._http is not None:
            self._start_http(self._http, pipeline, served, arrivals, health)
        self._server, self._host, self._audit, self._tally = server, host, log, tally
        self._health = health
        works: dict[str, Callable[[], Coroutine[Any, Any, None]]] = {
            "watch": partial(
                watch,
                health,
                log,
                tokens,
                self._aliases.read if self._aliases else None,
                tls,
                self.metrics.certificate_expires,
                host.ended_threads,
            ),
            "shards": partial(watch_shards, health, host.shards),
            "audit tally": tally.run,
            "freed memory": keep_returning,
            "audit verification": partial(verify_log, self._audit_log, health),
        }
        self._tasks = [keep_running(name, of, health.report_task) for name, of in works.items()]
        return port

    async def load(self) -> None:
        """Creates the engine; health is SERVING when this returns.

        Raises:
            Exception: whatever make raises.
        """
        if self._host is None or self._health is None:
            raise RuntimeError("bind before load")
        await self._host.load(self._makes)
        keep_for_good()
        self._health.loaded()
        self._retain(self._makes, self._settings)

    async def add_galleries(self, makes: Makes, settings: Settings | None = None) -> Sequence[str]:
        """Load and serve more galleries, while the others answer.

        Args:
            settings: those that name them, with their retention; None for the server's own.

        Returns:
            The names of those that were not served before.

        Raises:
            Exception: whatever a `make` raises.
        """
        if self._host is None:
            raise RuntimeError("bind before adding galleries")
        served = self._host.directory.galleries
        new = {name: make for name, make in makes.items() if name not in served}
        if new:
            await self._host.load(new)
            self._retain(new, settings or self._settings)
        return tuple(new)

    async def rotate_audit_log(self) -> None:
        """Continues the audit log in a new file."""
        if self._audit is not None:
            await self._audit.rotate()

    async def stop(self, grace: float | None = None) -> None:
        """Stops accepting calls, lets those in progress finish, and closes.

        Args:
            grace: seconds until calls are cut off; None for the setting grace_seconds. A commit
                that has begun always finishes.
        """
        if self._server is None or self._host is None or self._audit is None:
            return
        if self._health is not None:
            self._health.service.stop()
        self._host.begin_to_stop()
        seconds = self._settings.server.grace_seconds if grace is None else grace
        fronts = [self._server.stop(seconds)]
        if self._http is not None:
            fronts.append(self._http.stop(seconds))
        await asyncio.gather(*fronts)
        # Calls that were cut off still write their lines in the audit log.
        await self._admission.idle()
        await end(*self._tasks)
        await self._host.close()
        if self._tally is not None:
            with suppress(AuditError):
                await self._tally.write()
        await self._audit.close()
        if self._metrics_port is not None:
            self._metrics_port.close()

    @property
    def metrics_port(self) -> int:
        """Port of the metrics; 0 if they are not served."""
        return self._metrics_port.port if self._metrics_port else 0

    @property
    def http_url(self) -> str | None:
        """Address of the page; None if HTTP is not served."""
        return self._http.url if self._http else None

    def _start_http(
        self,
        front: HttpFront,
        pipeline: Pipeline,
        served: Mapping[str, Method],
        arrivals: Arrivals,
        health: ServerHealth,
    ) -> None:
        server, metrics = self._settings.server, self.metrics.http
        loopback = addresses.parse(server.http_listen, listening=True).is_loopback
        locked = self._settings.access.tokens is not None
        metrics.connections.set_function(lambda: front.connections)
        front.start(
            application(
                pipeline,
                served,
                self._settings.limits,
                arrivals,
                front.threads,
                hosts=hosts(server.http_hosts, locked=locked, loopback=loopback),
                page=Page(),
                trouble=lambda: health.trouble,
                metrics=metrics,
            )
        )

    def _retain(self, names: Iterable[str], settings: Settings) -> None:
        """Begins to erase old images of these galleries, where the settings say so."""
        if self._host is None or self._audit is None or self._health is None:
            raise RuntimeError("bind before erasing old images")
        for name in names:
            served = self._host.directory.galleries[name]
            if (planned := schedule(settings, name, served.whole.path)) is None:
                continue
            retention = Retention(
                name, served.whole, served.figures, planned, self._audit, self._retaining
            )
            task = f"retention of {name}"
            self._tasks.append(keep_running(task, retention.run, self._health.report_task))

    def _add_health(self, server: grpc.aio.Server, health: ServerHealth) -> None:
        """Adds health, and reflection if the settings enable it."""
        health_pb2_grpc.add_HealthServicer_to_server(health.service, server)
        if self._settings.server.reflection:
            names = (*SERVICES, _HEALTH_SERVICE, reflection.SERVICE_NAME)
            reflection.enable_server_reflection(names, server)


def create_server(
    model: MetricModel, gallery: Gallery, settings: Settings | None = None
) -> PartlensServer:
    """A server for a loaded model and gallery; see PartlensServer.start."""
    used = settings or Settings()
    audit_log = used.access.audit_log or beside(gallery.path)
    makes = {UNNAMED: lambda: Engine(model, gallery, used.limits)}
    return PartlensServer(makes, used, audit_log=audit_log)


def _tell_sound(health: ServerHealth, gallery: str, sound: bool) -> None:
    health.report(FILES, None if sound else "files of the gallery are damaged", gallery)


def _layers(
    limits: LimitsSection,
    metrics: Metrics,
    admission: Admission,
    log: AuditLog,
    tally: Tally,
    tokens: TokenFile | None,
) -> tuple[Layer, ...]:
    """The layers around every call, outermost first."""
    authentication = Authentication(tokens)
    failed = Buckets(limits.failed_logins_per_second, _FAILED_LOGINS)
    return (
        FailedLogins(authentication, failed, tally, metrics.calls.failed_logins),
        Tracing(),
        metrics.calls,
        CallLog(),
        Outcome(),
        RefusedCalls(log, tally),
        authentication,
        Rate(Buckets(limits.calls_per_second, limits.burst_calls)),
        admission,
        AuditTrail(log, tally),
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
            f"cannot listen on {listen}: give --listen an address of this machine and a port that"
            " no other process uses"
        ) from error
