"""Health of the server and of its parts: as gRPC health services, in the log and in metrics."""

import asyncio
import logging
from collections.abc import Sequence

from grpc_health.v1 import health_pb2
from prometheus_client import Gauge

from partlens.server.errors import STILL_LOADING
from partlens.server.transport.health_service import HealthService

_log = logging.getLogger(__name__)
_OF = health_pb2.HealthCheckResponse

FILES = "partlens.files"
"""The gallery has no known damage. What is intact is still served."""
AUDIT = "partlens.audit"
"""The audit log can be written. If not, calls are refused."""
CHAIN = "partlens.audit.chain"
"""The audit log that was there at the start is whole, and nobody has changed it since."""
TOKENS = "partlens.tokens"
"""The token file can be read. If not, calls are refused."""
ALIASES = "partlens.aliases"
"""The aliases of galleries can be read. If not, calls are refused."""
CERTIFICATE = "partlens.certificate"
"""The certificate is valid for long enough, and its files can be used."""
SHARDS = "partlens.shards"
"""Every shard answers, if there are any. If not, searches that must be complete fail."""
TASKS = "partlens.tasks"
"""Every background task runs."""
PARTS = (FILES, AUDIT, CHAIN, TOKENS, ALIASES, CERTIFICATE, SHARDS, TASKS)
_NEEDED = frozenset({AUDIT, TOKENS, ALIASES, TASKS})
"""Parts without which the server as a whole is NOT_SERVING."""


class ServerHealth:
    """Tells callers of the health service, the log and the metrics what is wrong.

    Args:
        names: health services that are SERVING when the server as a whole is.
        gauge: by part: 1 while something is wrong with it, 0 otherwise.

    Attributes:
        service: for the server.
    """

    def __init__(self, names: Sequence[str], gauge: Gauge) -> None:
        self.service = HealthService()
        self._names, self._gauge = names, gauge
        self._loop = asyncio.get_running_loop()
        self._loaded = False
        self._wrong: dict[str, dict[str, str]] = {part: {} for part in PARTS}

    def begin(self) -> None:
        """NOT_SERVING as a whole; every part is well until something else is reported."""
        for part in PARTS:
            self._gauge.labels(part).set(0)
            self.service.set(part, _OF.SERVING)
        self._set_whole()

    def loaded(self) -> None:
        """SERVING as a whole, unless something is wrong."""
        self._loaded = True
        self._set_whole()

    @property
    def trouble(self) -> str | None:
        """Why the server as a whole is NOT_SERVING, for anyone to see; None while it is SERVING."""
        if self.service.stopping:
            return "the server is stopping"
        if not self._loaded:
            return STILL_LOADING
        wrong = sorted(part for part in _NEEDED if self._wrong[part])
        return f"{', '.join(wrong)}: not well; see the server's log" if wrong else None

    def report(self, part: str, reason: str | None, of: str = "") -> None:
        """Something is wrong with a part, or (None) no longer is. Callable from any thread.

        Args:
            of: what in the part is wrong, if it has several things that can be.
        """
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._report, part, reason, of)

    def report_task(self, name: str, reason: str | None) -> None:
        """The same of a background task; see runtime.tasks.Report."""
        self.report(TASKS, reason, name)

    def _report(self, part: str, reason: str | None, of: str) -> None:
        wrong, name = self._wrong[part], f"{part} ({of})" if of else part
        if reason is None and wrong.pop(of, None) is not None:
            _log.warning("%s is well again", name)
        elif reason is not None and wrong.get(of) != reason:
            wrong[of] = reason
            _log.error("%s is not well: %s", name, reason)
        self._gauge.labels(part).set(bool(wrong))
        self.service.set(part, _OF.NOT_SERVING if wrong else _OF.SERVING)
        self._set_whole()

    def _set_whole(self) -> None:
        well = self._loaded and not any(self._wrong[part] for part in _NEEDED)
        for name in self._names:
            self.service.set(name, _OF.SERVING if well else _OF.NOT_SERVING)
