"""What is wrong with a server shows in its health, its metrics and `partlens health`."""

import asyncio
import inspect
from collections.abc import AsyncGenerator, Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from tests.server.audit.test_log import entries
from tests.server.audit.test_unwritable import is_healthy, wait_for_health
from tests.server.conftest import DEADLINE, Running, settings, upserts

from partlens.client import AccessError, AsyncClient, Credentials, UnavailableError
from partlens.client.channel import HEALTH_PARTS
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.following import Follower
from partlens.runtime import tasks
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.app import create_server
from partlens.server.audit import tally
from partlens.server.audit.verification import verify
from partlens.server.features.batcher import Batcher
from partlens.server.observe import watch
from partlens.server.observe.health import PARTS
from partlens.server.sharing.notices import GalleryNotices
from partlens.server.standing import sinks
from partlens.server.standing.matcher import Matcher
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub

Serve = Callable[..., Any]


def test_the_client_knows_every_part() -> None:
    assert tuple(HEALTH_PARTS) == PARTS


@pytest.fixture
async def serve(model: MetricModel, gallery: Gallery) -> AsyncGenerator[Serve]:
    """Starts a server with these settings."""
    stops = []

    async def started(**sections: dict[str, object]) -> Running:
        server = create_server(model, gallery, settings(**sections))
        address = f"127.0.0.1:{await server.start()}"
        channel = grpc.aio.insecure_channel(address)
        stops.append((server, channel))
        stubs = PartSearchServiceStub(channel), GalleryServiceStub(channel)
        return Running(server, address, channel, *stubs)

    yield started
    for server, channel in stops:
        await channel.close()
        await server.stop(0)


@pytest.mark.parametrize("harm", [lambda path: path.write_text("{broken"), Path.unlink])
async def test_a_broken_token_file_is_seen_without_a_call(
    harm: Callable[[Path], object], serve: Serve, tmp_path: Path
) -> None:
    path = tmp_path / "tokens.json"
    TokenFile(path).add(tokens.create("one", frozenset({"search"}))[0])
    whole = path.read_bytes()
    running = await serve(access={"tokens": path})
    await wait_for_health(running, True)
    harm(path)
    await wait_for_health(running, False)
    assert not await is_healthy(running, "partlens.tokens")
    unwell = running.server.metrics.registry.get_sample_value
    assert unwell("partlens_unwell", {"part": "partlens.tokens"}) == 1
    async with AsyncClient(running.address, DEADLINE) as client:
        with pytest.raises(UnavailableError, match="token file cannot be read"):
            await client.wait_until_ready(1)
    path.write_bytes(whole)
    await wait_for_health(running, True)
    assert unwell("partlens_unwell", {"part": "partlens.tokens"}) == 0


