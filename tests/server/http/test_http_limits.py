"""What a caller over HTTP can cost has the same bounds as over gRPC."""

import asyncio
import base64
import gzip
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from tests.server.conftest import DEADLINE, picture
from tests.server.http.conftest import GET_GALLERY, GET_IMAGE, SEARCH, UPSERTS, WATCH, Fronts, both
from tests.server.http.test_streams import BINARY, until, value

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.http.bodies import PREFIX, envelope
from partlens.v1 import gallery_service_pb2 as gallery_pb

QUICK: dict[str, Any] = {
    "first_message_seconds": 0.4,
    "send_seconds": 0.5,
    "idle_connection_seconds": 0.5,
}
JSON = {"Content-Type": "application/json"}


@asynccontextmanager
async def connected(
    fronts: Fronts,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A raw connection."""
    reader, writer = await asyncio.open_connection("127.0.0.1", fronts.port)
    try:
        yield reader, writer
    finally:
        writer.close()


def head(path: str, *more: str, method: str = "POST") -> bytes:
    """The head of a request."""
    lines = [
        f"{method} {path} HTTP/1.1",
        "Host: localhost",
        "Content-Type: application/json",
        *more,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


async def ended(reader: asyncio.StreamReader) -> bytes:
    """Everything until the server closes."""
    async with asyncio.timeout(DEADLINE):
        try:
            return await reader.read()
        except ConnectionResetError:
            return b""


async def test_a_request_without_an_end_does_not_stay(model: MetricModel, gallery: Gallery) -> None:
    async with both(model, gallery, limits=QUICK) as fronts:
        for sent in (b"", b"POST / HT", head(GET_IMAGE)[:-2]):
            async with connected(fronts) as (reader, writer):
                writer.write(sent)
                assert await ended(reader) == b""
        async with connected(fronts) as (reader, writer):
            writer.write(head(GET_IMAGE, "Content-Length: 30") + b'{"id": ')
            answer = await ended(reader)
            assert b"409 Conflict" in answer and b"no request came for 0.4 s" in answer
        async with connected(fronts) as (reader, writer):
            writer.write(head("/health", method="GET"))
            assert (await reader.readuntil(b"ready\n")).startswith(b"HTTP/1.1 200")
            assert await ended(reader) == b""
        await until(lambda: value(fronts.server.metrics.http.connections) == 0)


async def test_a_head_sent_byte_by_byte_does_not_stay(model: MetricModel, gallery: Gallery) -> None:
    async with both(model, gallery, limits=QUICK) as fronts, connected(fronts) as (reader, writer):

        async def trickle() -> None:
            while True:
                writer.write(b"x")
                await asyncio.sleep(0.05)

        writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\nA: ")
        task = asyncio.create_task(trickle())
        assert await ended(reader) == b""
        task.cancel()


async def test_a_caller_that_does_not_read_is_cut_off(model: MetricModel, gallery: Gallery) -> None:
    async with both(model, gallery, limits=QUICK) as fronts:
        await fronts.fill(30)
        asked = json.dumps({"includeThumbnails": True, "pageSize": 30}).encode()
        request = head("/partlens.v1.GalleryService/ListImages", f"Content-Length: {len(asked)}")
        with socket.socket() as deaf:
            deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            deaf.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(deaf, ("127.0.0.1", fronts.port))
            # Pipelined, and more than fits into the server's buffers.
            await loop.sock_sendall(deaf, (request + asked) * 100)
            await until(lambda: value(fronts.server.metrics.http.connections) == 1)
            await until(lambda: value(fronts.server.metrics.http.connections) == 0)
        assert value(fronts.server.metrics.calls.in_progress.labels("call")) == 0


async def test_large_requests_are_refused_before_they_are_read(fronts: Fronts) -> None:
    async with connected(fronts) as (reader, writer):
        writer.write(head(GET_IMAGE, "Content-Length: 99999999", "Expect: 100-continue"))
        answer = await reader.readuntil(b"}]}")
        assert answer.startswith(b"HTTP/1.1 429")
        assert b"MESSAGE_TOO_LARGE" in answer and b"limits.request_bytes" in answer
    chunks = (b"x" * 100_000 for _ in range(100))

    async def body() -> AsyncIterator[bytes]:
        for chunk in chunks:
            yield chunk

    response = await fronts.http.post(
        GET_IMAGE, content=body(), headers={"Content-Type": "application/proto"}
    )
    assert response.status_code == 429 and "MESSAGE_TOO_LARGE" in response.text


async def test_a_gzip_bomb_is_refused(fronts: Fronts) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 100_000
    packed = {"Content-Encoding": "gzip", "Content-Type": "application/proto"}
    response = await fronts.http.post(GET_IMAGE, content=bomb, headers=packed)
    assert response.status_code == 429 and "MESSAGE_TOO_LARGE" in response.text
    good = gallery_pb.GetImageRequest(id="nope").SerializeToString()
    response = await fronts.http.post(GET_IMAGE, content=gzip.compress(good), headers=packed)
    assert response.json()["message"] == "the gallery has no image 'nope'"
    for broken, words in (
        (gzip.compress(good)[:-3], "cut off"),
        (gzip.compress(good)[:5], "cut off"),
        (gzip.compress(good) + b"x", "after the end"),
        (b"no gzip", "not gzip"),
    ):
        response = await fronts.http.post(GET_IMAGE, content=broken, headers=packed)
        assert response.status_code == 400 and words in response.json()["message"]
    response = await fronts.http.post(
        GET_IMAGE, content=good, headers=packed | {"Content-Encoding": "br"}
    )
    assert response.status_code == 501 and response.json()["code"] == "unimplemented"
    assert response.headers["accept-encoding"] == "identity, gzip"


async def test_json_that_costs_too_much_is_refused_unparsed(
    model: MetricModel, gallery: Gallery
) -> None:
    limits = {"message_fields": 1000, "text_bytes": 200_000}
    async with both(model, gallery, limits=limits) as fronts:
        for text, words in (
            ('{"filter":' * 20_000, "more than 4000 values"),
            ("[" * 500, "nested more than 32 deep"),
            ("[" * 100_000, "values"),
            ('{"images":[' + "{}," * 3000 + "{}]}", "values"),
            ('{"images":[' + "{}," * 10 + "{}]}", "at most 3 are allowed"),
            ('{"pageSize":' + "1" * 150_000 + "}", "digits"),
            ('{"pageSize":' + "1" * 250_000 + "}", "limits.text_bytes"),
            ('{"pageSize":1e999}', "not JSON"),
            ('{"pageSize":-1}', "not JSON"),
            ('{"pageSize":1,"pageSize":2}', "comes twice"),
            ('{"pageSize":1,"page_size":2}', "are one field"),
            ('{"pageToken":"' + "x" * 250_000 + '"}', "limits.text_bytes"),
            ('{"pageToken":"\\ud800"}', "not JSON"),
            ('{"page":1}', 'no field named "page"'),
            ('{"images":[{"data":"!!!"}]}', "data is not base64"),
            ('{"images":[{"data":"abcde"}]}', "not JSON"),
            ('"' + '\\"' * 90_000, "more than 4000 values"),
            ('"' + '\\"' * 3000, "not JSON"),
            ('"' * 100_000, "more than 4000 values"),
            ("]" * 5000, "more than 4000 values"),
            (" " * 250_000, "limits.text_bytes"),
            ("\ufeff{}", "not JSON"),
            ("", "send {}"),
            ('{"filter":""}', "filter must be an object"),
            ('{"images":[[]]}', "images must be an object"),
            ('{"regions":[{"region":{"box":[]}}]}', "box must be an object"),
            ("null", "not JSON"),
            ("[]", "not JSON"),
            ("3", "not JSON"),
        ):
            response = await fronts.http.post(SEARCH, content=text.encode(), headers=JSON)
            shown = f"{text[:40]}: {response.text[:300]}"
            assert response.status_code == 400, shown
            assert words in response.json()["message"], shown
            assert len(response.content) < 4000
        response = await fronts.http.post(SEARCH, content=b'{"pageToken":"\xff"}', headers=JSON)
        assert response.status_code == 400 and "not UTF-8" in response.json()["message"]
        data = base64.b64encode(picture(1, 400, 400)).decode()
        response = await fronts.json(
            SEARCH, {"images": [{"data": data}], "regions": [{"region": {"whole": {}}}]}
        )
        assert response.status_code == 200, response.text


async def test_a_deadline_ends_the_work(model: MetricModel, gallery: Gallery) -> None:
    async with both(model, gallery) as fronts:
        response = await fronts.json(GET_GALLERY, {}, **{"Connect-Timeout-Ms": "0"})
        assert (response.status_code, response.json()["code"]) == (504, "deadline_exceeded")
        headers = {"Content-Type": BINARY, "Connect-Timeout-Ms": "300"}
        response = await fronts.http.post(WATCH, content=envelope(0, b""), headers=headers)
        assert b'"deadline_exceeded"' in response.content
        await until(lambda: value(fronts.server.metrics.calls.in_progress.labels("watch")) == 0)
        for wrong in ("-1", "1.5", "12345678901", "x"):
            response = await fronts.json(GET_GALLERY, {}, **{"Connect-Timeout-Ms": wrong})
            assert response.status_code == 400 and "10 digits" in response.json()["message"]


async def test_what_is_not_connect_has_its_words(fronts: Fronts) -> None:
    response = await fronts.http.post(
        GET_IMAGE, content=b"{}", headers={"Content-Type": "text/plain"}
    )
    assert response.status_code == 415 and "application/json" in response.headers["accept-post"]
    response = await fronts.http.post(WATCH, content=b"{}", headers=JSON)
    assert response.status_code == 415 and "application/connect+json" in response.json()["message"]
    response = await fronts.http.post(
        GET_IMAGE, content=b"{}", headers={"Content-Type": "application/json; charset=latin-1"}
    )
    assert response.status_code == 415
    response = await fronts.http.post(
        GET_GALLERY, content=b"{}", headers={"Content-Type": "application/json; charset=UTF-8"}
    )
    assert response.status_code == 200
    response = await fronts.http.get(GET_IMAGE)
    assert response.status_code == 405 and response.headers["allow"] == "POST"
    response = await fronts.json("/partlens.v1.GalleryService/Nope", {})
    assert response.status_code == 404 and response.json()["code"] == "unimplemented"
    response = await fronts.json(GET_GALLERY, {}, **{"Connect-Protocol-Version": "2"})
    assert response.status_code == 400


async def test_connections_have_a_limit(model: MetricModel, gallery: Gallery) -> None:
    async with both(model, gallery, limits={"connections": 3}) as fronts:
        kept = [await asyncio.open_connection("127.0.0.1", fronts.port) for _ in range(3)]
        await until(lambda: value(fronts.server.metrics.http.connections) == 3)
        async with connected(fronts) as (reader, _):
            assert await ended(reader) == b""
        for _, writer in kept:
            writer.close()
        await until(lambda: value(fronts.server.metrics.http.connections) == 0)
        assert (await fronts.http.get("/health")).status_code == 200


async def test_nothing_is_smuggled_past_a_proxy_in_a_body_of_two_lengths(fronts: Fronts) -> None:
    hidden = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    body = b"2\r\n{}\r\n0\r\n\r\n" + hidden
    both_lengths = (f"Content-Length: {len(body)}", "Transfer-Encoding: chunked")
    for lengths in (both_lengths, both_lengths[::-1]):
        async with connected(fronts) as (reader, writer):
            writer.write(head(GET_GALLERY, *lengths) + body)
            answered = await ended(reader)
            assert answered.startswith(b"HTTP/1.1 400") and answered.count(b"HTTP/1.1") == 1
            assert b"both Transfer-Encoding and Content-Length" in answered


async def test_large_heads_are_refused(fronts: Fronts) -> None:
    async with connected(fronts) as (reader, writer):
        writer.write(head("/health", *(f"X-{n}: {'y' * 1000}" for n in range(40)), method="GET"))
        assert b"at most 16384 are allowed" in await reader.readuntil(b"}")
    async with connected(fronts) as (reader, writer):
        writer.write(b"GET /health HTTP/1.1\r\nA: " + b"x" * 17000)
        assert (await ended(reader)).startswith(b"HTTP/1.1 400")
    assert (await fronts.http.get("/health")).status_code == 200


async def test_arrived_bytes_are_bounded_while_they_arrive(
    model: MetricModel, gallery: Gallery
) -> None:
    async with both(model, gallery, limits={"arrived_bytes": 150_000}) as fronts:
        async with connected(fronts) as (_, writer):
            writer.write(head(GET_IMAGE, "Content-Length: 200000") + b"x" * 140_000)
            await writer.drain()
            await until(lambda: value(fronts.server.metrics.calls.in_progress.labels("call")) == 1)
            async with asyncio.timeout(DEADLINE):
                while True:
                    response = await fronts.json(GET_IMAGE, {"id": "x" * 20_000})
                    if response.status_code == 429:
                        break
                    assert response.status_code == 400
            assert response.json()["details"][0]["debug"]["reason"] == "OVERLOADED"
            assert response.json()["details"][1]["type"] == "google.rpc.RetryInfo"
        async with asyncio.timeout(DEADLINE):
            while (await fronts.json(GET_IMAGE, {"id": "x" * 20_000})).status_code != 400:
                await asyncio.sleep(0.02)


async def test_tokens_scopes_and_rates_hold_as_over_grpc(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    file = TokenFile(tmp_path / "tokens.json")
    made, text = tokens.create("test", frozenset({"search"}))
    file.add(made)
    access, limits = {"tokens": file.path}, {"burst_calls": 3, "calls_per_second": 0.1}
    async with both(model, gallery, access=access, limits=limits) as fronts:
        # The body is not read before the caller is let in.
        async with connected(fronts) as (reader, writer):
            writer.write(head(GET_IMAGE, "Content-Length: 1000", "Expect: 100-continue"))
            answer = await reader.readuntil(b"}]}")
            assert answer.startswith(b"HTTP/1.1 401") and b"100 Continue" not in answer
        bearer = {"Authorization": f"Bearer {text}"}
        response = await fronts.json(GET_GALLERY, {}, **bearer)
        assert response.status_code == 200
        response = await fronts.json("/partlens.v1.GalleryService/DeleteImages", {}, **bearer)
        assert (response.status_code, response.json()["code"]) == (403, "permission_denied")
        ends = [(await fronts.json(GET_GALLERY, {}, **bearer)).status_code for _ in range(4)]
        assert ends[-1] == 429
        # Any name will do for a server that wants a token; the page of another site will not.
        assert (await fronts.json(GET_GALLERY, {}, Host="search.example")).status_code == 401
        file.remove(made.id)
        assert (await fronts.json(GET_GALLERY, {}, **bearer)).status_code == 401


async def test_a_caller_that_leaves_ends_its_uploads(fronts: Fronts) -> None:
    streams = fronts.server.metrics.calls.in_progress.labels("stream")
    async with connected(fronts) as (_, writer):
        start = f"POST {UPSERTS} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {BINARY}\r\n"
        writer.write(f"{start}Content-Length: 99999\r\n\r\n".encode() + PREFIX.pack(0, 500))
        await until(lambda: value(streams) == 1)
    await until(lambda: value(streams) == 0)


async def test_a_server_that_loads_says_so(model: MetricModel, gallery: Gallery) -> None:
    from tests.server.conftest import settings

    from partlens.server.app import create_server

    server = create_server(model, gallery, settings(server={"http_listen": "127.0.0.1:0"}))
    await server.bind()
    assert server.http_url
    async with httpx.AsyncClient(base_url=server.http_url, timeout=DEADLINE) as client:
        health = await client.get("/health")
        assert health.status_code == 503 and "loading" in health.text
        response = await client.post(GET_GALLERY, json={})
        assert response.status_code == 503
        assert response.json()["message"] == f"{health.text.strip()}; try again"
        reasons = [one["debug"] for one in response.json()["details"]]
        assert reasons[0]["reason"] == "NOT_READY" and reasons[1] == {"retryDelay": "1s"}
        await server.load()
        assert (await client.get("/health")).text == "ready\n"
    await server.stop(0)
