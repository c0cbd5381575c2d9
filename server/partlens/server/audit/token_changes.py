"""Records in the audit log which tokens an operator created, replaced, changed and revoked."""

from collections.abc import Iterator, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Protocol

from partlens.server.audit.chain import Entry
from partlens.server.audit.log import AuditLog
from partlens.server.audit.moments import now
from partlens.server.errors import AuditError


class KnownToken(Protocol):
    """What the audit log says of a token."""

    @property
    def id(self) -> str:
        """Its id."""
        ...

    @property
    def name(self) -> str:
        """Its name."""
        ...

    @property
    def scopes(self) -> frozenset[str]:
        """What it allows."""
        ...

    @property
    def replaces(self) -> str:
        """Id of the token that it replaces; "" for none."""
        ...

    @property
    def expires_at(self) -> datetime | None:
        """When it expires; None for never."""


class TokenChanges:
    """Writes a line for each change of the token file that a running server sees."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._known: Mapping[str, KnownToken] | None = None

    async def record(self, tokens: Mapping[str, KnownToken]) -> None:
        """Write what has changed since the last call; the first call only remembers.

        If the log cannot be written, the next call writes it.
        """
        if self._known is not None and tokens is not self._known:
            with suppress(AuditError):
                for entry in _changes(self._known, tokens):
                    await self._log.append(entry)
                self._known = tokens
        elif self._known is None:
            self._known = tokens


def _changes(before: Mapping[str, KnownToken], after: Mapping[str, KnownToken]) -> Iterator[Entry]:
    for id, token in after.items():
        if id not in before:
            more = {"replaces": token.replaces} if token.replaces else {}
            event = "token replaced" if token.replaces else "token created"
            yield {**_facts(event, token), **more}
        elif token != before[id]:
            yield _facts("token changed", token)
    for id, token in before.items():
        if id not in after:
            yield _facts("token revoked", token)


def _facts(event: str, token: KnownToken) -> dict[str, str | list[str] | None]:
    return {
        "at": now(),
        "event": event,
        "token": token.id,
        "name": token.name,
        "scopes": sorted(token.scopes),
        "expires": token.expires_at.isoformat() if token.expires_at else None,
    }
