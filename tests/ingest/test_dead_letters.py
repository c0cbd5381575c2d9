"""Dead letters: nothing is lost, nothing goes back twice, and everything about them can be seen."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis_server import RedisServer

from partlens.ingest.cli import ingest
from partlens.ingest.errors import LetterError
from partlens.ingest.event import IngestEvent
from partlens.ingest.stream import Entry, IngestStream

Run = Callable[..., Awaitable[Result]]


async def bury(stream: IngestStream, *ids: str, reason: str = "IMAGE_INVALID") -> list[Entry]:
    """Dead letters of these images, as a worker makes them."""
    for id in ids:
        await stream.push(IngestEvent(id=id, camera="gate"), b"picture of " + id.encode())
    held = list[Entry]()
    while len(held) < len(ids):
        held += await stream.read(0.1)
    for entry in held:
        await stream.bury(entry, reason, f"cannot be used: {entry.id.decode()}")
    return held


async def letters(stream: IngestStream, reason: str | None = None) -> list[str]:
    """Ids of the images of the letters."""
    return [one.source["id"] async for one in stream.dead_letters.all(reason)]


@pytest.fixture
def run(redis_server: RedisServer, tmp_path: Path) -> Run:
    """Runs `partlens ingest dead`, on a thread since it has an event loop of its own."""
    values = redis_server.values | {"prefix": tmp_path.name}
    given = [f"--set=redis.{key}={value}" for key, value in values.items()]

    async def called(*arguments: str) -> Result:
        return await asyncio.to_thread(
            CliRunner().invoke, ingest, ["dead", *arguments, *given, "--set=ingest.waiting=50"]
        )

    return called


async def test_a_letter_is_whole_and_goes_back_as_it_came(stream: IngestStream) -> None:
    (entry,) = await bury(stream, "a")
    (letter,) = [one async for one in stream.dead_letters.all()]
    assert (letter.reason, letter.entry) == ("IMAGE_INVALID", entry.id.decode())
    assert letter.source == {"id": "a", "camera": "gate"}
    assert letter.picture_bytes == len(entry.fields[b"image"])
    assert await stream.dead_letters.picture(letter.id) == entry.fields[b"image"]
    assert await stream.dead_letters.one(letter.id) == letter
    assert await stream.dead_letters.retry(letter.id, 50) == "moved"
    assert (await stream.lag()).dead == 0
    (again,) = await stream.read(0.1)
    assert again.fields == entry.fields


async def test_a_letter_goes_back_once_however_many_ask(stream: IngestStream) -> None:
    await bury(stream, *map(str, range(20)))
    ids = [one.id async for one in stream.dead_letters.all()]
    asked = [stream.dead_letters.retry(id, 50) for id in ids for _ in range(5)]
    outcomes = await asyncio.gather(*asked)
    assert outcomes.count("moved") == 20 and outcomes.count("absent") == 80
    lag = await stream.lag()
    assert (lag.waiting, lag.dead) == (20, 0)


async def test_pages_hold_every_letter_once_and_end_though_one_dies_again(
    stream: IngestStream,
) -> None:
    names = [f"{i:02}" for i in range(25)]
    await bury(stream, *names)
    seen = list[str]()
    async for one in stream.dead_letters.all():
        seen.append(one.source["id"])
        await stream.dead_letters.retry(one.id, 50)
        for entry in await stream.read(0.1):
            await stream.bury(entry, "IMAGE_INVALID", "again")
    assert seen == names
    assert await letters(stream) == names
    assert await letters(stream, "OTHER") == []


async def test_a_full_stream_takes_no_letter_and_none_is_lost(
    stream: IngestStream, run: Run
) -> None:
    await bury(stream, "a", "b", "c")
    for number in range(49):
        await stream.push(IngestEvent(id=f"w{number}"), b"x")
    told = await run("retry", "--all")
    assert told.exit_code == 1 and "1 moved" in told.stdout
    assert "2 not moved, since the stream holds ingest.waiting" in told.stderr
    lag = await stream.lag()
    assert (lag.waiting, lag.dead) == (50, 2)


async def test_the_commands_list_show_retry_and_drop(
    stream: IngestStream, run: Run, tmp_path: Path
) -> None:
    assert "no dead letters" in (await run("list")).stderr
    await bury(stream, "a", "b")
    await bury(stream, "c\x1b[2J", reason="FORBIDDEN")
    listed = json.loads((await run("list", "--json")).stdout)
    assert [one["source"]["id"] for one in listed] == ["a", "b", "c\x1b[2J"]
    first, _, third = (one["id"] for one in listed)
    table = await run("list", "--limit", "1", "--reason", "FORBIDDEN")
    # A message names the id of an entry, which may be that of another stream's letter.
    rows = [line.split("│") for line in table.stdout.splitlines() if line.startswith("│")]
    assert [row[1].strip() for row in rows] == [third] and "\x1b" not in table.stdout
    assert "oldest 2" in (await run("list", "--limit", "2")).stderr

    file = tmp_path / "a.jpg"
    shown = await run("show", first, "--picture", str(file))
    assert shown.exit_code == 0 and file.read_bytes() == b"picture of a"
    assert "reason: IMAGE_INVALID" in shown.stdout and '"camera":"gate"' in shown.stdout
    again = await run("show", first, "--picture", str(file))
    assert again.exit_code == 1 and "exists; name a new file" in again.stderr

    assert json.loads((await run("retry", first, "--json")).stdout) == {first: "moved"}
    gone = await run("retry", first)
    assert gone.exit_code == 1 and "retried or dropped meanwhile" in gone.stderr
    assert json.loads((await run("drop", "--reason", "FORBIDDEN", "--json")).stdout) == {
        third: "dropped"
    }
    assert await letters(stream) == ["b"] and (await stream.lag()).waiting == 1
    assert (await run("drop", "--all")).stdout == "1 dropped\n"


async def test_mistakes_change_nothing(stream: IngestStream, run: Run) -> None:
    await bury(stream, "a")
    for arguments in (("retry",), ("drop",), ("drop", "1-0", "--all")):
        told = await run(*arguments)
        assert told.exit_code == 2 and "give IDs of dead letters" in told.stderr
    whole = (await anext(stream.dead_letters.all())).id
    # Redis would take the last two for ids of letters.
    for id in ("1767", "+", whole.partition("-")[0]):
        for command in ("show", "retry", "drop"):
            told = await run(command, id)
            assert told.exit_code == 1 and "is not the id of a dead letter" in told.stderr
    with pytest.raises(LetterError, match="there is no dead letter"):
        await stream.dead_letters.one("1-0")
    assert await letters(stream) == ["a"]


async def test_a_letter_without_event_and_picture_stays_until_it_is_dropped(
    stream: IngestStream, run: Run, redis_server: RedisServer
) -> None:
    with redis_server.client as client:
        client.xadd(stream.name, {"other": b"\xff"})
    (entry,) = await stream.read(0.1)
    await stream.bury(entry, "ENTRY_MALFORMED", "it has no field 'event'")
    told = await run("retry", "--all")
    assert told.exit_code == 1 and "nothing to retry" in told.stderr
    listed = await run("list")
    assert "no picture" in listed.stdout and "?" in listed.stdout
    assert (await stream.lag()).dead == 1
