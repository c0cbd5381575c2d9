"""A token that replaces another: the same rights, the same standing queries, and no gap."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.server.audit.test_log import entries
from tests.server.conftest import DEADLINE, picture, settings

from partlens.client import AccessError, AsyncClient, Box, Credentials, QueryRegion
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.cli import token as token_command
from partlens.server.access.token_file import TokenFile
from partlens.server.app import create_server
from partlens.server.audit.log import beside
from partlens.server.audit.verification import verify

REGION = [QueryRegion(Box(4, 2, 25, 20))]


@pytest.fixture
def file(tmp_path: Path) -> TokenFile:
    return TokenFile(tmp_path / "tokens.json")


def run(file: TokenFile, *arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(token_command, [*arguments, "--tokens", str(file.path)])
    assert result.exit_code == code, result.output
    return result


def created(file: TokenFile, *arguments: str) -> str:
    """The text of a new token."""
    return run(file, "create", *arguments).stdout.strip()


def id_of(text: str) -> str:
    return tokens.split(text)[0]


async def until(holds: Callable[[], object]) -> None:
    end = time.monotonic() + DEADLINE
    while not holds():
        assert time.monotonic() < end, "it did not come to hold"
        await asyncio.sleep(0.02)


@pytest.fixture
async def address(model: MetricModel, gallery: Gallery, file: TokenFile) -> AsyncIterator[str]:
    created(file, "first", "--scope", "search")
    server = create_server(model, gallery, settings(access={"tokens": file.path}))
    yield f"127.0.0.1:{await server.start()}"
    await server.stop(0)


def client(address: str, text: str) -> AsyncClient:
    return AsyncClient(address, DEADLINE, Credentials(token=text))


async def test_both_work_until_the_old_one_expires_and_own_the_same_queries(
    address: str, file: TokenFile, gallery: Gallery
) -> None:
    old = created(file, "desk", "--scope", "search", "--camera", "a", "--camera", "b")
    async with client(address, old) as before:
        made = await before.create_standing_query("q", [picture(1)], REGION, 0.5)
        caller = (await before.get_gallery()).caller
    new = created(file, "--replaces", "desk")
    newest = created(file, "--replaces", id_of(new), "--grace-hours", "0")
    async with client(address, newest) as after:
        assert (await after.get_gallery()).caller == caller
        assert [one.id for one in await after.list_standing_queries()] == [made.id]
        other = await after.create_standing_query("r", [picture(2)], REGION, 0.5)
    async with client(address, old) as before:
        found = await before.list_standing_queries()
        assert {one.id for one in found} == {made.id, other.id}
    async with client(address, new) as between:
        with pytest.raises(AccessError):
            await between.get_gallery()
    async with client(address, created(file, "x", "--scope", "search")) as stranger:
        assert not await stranger.list_standing_queries()
    log = beside(gallery.path)
    # The last of the changes.
    await until(lambda: any("event" in one and one.get("name") == "x" for one in entries(log)))
    lines = [one for one in entries(log) if str(one.get("event", "")).startswith("token ")]
    said = {(one["event"], one["token"], one.get("replaces")) for one in lines}
    assert ("token replaced", id_of(newest), id_of(new)) in said
    assert {one["token"] for one in lines} >= {id_of(old), id_of(newest)}
    assert old not in log.read_text() and newest not in log.read_text()
    assert verify(log).entries == len(entries(log))


def test_rights_and_lifetime_are_those_of_the_old_token(file: TokenFile) -> None:
    old = created(
        file, "gate", "--scope", "ingest", "--scope", "search", "--camera", "a", "--gallery", "g",
        "--days", "90",
    )  # fmt: skip
    told = run(file, "create", "--replaces", id_of(old), "--grace-hours", "2")
    kept = TokenFile(file.path).read()
    before, after = kept[id_of(old)], kept[id_of(told.stdout.strip())]
    for same in ("name", "scopes", "cameras", "galleries"):
        assert getattr(before, same) == getattr(after, same)
    now = datetime.now(UTC)
    assert after.expires_at and timedelta(89) < after.expires_at - now <= timedelta(90)
    assert before.expires_at and before.expires_at <= now + timedelta(hours=2)
    assert f"token {before.id} of gate expires at" in told.stderr
    assert "replaces" in run(file, "list").stdout
    (listed,) = [one for one in json.loads(run(file, "list", "--json").stdout) if "replaces" in one]
    assert (listed["replaces"], listed["first"]) == (before.id, before.id)


def test_a_grace_time_does_not_lengthen_a_life(file: TokenFile) -> None:
    old = created(file, "gate", "--scope", "ingest", "--days", "1")
    ends = TokenFile(file.path).read()[id_of(old)].expires_at
    created(file, "other name", "--replaces", "gate", "--grace-hours", "8760", "--days", "30")
    kept = TokenFile(file.path).read()
    assert kept[id_of(old)].expires_at == ends
    assert {one.name for one in kept.values()} == {"gate", "other name"}


def test_mistakes_are_named_and_change_nothing(file: TokenFile) -> None:
    old = created(file, "gate", "--scope", "ingest")
    new = id_of(created(file, "--replaces", "gate"))
    before = file.path.read_bytes()
    told = run(file, "create", "--replaces", id_of(old), code=1).stderr
    assert f"was replaced by {new}; replace that one" in told
    assert "has no token 'gat'" in run(file, "create", "--replaces", "gat", code=1).stderr
    told = run(file, "create", "--replaces", "gate", "--scope", "admin", code=2).stderr
    assert "keeps scopes, cameras and galleries" in told
    assert "give NAME and --scope" in run(file, "create", "n", code=2).stderr
    assert file.path.read_bytes() == before
    other = id_of(created(file, "gate", "--scope", "search"))
    told = run(file, "create", "--replaces", "gate", code=1).stderr
    assert "several tokens are called 'gate'" in told and new in told and other in told
    missing = TokenFile(file.path.with_name("none.json"))
    assert "does not exist" in run(missing, "create", "--replaces", "a", code=1).stderr
