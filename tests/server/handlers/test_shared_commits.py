"""Uploads of several calls share a commit; each is answered as if it had been alone."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import grpc
import pytest
from tests.server.conftest import DEADLINE, Running, picture, upserts
from tests.server.handlers.test_upsert_image import alone

from partlens.indexer.gallery import Gallery
from partlens.v1 import gallery_service_pb2 as pb

CALLS = 8
Answer = pb.UpsertImageResponse


async def wait_for(true: Callable[[], bool]) -> None:
    end = asyncio.get_running_loop().time() + DEADLINE
    while not true():
        assert asyncio.get_running_loop().time() < end, "did not happen in time"
        await asyncio.sleep(0.01)


@pytest.fixture
def log(tmp_path: Path) -> Callable[[], list[dict[str, object]]]:
    """The lines of the audit log about uploads so far."""

    def read() -> list[dict[str, object]]:
        written = tmp_path / "gallery.audit.jsonl"
        texts = written.read_text().splitlines() if written.exists() else []
        return [json.loads(text) for text in texts if '"UpsertImage"' in text]

    return read


Log = Callable[[], list[dict[str, object]]]


def lines(log: Log, outcome: str) -> int:
    return sum(line["outcome"] == outcome for line in log())


async def upload(running: Running, request: pb.UpsertImagesRequest) -> Answer:
    answer: Answer = await running.gallery.UpsertImage(alone(request), timeout=DEADLINE)
    return answer


async def test_calls_that_wait_share_a_commit(running: Running, gallery: Gallery, log: Log) -> None:
    with gallery.writing():
        calls = [asyncio.create_task(upload(running, one)) for one in upserts(CALLS)]
        await wait_for(lambda: lines(log, "BEGUN") == CALLS)
        await asyncio.sleep(0.1)  # from the audit log to the queue
    answers = await asyncio.gather(*calls)
    # Two, unless the machine is so busy that some were late.
    assert len({one.committed.gallery_version for one in answers}) <= CALLS // 2
    for request in upserts(CALLS):
        found = await running.gallery.GetImage(pb.GetImageRequest(id=request.id), timeout=DEADLINE)
        assert (found.image.uri, found.image.metadata) == (request.uri, request.metadata)
    assert [line["committed"] for line in log() if line["outcome"] == "OK"] == [1] * CALLS


async def test_of_one_id_the_later_call_replaces_the_earlier(
    running: Running, gallery: Gallery, log: Log
) -> None:
    requests = [
        pb.UpsertImagesRequest(id="x", data=picture(i), uri=f"{i}.png") for i in range(CALLS)
    ]
    with gallery.writing():
        calls = list[asyncio.Task[Answer]]()
        for number, request in enumerate(requests):
            calls.append(asyncio.create_task(upload(running, request)))
            await wait_for(lambda count=number + 1: lines(log, "BEGUN") == count)  # type: ignore[misc]
    answers = [one.committed for one in await asyncio.gather(*calls)]
    versions = [one.gallery_version for one in answers]
    assert versions == sorted(set(versions))
    assert [one.replaced for one in answers] == [False] + [True] * (CALLS - 1)
    found = await running.gallery.GetImage(pb.GetImageRequest(id="x"), timeout=DEADLINE)
    assert found.image.uri == requests[-1].uri


async def test_the_audit_log_knows_whether_the_image_of_a_caller_that_left_was_added(
    running: Running, gallery: Gallery, log: Log
) -> None:
    first, *requests = upserts(1 + CALLS)
    with gallery.writing():
        # It reaches the lock without the others, unless the machine is very busy.
        opening = asyncio.create_task(upload(running, first))
        await wait_for(lambda: lines(log, "BEGUN") == 1)
        await asyncio.sleep(0.2)
        calls = [running.gallery.UpsertImage(alone(one), timeout=DEADLINE) for one in requests]
        await wait_for(lambda: lines(log, "BEGUN") == 1 + CALLS)
        for call in calls[::2]:
            call.cancel()
        await asyncio.sleep(0.2)
    await asyncio.gather(opening, *calls[1::2])
    await wait_for(lambda: len(log()) == 2 * (1 + CALLS))
    noted = [line["committed"] for line in log() if "committed" in line]
    assert noted == [1] * len(gallery.view)
    assert 1 + CALLS // 2 <= len(noted) <= 1 + CALLS


async def test_if_the_commit_fails_every_call_fails_and_nothing_is_added(
    running: Running, gallery: Gallery
) -> None:
    with Gallery.open(gallery.path) as other, other.writing():
        calls = [upload(running, one) for one in upserts(CALLS)]
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert all(isinstance(one, grpc.aio.AioRpcError) for one in errors)
    assert len(gallery.view) == 0
    await asyncio.gather(*(upload(running, one) for one in upserts(CALLS)))
    assert len(gallery.view) == CALLS
