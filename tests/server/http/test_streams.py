"""Streams over HTTP: enveloped messages, each answered as over gRPC."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator
from typing import Any

import grpc
import httpx
from google.protobuf import json_format
from tests.server.conftest import DEADLINE, upserts
from tests.server.http.conftest import UPSERTS, WATCH, Fronts
from tests.server.http.test_equal_answers import STANDING

from partlens.server.http.bodies import COMPRESSED, END_STREAM, PREFIX, envelope
from partlens.v1 import gallery_service_pb2 as gallery_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub

JSON, BINARY = "application/connect+json", "application/connect+proto"


async def envelopes(response: httpx.Response) -> AsyncIterator[tuple[int, bytes]]:
    """Flags and data of every message of a response."""
    buffer = b""
    async for chunk in response.aiter_bytes():
        buffer += chunk
        while len(buffer) >= PREFIX.size:
            flags, size = PREFIX.unpack_from(buffer)
            if len(buffer) < PREFIX.size + size:
                break
            yield flags, buffer[PREFIX.size : PREFIX.size + size]
            buffer = buffer[PREFIX.size + size :]
    assert not buffer


async def stream(
    fronts: Fronts, path: str, body: bytes, kind: str = BINARY, **headers: str
) -> tuple[list[bytes], dict[str, Any]]:
    """The messages that answer a body, and what the last one says."""
    headers = {"Content-Type": kind, **headers}
    async with fronts.http.stream("POST", path, content=body, headers=headers) as response:
        assert (response.status_code, response.headers["content-type"]) == (200, kind)
        *messages, (flags, last) = [one async for one in envelopes(response)]
    assert flags == END_STREAM and all(flags == 0 for flags, _ in messages)
    return [data for _, data in messages], json.loads(last)


def answers(messages: list[bytes]) -> list[gallery_pb.UpsertImagesResponse]:
    return [gallery_pb.UpsertImagesResponse.FromString(one) for one in messages]


async def test_a_stream_of_uploads_is_answered_one_by_one(fronts: Fronts) -> None:
    requests = upserts(5)
    requests[3].data = b"no picture"
    body = b"".join(envelope(0, one.SerializeToString()) for one in requests)
    messages, last = await stream(fronts, UPSERTS, body)
    assert last == {}
    got = answers(messages)
    assert [one.index for one in got] == [0, 1, 2, 3, 4]
    assert [one.HasField("committed") for one in got] == [True, True, True, False, True]
    text = b"".join(envelope(0, json_format.MessageToJson(one).encode()) for one in requests)
    again, last = await stream(fronts, UPSERTS, text, JSON)
    parsed = [json_format.Parse(one, gallery_pb.UpsertImagesResponse()) for one in again]
    assert [one.committed.replaced for one in parsed] == [True, True, True, False, True]
    assert last == {}


async def test_messages_of_a_stream_may_be_compressed(fronts: Fronts) -> None:
    body = b"".join(
        envelope(COMPRESSED, gzip.compress(one.SerializeToString())) for one in upserts(3)
    )
    messages, last = await stream(fronts, UPSERTS, body, **{"Connect-Content-Encoding": "gzip"})
    assert len(messages) == 3 and last == {}
    messages, last = await stream(fronts, UPSERTS, body)
    assert not messages and "connect-content-encoding" in last["error"]["message"]


async def test_broken_streams_say_what_is_wrong(fronts: Fronts) -> None:
    good = envelope(0, upserts(1)[0].SerializeToString())
    for body, kind, words in (
        (good + b"\0\0", BINARY, "ends within a message"),
        (good + PREFIX.pack(0, 2**31), BINARY, "at most"),
        (good + PREFIX.pack(8, 0), BINARY, "unknown flags 8"),
        (good + envelope(0, b"\xff\xff"), BINARY, "not a message of this method"),
        (envelope(0, b"[]"), JSON, "not JSON of this method"),
    ):
        messages, last = await stream(fronts, UPSERTS, body, kind)
        assert words in last.get("error", {}).get("message", ""), (words, last, messages)
        assert last["error"]["code"] in ("invalid_argument", "resource_exhausted")
        # What came before is on disk.
        assert len(messages) == (1 if body.startswith(good) else 0)


async def test_matches_arrive_while_the_stream_is_open(fronts: Fronts) -> None:
    stub = StandingQueryServiceStub(fronts.channel)
    everything = standing_pb.CreateStandingQueryRequest()
    everything.CopyFrom(STANDING)
    everything.threshold = -10
    made = await stub.CreateStandingQuery(everything, timeout=DEADLINE)
    body = envelope(0, standing_pb.WatchMatchesRequest().SerializeToString())
    async with fronts.http.stream(
        "POST", WATCH, content=body, headers={"Content-Type": BINARY}
    ) as response:
        assert response.headers["x-request-id"]
        await fronts.fill(2)
        found = set()
        async for _, data in envelopes(response):
            match = standing_pb.WatchMatchesResponse.FromString(data)
            assert match.standing_query_id == made.standing_query.id
            found.add(match.hit.id)
            if len(found) == 2:
                break
    assert found == {"p000", "p001"}


async def test_a_watcher_that_leaves_gives_its_place_back(fronts: Fronts) -> None:
    body = envelope(0, b"")
    watching = fronts.server.metrics.calls.in_progress.labels("watch")
    async with fronts.http.stream(
        "POST", WATCH, content=body, headers={"Content-Type": BINARY}
    ) as response:
        assert response.status_code == 200
        await until(lambda: value(watching) == 1)
    await until(lambda: value(watching) == 0)


async def test_errors_of_a_stream_come_at_its_end_as_over_grpc(fronts: Fronts) -> None:
    asked = standing_pb.WatchMatchesRequest(standing_query_ids=["s-nope"])
    messages, last = await stream(fronts, WATCH, envelope(0, asked.SerializeToString()))
    assert not messages
    call = StandingQueryServiceStub(fronts.channel).WatchMatches(asked, timeout=DEADLINE)
    assert await call.code() == grpc.StatusCode.NOT_FOUND
    assert last["error"]["code"] == "not_found"
    assert last["error"]["message"] == await call.details()
    assert last["error"]["details"][0]["debug"]["reason"] == "STANDING_QUERY_UNKNOWN"


def value(metric: Any) -> float:
    """What a gauge or counter shows."""
    (sample,) = [one for one in metric.collect()[0].samples if not one.name.endswith("_created")]
    number: float = sample.value
    return number


async def until(condition: Any) -> None:
    """Waits until something is so."""
    async with asyncio.timeout(DEADLINE):
        while not condition():
            await asyncio.sleep(0.02)
