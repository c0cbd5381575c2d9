"""Layers around every call: authentication and authorisation."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import split
from partlens.server.caller.caller import ANYONE, Caller
from partlens.server.calls.call import Call
from partlens.server.errors import UnauthenticatedError

_HEADER, _SCHEME = "authorization", "bearer "


class Authentication:
    """Identifies the caller.

    Args:
        tokens: tokens that are accepted; None accepts anyone.
    """

    def __init__(self, tokens: TokenFile | None) -> None:
        self._tokens = tokens

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Sets the call's caller.

        Raises:
            UnauthenticatedError: the token is missing or invalid.
            TokenFileError: the token file cannot be read; all calls are refused.
        """
        call.caller = self.caller_of(call)

        def require_allowed() -> None:
            self.caller_of(call).require_scope(call.method)

        call.require_allowed = require_allowed
        yield

    def caller_of(self, call: Call) -> Caller:
        """Who makes a call; raises the errors of `around`."""
        if self._tokens is None:
            return ANYONE
        given = call.metadata.get(_HEADER, "")
        if not given.lower().startswith(_SCHEME):
            raise UnauthenticatedError(
                "this server needs a token: give --token-file or PARTLENS_TOKEN; from another"
                " client, send the metadata `authorization` with the scheme `Bearer`"
            )
        id, secret = split(given[len(_SCHEME) :].strip())
        token = self._tokens.read().get(id)
        # The same message for every cause, so that ids cannot be guessed by trial.
        if token is None or not token.matches(secret) or token.expired(datetime.now(UTC)):
            raise UnauthenticatedError("invalid token: it is unknown, revoked, expired or mistyped")
        return token.caller


class Authorisation:
    """Refuses callers without the scope that the method needs."""

    @contextmanager
    def around(self, call: Call) -> Iterator[None]:
        """Raises ForbiddenError if the token lacks the scope."""
        call.caller.require_scope(call.method)
        yield
