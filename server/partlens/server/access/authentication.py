"""Layers around every call: who asks, and whether they may."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

from partlens.server.access.caller import ANYONE, Caller
from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import split
from partlens.server.calls.call import Call
from partlens.server.errors import UnauthenticatedError

_HEADER, _SCHEME = "authorization", "bearer "


class Authentication:
    """Finds out who asks.

    Args:
        tokens: those that are let in; None lets anyone in.
    """

    def __init__(self, tokens: TokenFile | None) -> None:
        self._tokens = tokens

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Sets the call's caller.

        Raises:
            UnauthenticatedError: no token, or one that is not valid.
            TokenFileError: the tokens cannot be read; nobody is let in.
        """
        call.caller = self._caller(call)

        def require_allowed() -> None:
            self._caller(call).require_scope(call.method)

        call.require_allowed = require_allowed
        yield

    def _caller(self, call: Call) -> Caller:
        if self._tokens is None:
            return ANYONE
        given = call.metadata.get(_HEADER, "")
        if not given.lower().startswith(_SCHEME):
            raise UnauthenticatedError(
                "this server needs a token: send the metadata `authorization: Bearer TOKEN`"
                " (partlens: --token-file or PARTLENS_TOKEN)"
            )
        id, secret = split(given[len(_SCHEME) :].strip())
        token = self._tokens.read().get(id)
        # One answer for all that is wrong, so that ids cannot be found by trying.
        if token is None or not token.matches(secret) or token.expired(datetime.now(UTC)):
            raise UnauthenticatedError(
                "this token is not valid here: it is unknown, revoked, expired or mistyped"
            )
        return token.caller


class Authorisation:
    """Lets only those on whose token has the scope that the method needs."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Raises ForbiddenError where it has not."""
        call.caller.require_scope(call.method)
        yield