async def test_a_token_file_that_is_not_there_yet_is_no_fault(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "tokens.json"
    running = await serve(access={"tokens": path})
    await asyncio.sleep(1.5)  # the watch has looked
    assert await is_healthy(running) and await is_healthy(running, "partlens.tokens")
    made, text = tokens.create("first", frozenset({"search"}))
    TokenFile(path).add(made)
    async with AsyncClient(running.address, DEADLINE, Credentials(token=text)) as client:
        await client.get_gallery()


async def test_a_broken_chain_is_seen_at_the_start(serve: Serve, tmp_path: Path) -> None:
    running = await serve()
    await running.upload(upserts(2))
    await running.server.stop(0)
    path = tmp_path / "gallery.audit.jsonl"
    path.write_bytes(path.read_bytes().replace(b'"committed": ', b'"committed":  '))
    running = await serve()
    await wait_for_health(running, False, "partlens.audit.chain")
    assert await is_healthy(running)


async def test_a_log_that_was_moved_away_is_seen_without_a_call(
    filled: Running, tmp_path: Path
) -> None:
    path = tmp_path / "gallery.audit.jsonl"
    assert await is_healthy(filled, "partlens.audit.chain")
    path.rename(tmp_path / "gallery.audit.jsonl.1")
    await wait_for_health(filled, False, "partlens.audit.chain")
    assert await is_healthy(filled)
    await filled.server.rotate_audit_log()
    assert len(verify(path).files) == 3


async def fails(*arguments: object) -> None:
    raise ValueError("made to fail")


def fails_at_once(*arguments: object) -> None:
    raise ValueError("made to fail")


TASKS: dict[str, tuple[Any, str, dict[str, dict[str, object]]]] = {
    "matcher": (Matcher, "since", {}),
    "peers": (GalleryNotices, "listen", {"redis": {"url": "redis://127.0.0.1:1/0"}}),
    "webhook": (sinks, "_write", {"standing": {"webhook": "http://127.0.0.1:1/"}}),
    "redis": (sinks, "_write", {"redis": {"url": "redis://127.0.0.1:1/0"}}),
    "follower": (Follower, "_follow", {}),
    "tally": (tally.Tally, "write", {}),
    "watch": (TokenFile, "read", {"access": {"tokens": Path("tokens.json")}}),
    "verification": (watch, "verify", {}),
}


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_no_background_task_ends_unseen(
    serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    of, name, sections = TASKS[task]
    monkeypatch.setattr(tasks, "_FIRST_PAUSE", 0.2)
    monkeypatch.setattr(tally, "_SECONDS", 0.1)
    with monkeypatch.context() as patched:
        awaited = inspect.iscoroutinefunction(getattr(of, name))
        patched.setattr(of, name, fails if awaited else fails_at_once)
        running = await serve(**sections)
        if task == "matcher":
            with_one = await running.upload(upserts(1))
            assert with_one[0].HasField("committed")
        await wait_for_health(running, False, "partlens.tasks")
        assert not await is_healthy(running)
    if task != "follower":  # a thread is not started again
        await wait_for_health(running, True)


async def test_a_model_that_fails_keeps_no_one_waiting(
    filled: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Batcher, "_run", fails)
        call = filled.gallery.UpsertImages(iter(upserts(1)), timeout=2)
        with pytest.raises(grpc.aio.AioRpcError):
            [_ async for _ in call]
    request = upserts(1)
    assert (await filled.upload(request))[0].HasField("committed")


async def test_refusals_and_small_calls_are_recorded_and_a_flood_is_counted(
    serve: Serve, tmp_path: Path
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    made, text = tokens.create("gate", frozenset({"ingest"}))
    file.add(made)
    running = await serve(access={"tokens": file.path}, limits={"burst_calls": 1000})
    request, right = gallery_pb.GetGalleryRequest(), (("authorization", f"Bearer {text}"),)
    for number in range(60):
        with pytest.raises(grpc.aio.AioRpcError):
            await running.gallery.GetGallery(request, timeout=DEADLINE)
        await running.gallery.GetGallery(request, timeout=DEADLINE, metadata=right)
        if number < 20:
            call = running.gallery.UpsertImages(iter(()), timeout=DEADLINE, metadata=right)
            assert [_ async for _ in call] == []
    async with AsyncClient(running.address, DEADLINE, Credentials(token=text)) as client:
        with pytest.raises(AccessError):
            await client.delete_images(["p0"])
    await running.server.stop(0)
    path = tmp_path / "gallery.audit.jsonl"
    verify(path)
    counted: dict[tuple[str, str, str], int] = {}
    for entry in entries(path):
        key = (entry["method"], entry["outcome"], entry["name"])
        counted[key] = counted.get(key, 0) + entry.get("count", 1)
    assert counted == {
        ("GetGallery", "UNAUTHENTICATED", ""): 60,
        ("GetGallery", "OK", "gate"): 60,
        ("UpsertImages", "OK", "gate"): 20,
        ("DeleteImages", "PERMISSION_DENIED", "gate"): 1,
    }
    assert len(entries(path)) == 10 + 10 + 10 + 1 + 3
    assert entries(path)[-1]["peers"] == ["ipv4:127.0.0.1"]
    assert text not in path.read_text()


async def test_a_token_with_a_name_that_is_not_utf_8_is_served(
    serve: Serve, tmp_path: Path
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    made, text = tokens.create("caf\udce9", frozenset({"search"}))
    file.add(made)
    running = await serve(access={"tokens": file.path})
    async with AsyncClient(running.address, DEADLINE, Credentials(token=text)) as client:
        for _ in range(2):
            await asyncio.wait_for(client.get_gallery(), DEADLINE)
    assert entries(tmp_path / "gallery.audit.jsonl")[-1]["name"] == "caf\udce9"
