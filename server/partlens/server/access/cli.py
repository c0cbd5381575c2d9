"""`partlens token`."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import wraps
from pathlib import Path
from typing import Any, cast

import click

from partlens.common.gallery_names import RULE, is_gallery_name
from partlens.common.results import json_option, say_json, say_result
from partlens.common.tables import Table, say_table
from partlens.common.terminal import say
from partlens.common.text import is_one_line
from partlens.runtime.config.cli import clear_errors, load_or_fail
from partlens.runtime.config.options import config_options
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import Token
from partlens.server.caller.scopes import SCOPES, Scope
from partlens.server.errors import TokenFileError


def token_file(command: Callable[..., Any]) -> Callable[..., Any]:
    """--tokens, --config and --set, given to the command as the token file."""

    @click.option("--tokens", "path", help="Token file, instead of access.tokens.")
    @config_options
    @wraps(command)
    def with_file(
        path: str | None, file: Path | None, texts: tuple[str, ...], **options: Any
    ) -> Any:
        access = load_or_fail(file, texts, {"access": {"tokens": path}}).settings.access
        if access.tokens is None:
            raise click.UsageError("give --tokens FILE, or set access.tokens in partlens.toml")
        return command(TokenFile(access.tokens), **options)

    return with_file


@click.group()
def token() -> None:
    """Create, list and revoke access tokens. Changes apply to a running server immediately."""


@token.command()
@click.argument("name", required=False)
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(SCOPES),
    help="search, ingest (upload) or admin (delete); repeatable.",
)
@click.option(
    "--camera", "cameras", multiple=True, help="Restrict the token to this camera; repeatable."
)
@click.option(
    "--gallery",
    "galleries",
    multiple=True,
    help="Restrict the token to the gallery that it calls by this name; repeatable.",
)
@click.option(
    "--days",
    type=click.IntRange(1, 36_500),
    help="Days until it expires; by default never, or as many as the token that it replaces.",
)
@click.option(
    "--replaces",
    metavar="ID|NAME",
    help="Give it the rights and the standing queries of this token, which then expires.",
)
@click.option(
    "--grace-hours",
    type=click.IntRange(0, 8760),
    default=24,
    show_default=True,
    help="With --replaces, hours until the old token expires; 0 revokes it at once.",
)
@json_option
@token_file
def create(
    file: TokenFile,
    name: str | None,
    scopes: tuple[str, ...],
    cameras: tuple[str, ...],
    galleries: tuple[str, ...],
    days: int | None,
    replaces: str | None,
    grace_hours: int,
    as_json: bool,
) -> None:
    """Create a token for NAME and print it once. Only a hash of it is stored.

    With --replaces, NAME is that of the old token by default. Both work until the old one expires.
    """
    if replaces is not None:
        if scopes or cameras or galleries:
            raise click.UsageError(
                "--replaces keeps scopes, cameras and galleries; for other rights, create a token"
                " without it and revoke the old one"
            )
        _replace(file, name, replaces, days, grace_hours, as_json=as_json)
        return
    if name is None or not scopes:
        raise click.UsageError("give NAME and --scope, or --replaces")
    for one in galleries:
        if not is_gallery_name(one):
            raise click.BadParameter(f"{one!r} is not a name of a gallery: {RULE}")
    made, text = tokens.create(
        name,
        frozenset(cast("tuple[Scope, ...]", scopes)),
        frozenset(cameras),
        _after(days),
        frozenset(galleries),
    )
    with clear_errors():
        _require_line(name)
        new = not file.path.exists()
        file.add(made)
    if new:
        say(f"created the token file {file.path}", err=True)
    _say_once(file, made, text, as_json=as_json)


def _replace(
    file: TokenFile,
    name: str | None,
    called: str,
    days: int | None,
    grace_hours: int,
    *,
    as_json: bool,
) -> None:
    with clear_errors():
        file.require_exists()
        if name is not None:
            _require_line(name)
        old = file.replaced(called)
        ends = _now() + (old.expires_at - old.created_at) if old.expires_at else None
        made, text = tokens.successor(old, _after(days) or ends, name)
        old = file.replace(made, _now() + timedelta(hours=grace_hours))
    ending = "is revoked" if grace_hours == 0 else f"expires at {old.expires_at:%Y-%m-%d %H:%M} UTC"
    say(f"token {old.id} of {old.name} {ending}", err=True)
    _say_once(file, made, text, as_json=as_json)


def _say_once(file: TokenFile, made: Token, text: str, *, as_json: bool) -> None:
    say(
        f"token {made.id} for {made.name}; {file.path} has only its hash, so save this text:",
        err=True,
    )
    say_result({**_shown(made), "token": text}, text, as_json=as_json)


def _after(days: int | None) -> datetime | None:
    return _now() + timedelta(days=days) if days else None


def _now() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)


def _require_line(name: str) -> None:
    if not is_one_line(name):
        raise TokenFileError(f"the name {name!r} must be one line of text")


@token.command("list")
@json_option
@token_file
def list_tokens(file: TokenFile, as_json: bool) -> None:
    """List the tokens, without their secrets."""
    with clear_errors():
        file.require_exists()
        found = sorted(file.read().values(), key=lambda token: token.created_at)
    if as_json:
        say_json([_shown(token) for token in found])
        return
    confined = any(one.galleries for one in found)
    rotated = any(one.replaces for one in found)
    more = (*(("galleries",) if confined else ()), *(("replaces",) if rotated else ()))
    table = Table("id", "name", "scopes", "cameras", *more, "created", "expires")
    for one in found:
        table.add_row(
            one.id,
            one.name,
            ", ".join(sorted(one.scopes)),
            ", ".join(sorted(one.cameras)) or "all",
            *((", ".join(sorted(one.galleries)) or "all",) if confined else ()),
            *((one.replaces,) if rotated else ()),
            f"{one.created_at:%Y-%m-%d}",
            f"{one.expires_at:%Y-%m-%d}" if one.expires_at else "never",
        )
    say_table(table)


@token.command()
@click.argument("id")
@json_option
@token_file
def revoke(file: TokenFile, id: str, as_json: bool) -> None:
    """Revoke the token with this ID. Its next call is refused."""
    with clear_errors():
        file.require_exists()
        gone = file.remove(id)
    say(f"token {gone.id} of {gone.name} is revoked", err=True)
    if as_json:
        say_json(_shown(gone))


def _shown(token: Token) -> dict[str, object]:
    secret = ("salt", "digest")
    return {key: value for key, value in token.to_json().items() if key not in secret}
