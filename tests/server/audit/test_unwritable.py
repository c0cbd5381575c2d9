"""A log that cannot be written: nothing is answered, and nothing is changed without its record."""

import asyncio
import os
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tests.server.audit.test_log import asked, entries, opened
from tests.server.conftest import DEADLINE, Running, upserts

from partlens.server.audit.log import AuditLog
from partlens.server.audit.verification import verify
from partlens.server.errors import AuditError
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub

SERVING = health_pb2.HealthCheckResponse.SERVING


@contextmanager
def full_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The disk takes nothing more into this file; other files are on another disk."""
    sync = os.fsync

    def refusing(file: int) -> None:
        if Path(os.readlink(f"/proc/self/fd/{file}")).name.startswith((path.name, f".{path.name}")):
            raise OSError(28, "No space left on device")
        sync(file)

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", refusing)
        yield


@contextmanager
def refused() -> Iterator[None]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        yield
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert "audit log" in (caught.value.details() or "")


async def is_healthy(running: Running, part: str = "") -> bool:
    stub: Any = health_pb2_grpc.HealthStub(running.channel)
    request = health_pb2.HealthCheckRequest(service=part)
    return bool((await stub.Check(request, timeout=DEADLINE)).status == SERVING)


async def wait_for_health(running: Running, wanted: bool, part: str = "") -> None:
    async with asyncio.timeout(DEADLINE):
        while await is_healthy(running, part) != wanted:
            await asyncio.sleep(0.05)


async def test_nothing_is_changed_without_its_record(
    filled: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "gallery.audit.jsonl"
    standing = StandingQueryServiceStub(filled.channel)
    create = standing_pb.CreateStandingQueryRequest(
        images=asked().images, regions=asked().regions, threshold=1.0
    )
    kept = (await standing.CreateStandingQuery(create, timeout=DEADLINE)).standing_query.id
    get = gallery_pb.GetImageRequest(id="p000")
    before = await filled.gallery.GetImage(get, timeout=DEADLINE)
    version = (await filled.search.SearchRegions(asked(), timeout=DEADLINE)).gallery_version
    replacement = upserts(2)[1]
    replacement.id = "p000"
    with full_disk(path, monkeypatch):
        with refused():
            await filled.search.SearchRegions(asked(), timeout=DEADLINE)
        with refused():
            delete = gallery_pb.DeleteImagesRequest(ids=["p000", "p001"])
            await filled.gallery.DeleteImages(delete, timeout=DEADLINE)
        with refused():
            await filled.upload([replacement])
        with refused():
            await standing.CreateStandingQuery(create, timeout=DEADLINE)
        with refused():
            request = standing_pb.DeleteStandingQueryRequest(id=kept)
            await standing.DeleteStandingQuery(request, timeout=DEADLINE)
        with refused():
            change = standing_pb.UpdateStandingQueryRequest(id=kept, paused=True)
            await standing.UpdateStandingQuery(change, timeout=DEADLINE)
        await wait_for_health(filled, False)
        assert not await is_healthy(filled, "partlens.audit")
    # It recovers without a call, so that a load balancer may send calls again.
    await wait_for_health(filled, True)
    assert entries(path)[-1]["event"] == "could not be written"
    found = await filled.search.SearchRegions(asked(), timeout=DEADLINE)
    assert found.gallery_version == version
    assert await filled.gallery.GetImage(get, timeout=DEADLINE) == before
    listed = await standing.ListStandingQueries(
        standing_pb.ListStandingQueriesRequest(), timeout=DEADLINE
    )
    assert [(one.id, one.paused) for one in listed.standing_queries] == [(kept, False)]
    assert not verify(path).unfinished


async def test_a_change_whose_caller_left_has_its_outcome(filled: Running, tmp_path: Path) -> None:
    """The caller goes away at some moment of the change; the record says what happened."""
    path = tmp_path / "gallery.audit.jsonl"
    for number in range(10):
        delete = gallery_pb.DeleteImagesRequest(ids=[f"p{number:03}"])
        call = filled.gallery.DeleteImages(delete, timeout=DEADLINE)
        await asyncio.sleep(number / 200)
        call.cancel()
    async with asyncio.timeout(DEADLINE):
        while verify(path).unfinished:
            await asyncio.sleep(0.05)
    listed = await filled.gallery.ListImages(gallery_pb.ListImagesRequest(), timeout=DEADLINE)
    recorded = sum(entry.get("deleted", 0) for entry in entries(path))
    assert recorded == 12 - len(listed.images)


async def test_a_change_without_an_outcome_is_shown(tmp_path: Path) -> None:
    path = tmp_path / "log"
    log = opened(path)
    call = {"request": "r1", "method": "DeleteImages"}
    await log.append({**call, "outcome": "BEGUN"})
    second = await log.append({**call, "request": "r2", "outcome": "BEGUN"})
    await log.append({**call, "request": "r2", "outcome": "OK", "begun": second})
    await log.close()
    (unfinished,) = verify(path).unfinished
    assert unfinished.startswith("entry 1, DeleteImages of request r1")


class Unwritable:
    """A value that no log can hold."""


@pytest.mark.parametrize("value", [Unwritable(), {1: {2}}, b"bytes"])
async def test_an_entry_that_cannot_be_written_stops_no_other(tmp_path: Path, value: Any) -> None:
    log = opened(tmp_path / "log")
    wrong = log.append({"value": value})
    right = [log.append({"n": i, "name": "caf\udce9"}) for i in range(3)]
    results = await asyncio.wait_for(
        asyncio.gather(right[0], wrong, *right[1:], return_exceptions=True), DEADLINE
    )
    assert isinstance(results[1], AuditError)
    assert [results[0], *results[2:]] == [1, 2, 3]
    await log.close()
    assert {entry["name"] for entry in entries(tmp_path / "log")} == {"caf\udce9"}


async def test_any_exception_of_the_writer_fails_its_entries_and_no_later_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    troubles = list[str | None]()
    log = AuditLog(tmp_path / "log", tell=troubles.append)
    log.open()
    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", lambda file: 1 / 0)
        with pytest.raises(AuditError, match="ZeroDivisionError"):
            await asyncio.wait_for(log.append({"n": 0}), DEADLINE)
    await asyncio.wait_for(log.append({"n": 1}), DEADLINE)
    await log.close()
    assert len(troubles) == 2 and troubles[1] is None
    assert [entry["n"] for entry in entries(tmp_path / "log") if "n" in entry] == [1]
    assert verify(tmp_path / "log").torn_bytes == 0


@pytest.fixture
async def log(tmp_path: Path) -> AsyncGenerator[AuditLog]:
    made = opened(tmp_path / "log")
    yield made
    await made.close()


async def test_an_entry_after_the_close_is_refused(log: AuditLog) -> None:
    await log.append({"n": 0})
    await log.close()
    with pytest.raises(AuditError):
        await asyncio.wait_for(log.append({"n": 1}), DEADLINE)
