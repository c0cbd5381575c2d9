"""The layers that record every call in the audit log: caller, method, gallery and outcome."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from partlens.server.audit.chain import BEGUN
from partlens.server.audit.log import AuditLog
from partlens.server.audit.moments import now
from partlens.server.audit.tally import Tally
from partlens.server.calls.call import Call
from partlens.server.calls.code import Code
from partlens.server.calls.status import code_of
from partlens.server.errors import AuditError

_REFUSALS = frozenset({Code.UNAUTHENTICATED, Code.PERMISSION_DENIED, Code.RESOURCE_EXHAUSTED})


class AuditTrail:
    """Writes a line for every call that was let in, before the caller gets the response.

    A call that cannot be recorded fails. A call that changes something has a line before each
    change (see Call.begin), without which the change is not made, and a line after it. An upload
    stream writes the second one before it acknowledges a commit; see Call.commit.

    Calls without facts, such as GetGallery or a stream without images, and calls without the scope
    that they need are tallied.
    """

    def __init__(self, log: AuditLog, tally: Tally) -> None:
        self._log, self._tally = log, tally

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Writes the call's lines; raises AuditError if it cannot."""
        record = _Record(self._log, call)
        call.recorded, call.begin, call.commit = True, record.begin, record.commit
        try:
            yield
        except BaseException as error:
            code = code_of(error)
            if code not in _REFUSALS or record.open or self._tally.count(call, code.name):
                await record.write(code.name)
            raise
        if record.open or call.facts:
            await record.write(Code.OK.name)
        elif not record.lines and self._tally.count(call, Code.OK.name):
            await record.write(Code.OK.name)


class RefusedCalls:
    """Tallies the calls that are refused before they reach the AuditTrail inside.

    A refusal that cannot be recorded is still a refusal.
    """

    def __init__(self, log: AuditLog, tally: Tally) -> None:
        self._log, self._tally = log, tally

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Re-raises what is raised inside."""
        try:
            yield
        except Exception as error:
            code = code_of(error)
            if not call.recorded and self._tally.count(call, code.name):
                with suppress(AuditError):
                    await _Record(self._log, call).write(code.name)
            raise


class _Record:
    """The lines of one call.

    Attributes:
        lines: number of lines that were written.
        open: whether a change has begun whose outcome is not written yet.
    """

    def __init__(self, log: AuditLog, call: Call) -> None:
        self._log, self._call = log, call
        self._begun, self.lines = 0, 0

    @property
    def open(self) -> bool:
        return self._begun > 0

    async def begin(self) -> None:
        """Writes that a change begins, with the facts known so far."""
        entry = _entry(self._call, self._call.facts, BEGUN)
        writing = asyncio.create_task(self._log.append(entry))
        try:
            self._begun = await asyncio.shield(writing)
        except asyncio.CancelledError:
            # The line will be written, so it needs an outcome.
            await asyncio.wait([writing])
            if writing.exception() is None:
                self._begun = writing.result()
            raise
        finally:
            self.lines += 1

    async def commit(self) -> None:
        await self.write(Code.OK.name)

    async def write(self, outcome: str) -> None:
        facts, self._call.facts = self._call.facts, {}
        begun, self._begun = self._begun, 0
        if begun:
            facts = {**facts, "begun": begun}
        self.lines += 1
        await self._log.append(_entry(self._call, facts, outcome))


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
        **({"gallery": call.gallery} if call.gallery else {}),
        **facts,
    }
