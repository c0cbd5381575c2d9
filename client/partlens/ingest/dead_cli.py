"""`partlens ingest dead`: what became of entries that could not be added."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from pathlib import Path

import click

from partlens.common.results import json_option, say_json
from partlens.common.tables import Table, say_table
from partlens.common.terminal import say
from partlens.ingest.connected import with_stream
from partlens.ingest.dead import DeadLetters, Letter, require_id
from partlens.ingest.stream import IngestStream
from partlens.runtime.config.cli import load_or_fail
from partlens.runtime.config.options import config_options


@click.group()
def dead() -> None:
    """List, inspect, retry and delete dead letters: entries that could not become an image."""


_reason = click.option("--reason", help="Only letters with this reason, such as IMAGE_INVALID.")


def _chosen(command: Callable[..., None]) -> Callable[..., None]:
    """IDS, --all and --reason, with --json and the settings."""
    command = _reason(json_option(config_options(command)))
    command = click.option("--all", "every", is_flag=True, help="All of them, instead of IDS.")(
        command
    )
    return click.argument("ids", nargs=-1)(command)


@dead.command("list")
@_reason
@click.option(
    "--limit",
    type=click.IntRange(1),
    default=100,
    show_default=True,
    help="Most letters to print, the oldest first.",
)
@json_option
@config_options
def list_letters(
    file: Path | None, texts: tuple[str, ...], reason: str | None, limit: int, as_json: bool
) -> None:
    """List dead letters: when, why, and which picture."""
    settings = load_or_fail(file, texts).settings

    async def read(stream: IngestStream) -> tuple[list[Letter], bool]:
        found = list[Letter]()
        async for one in stream.dead_letters.all(reason):
            if len(found) == limit:
                return found, True
            found.append(one)
        return found, False

    found, more = with_stream(settings, read)
    if as_json:
        say_json([one.to_json() for one in found])
    elif found:
        table = Table("id", "at", "reason", "image", "camera", "bytes", "message")
        for one in found:
            source, size = one.source, one.picture_bytes
            image, camera = source.get("id", "?"), source.get("camera", "")
            bytes_ = "no picture" if size is None else str(size)
            table.add_row(one.id, one.at, one.reason, image, camera, bytes_, one.message)
        say_table(table)
    else:
        say("There are no dead letters.", err=True)
    if more:
        say(f"These are the oldest {limit}; --limit prints more.", err=True)


@dead.command()
@click.argument("id")
@click.option(
    "--picture",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Also write its picture to this new file, as the producer sent it.",
)
@json_option
@config_options
def show(
    file: Path | None, texts: tuple[str, ...], id: str, picture: Path | None, as_json: bool
) -> None:
    """Show the dead letter with this ID, and save its picture."""
    settings = load_or_fail(file, texts).settings

    async def read(stream: IngestStream) -> tuple[Letter, bytes | None]:
        letters = stream.dead_letters
        return await letters.one(id), await letters.picture(id) if picture else None

    letter, data = with_stream(settings, read)
    if as_json:
        say_json(letter.to_json())
    else:
        for name, value in letter.to_json().items():
            if name != "source":
                say(f"{name}: {'no picture' if value is None else value}")
    if picture is None:
        return
    if data is None:
        raise click.ClickException(f"letter {id} has no picture")
    try:
        with picture.open("xb") as opened:
            opened.write(data)
    except FileExistsError:
        raise click.ClickException(f"{picture} exists; name a new file") from None
    except OSError as error:
        raise click.ClickException(f"{picture} cannot be written: {error.strerror}") from error
    say(f"wrote its picture to {picture}", err=True)


@dead.command()
@_chosen
def retry(
    file: Path | None,
    texts: tuple[str, ...],
    ids: tuple[str, ...],
    every: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Move dead letters back to the stream, once the cause is fixed.

    Each is moved once, whoever else does the same. It stops while the stream holds ingest.waiting
    entries.
    """
    settings = load_or_fail(file, texts).settings

    async def move(letters: DeadLetters, id: str) -> str:
        done = await letters.retry(id, settings.ingest.waiting)
        if done == "full":
            raise _FullError
        return done

    _report("moved", as_json, with_stream(settings, _each(ids, every, reason, move)))


@dead.command()
@_chosen
def drop(
    file: Path | None,
    texts: tuple[str, ...],
    ids: tuple[str, ...],
    every: bool,
    reason: str | None,
    as_json: bool,
) -> None:
    """Delete dead letters with their pictures. They cannot be restored."""
    settings = load_or_fail(file, texts).settings

    async def delete(letters: DeadLetters, id: str) -> str:
        return "dropped" if await letters.drop(id) else "absent"

    _report("dropped", as_json, with_stream(settings, _each(ids, every, reason, delete)))


class _FullError(Exception):
    """The ingest stream holds all that it may."""


Outcomes = dict[str, str]
"""What became of each letter, by id; a letter that was not reached is "full"."""


def _each(
    ids: Sequence[str],
    every: bool,
    reason: str | None,
    do: Callable[[DeadLetters, str], Awaitable[str]],
) -> Callable[[IngestStream], Awaitable[Outcomes]]:
    if bool(ids) + (every or reason is not None) != 1:
        raise click.UsageError("give IDs of dead letters, or --all, or --reason")

    async def work(stream: IngestStream) -> Outcomes:
        for id in ids:
            require_id(id)
        letters = stream.dead_letters
        wanted = ids or [one.id async for one in letters.all(reason)]
        outcomes = dict.fromkeys(wanted, "full")
        with suppress(_FullError):
            for id in wanted:
                outcomes[id] = await do(letters, id)
        return outcomes

    return work


_PROBLEMS = {
    "full": "not moved, since the stream holds ingest.waiting entries: run this again later",
    "absent": "not there: retried or dropped meanwhile, or mistyped",
    "empty": "without an event and a picture, so there is nothing to retry: drop them",
}


def _report(good: str, as_json: bool, outcomes: Outcomes) -> None:
    """Say what became of the letters; exit 1 unless all is well."""
    if as_json:
        say_json(outcomes)
    say(f"{list(outcomes.values()).count(good)} {good}", err=as_json)
    wrong = {kind: [id for id in outcomes if outcomes[id] == kind] for kind in _PROBLEMS}
    problems = [
        f"{len(found)} {_PROBLEMS[kind]} ({', '.join(found[:5])}{', ...' if found[5:] else ''})"
        for kind, found in wrong.items()
        if found
    ]
    if problems:
        raise click.ClickException("\n".join(problems))
