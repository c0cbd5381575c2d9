"""Calls that change and reveal little: the first are recorded one by one, a flood as counts."""

import asyncio
import re
from dataclasses import dataclass, field
from typing import NamedTuple

from partlens.server.audit.log import AuditLog
from partlens.server.audit.moments import now
from partlens.server.calls.call import Call

_SECONDS = 60.0
_LINES = 10
"""Lines of their own that calls of one kind get within _SECONDS; more are counted."""
_PEERS = 16
"""Addresses that a count names."""


class _Kind(NamedTuple):
    """What counted calls have in common."""

    token: str
    name: str
    method: str
    outcome: str


@dataclass
class _Count:
    """Calls of one kind within _SECONDS."""

    since: str
    seen: int = 0
    peers: set[str] = field(default_factory=set[str])
    more_peers: bool = False


class Tally:
    """Decides which of these calls get a line, and counts the others."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._counts: dict[_Kind, _Count] = {}

    def count(self, call: Call, outcome: str) -> bool:
        """Whether the caller should write a line for this call; if not, it has been counted."""
        kind = _Kind(call.caller.token, call.caller.name, call.name, outcome)
        count = self._counts.setdefault(kind, _Count(now()))
        count.seen += 1
        if count.seen <= _LINES:
            return True
        host = _host(call.peer)
        if len(count.peers) < _PEERS:
            count.peers.add(host)
        elif host not in count.peers:
            count.more_peers = True
        return False

    def count_only(self, call: Call, outcome: str) -> bool:
        """Count a call that gets no line; False, and not counted, if it would get one."""
        kind = _Kind(call.caller.token, call.caller.name, call.name, outcome)
        known = self._counts.get(kind)
        return known is not None and known.seen >= _LINES and not self.count(call, outcome)

    async def run(self) -> None:
        """Writes the counts every minute, until cancelled."""
        while True:
            await asyncio.sleep(_SECONDS)
            await self.write()

    async def write(self) -> None:
        """Writes the counts now, and begins anew.

        Raises:
            AuditError: the log cannot be written; what could not be written is counted on.
        """
        while self._counts:
            kind, count = next(iter(self._counts.items()))
            del self._counts[kind]
            if count.seen <= _LINES:
                continue
            try:
                await self._log.append(
                    {
                        "at": now(),
                        "event": "repeated",
                        "since": count.since,
                        **kind._asdict(),
                        "count": count.seen - _LINES,
                        "peers": sorted(count.peers),
                        "more_peers": count.more_peers,
                    }
                )
            except BaseException:
                self._keep(kind, count)
                raise

    def _keep(self, kind: _Kind, count: _Count) -> None:
        """Takes back a count that was not written."""
        newer = self._counts.get(kind)
        if newer is not None:
            count.seen += newer.seen
            count.more_peers |= newer.more_peers or len(count.peers | newer.peers) > _PEERS
        self._counts[kind] = count


def _host(peer: str) -> str:
    """The address of a peer, without its port.

    >>> _host("ipv4:10.0.0.1:5000"), _host("ipv6:%5B::1%5D:5000")
    ('ipv4:10.0.0.1', 'ipv6:%5B::1%5D')
    """
    return re.sub(r":[0-9]+$", "", peer)
