"""The token file: written by `partlens token`, read by a running server."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from partlens.common import strict_json
from partlens.common.durable import locked, make_folder, write_atomically
from partlens.server.access.tokens import Token
from partlens.server.errors import TokenFileError, UnknownTokenError

_FORMAT, _WITH_GALLERIES = 1, 2
"""Formats; the second has tokens that are restricted to galleries, which versions that read only
the first would ignore."""


class TokenFile:
    """Tokens by id. A missing file means no tokens, unless it was there before.

    Reading an unchanged file costs one stat, so every call reads it and a revoked token is refused
    at the next call. If the file cannot be read, every call is refused.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._stamp: tuple[int, ...] = ()
        self._tokens: Mapping[str, Token] = {}

    def read(self) -> Mapping[str, Token]:
        """The current tokens.

        Raises:
            TokenFileError: the file is damaged, cannot be read, or has disappeared.
        """
        try:
            state = self.path.stat()
        except FileNotFoundError:
            if not self._stamp:
                return {}
            raise TokenFileError(
                f"{self.path} has disappeared, so every token is refused; restore it, or make new"
                " tokens with `partlens token create`"
            ) from None
        except OSError as error:
            raise TokenFileError(f"{self.path} cannot be read: {error.strerror}") from error
        stamp = (state.st_mtime_ns, state.st_ino, state.st_size)
        if stamp != self._stamp:
            self._tokens = _parsed(self.path)
            self._stamp = stamp
        return self._tokens

    def require_exists(self) -> None:
        """Raises TokenFileError if there is no file, for commands that should not make one."""
        if not self.path.exists():
            raise TokenFileError(
                f"{self.path} does not exist; check the path, or make the file with `partlens token"
                " create`"
            )

    def add(self, token: Token) -> None:
        """Adds a token; raises TokenFileError as read does."""
        with self._changing() as tokens:
            tokens[token.id] = token

    def replaced(self, called: str) -> Token:
        """The token that a new one may replace, by its id or its name.

        Raises:
            TokenFileError: there is none, there are several, it has been replaced already, or the
                file cannot be read.
        """
        return _replaceable(self.read(), called, self.path)

    def replace(self, new: Token, until: datetime) -> Token:
        """Adds a token, and lets the one that it replaces expire; returns that one.

        Args:
            until: when the old token expires, unless it does before. A time that has passed revokes
                it at once.

        Raises:
            TokenFileError: as `replaced` does.
        """
        with self._changing() as tokens:
            old = _replaceable(tokens, new.replaces, self.path)
            ends = min(until, old.expires_at) if old.expires_at else until
            tokens[new.id] = new
            tokens[old.id] = old = replace(old, expires_at=ends)
            if old.expired(datetime.now(UTC)):
                del tokens[old.id]
        return old

    def remove(self, id: str) -> Token:
        """Removes a token and returns it.

        Raises:
            UnknownTokenError: there is no token with this id.
            TokenFileError: the file cannot be read.
        """
        with self._changing() as tokens:
            if id not in tokens:
                raise UnknownTokenError(
                    f"{self.path} has no token {id!r}; see `partlens token list`"
                )
            return tokens.pop(id)

    @contextmanager
    def _changing(self) -> Iterator[dict[str, Token]]:
        try:
            make_folder(self.path.parent)
            with locked(Path(f"{self.path}.lock")):
                tokens = dict(self.read())
                yield tokens
                confined = any(token.galleries for token in tokens.values())
                format = _WITH_GALLERIES if confined else _FORMAT
                plain = {"format": format, "tokens": [t.to_json() for t in tokens.values()]}
                write_atomically(self.path, json.dumps(plain, indent=1) + "\n", mode=0o600)
        except OSError as error:
            raise TokenFileError(f"{self.path} cannot be changed: {error.strerror}") from error


def _replaceable(tokens: Mapping[str, Token], called: str, path: Path) -> Token:
    later = {one.replaces: one.id for one in tokens.values() if one.replaces}
    if called in tokens:
        if called in later:
            raise TokenFileError(
                f"token {called} was replaced by {later[called]}; replace that one"
            )
        return tokens[called]
    named = [one for one in tokens.values() if one.name == called and one.id not in later]
    if len(named) == 1:
        return named[0]
    if not named:
        raise UnknownTokenError(f"{path} has no token {called!r}; see `partlens token list`")
    ids = ", ".join(sorted(one.id for one in named))
    raise TokenFileError(f"several tokens are called {called!r}: give the id of one, {ids}")


def _parsed(path: Path) -> dict[str, Token]:
    try:
        plain = strict_json.loads(path.read_bytes())
        if plain["format"] not in (_FORMAT, _WITH_GALLERIES):
            raise TokenFileError(
                f"{path} has format {plain['format']}; this version reads formats {_FORMAT} and"
                f" {_WITH_GALLERIES}"
            )
        tokens = [Token.from_json(one) for one in plain["tokens"]]
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise TokenFileError(f"{path} is not a valid token file: {error}") from error
    by_id = {token.id: token for token in tokens}
    if len(by_id) < len(tokens):
        raise TokenFileError(f"{path} has two tokens with the same id; remove one")
    return by_id
