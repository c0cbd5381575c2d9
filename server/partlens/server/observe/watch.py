"""Looks every second at what would otherwise show only when a call needs it."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path

from prometheus_client import Gauge

from partlens.server.access.certificates import Certificates
from partlens.server.access.token_file import TokenFile
from partlens.server.audit.log import AuditLog
from partlens.server.audit.token_changes import TokenChanges
from partlens.server.audit.verification import verify
from partlens.server.errors import AliasError, AuditError, TokenFileError
from partlens.server.observe.health import ALIASES, CERTIFICATE, CHAIN, TOKENS, ServerHealth

_SECONDS = 1.0


async def watch(
    health: ServerHealth,
    log: AuditLog,
    tokens: TokenFile | None,
    read_aliases: Callable[[], object] | None,
    certificates: Certificates | None,
    expires: Gauge,
    ended_threads: Callable[[], Sequence[str]],
) -> None:
    """Until cancelled: reads tokens, aliases and certificates; looks at the audit log and threads.

    Args:
        read_aliases: raises AliasError.
        expires: when the certificate expires.
    """
    changes = TokenChanges(log)
    while True:
        if certificates is not None:
            health.report(CERTIFICATE, await asyncio.to_thread(certificates.look))
            expires.set(certificates.expires.timestamp())
        if tokens is not None:
            try:
                await changes.record(await asyncio.to_thread(tokens.read))
                health.report(TOKENS, None)
            except TokenFileError as error:
                health.report(TOKENS, str(error))
        if read_aliases is not None:
            try:
                read_aliases()
                health.report(ALIASES, None)
            except AliasError as error:
                health.report(ALIASES, str(error))
        await log.look()
        for name in ended_threads():
            health.report_task(name, "its thread ended; see the log, and restart the server")
        await asyncio.sleep(_SECONDS)


async def verify_log(path: Path, health: ServerHealth) -> None:
    """Verifies the audit log once, in the background, and reports a broken chain."""
    try:
        await asyncio.to_thread(verify, path)
    except AuditError as error:
        health.report(CHAIN, str(error))
