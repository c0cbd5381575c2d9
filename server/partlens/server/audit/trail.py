"""The layer that records every call in the audit log: caller, method, gallery and outcome."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from partlens.server.audit.log import AuditLog, now
from partlens.server.calls.call import Call
from partlens.server.calls.status import code_of

# Reveals nothing about any image.
_UNWRITTEN = frozenset({"/partlens.v1.GalleryService/GetGallery"})


class AuditTrail:
    """Writes one line for every call, before the caller gets the response.

    A call that cannot be recorded fails. An upload stream writes a line for each commit before
    acknowledging it; see Call.commit.
    """

    def __init__(self, log: AuditLog) -> None:
        self._log = log

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Writes the call's line; raises AuditError if it cannot."""
        if call.method in _UNWRITTEN:
            yield
            return
        call.commit = lambda: self._write(call, "OK")
        try:
            yield
        except BaseException as error:
            await self._write(call, code_of(error).name)
            raise
        if call.facts:
            await self._write(call, "OK")

    async def _write(self, call: Call, outcome: str) -> None:
        facts, call.facts = call.facts, {}
        await self._log.append(_entry(call, facts, outcome))


def _entry(call: Call, facts: Mapping[str, str | int], outcome: str) -> dict[str, str | int]:
    caller = call.caller
    return {
        "at": now(),
        "request": call.request_id,
        "token": caller.token,
        "name": caller.name,
        "peer": call.peer,
        "method": call.name,
        "outcome": outcome,
        **facts,
    }
