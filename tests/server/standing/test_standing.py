"""Standing queries find what a search finds, once each, and survive what a server does not."""

import asyncio
import hmac
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from redis_server import RedisServer
from tests.ingest.conftest import until
from tests.server.conftest import DEADLINE, Running, picture, settings, tiny_model, upserts

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Correction, Gallery, NewImage
from partlens.indexer.gallery import Metadata as StoredMetadata
from partlens.runtime.config.settings import Settings
from partlens.server.access.token_file import TokenFile
from partlens.server.access.tokens import create
from partlens.server.app import create_server
from partlens.server.standing.standing import beside
from partlens.server.standing.store import StandingStore
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import region_pb2 as region_pb
from partlens.v1 import standing_query_service_pb2 as pb
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub
from partlens.v1.part_search_service_pb2_grpc import PartSearchServiceStub
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub

Metadata = tuple[tuple[str, str], ...]
IMAGES = [image_pb.QueryImage(data=picture(100)), image_pb.QueryImage(data=picture(101))]
HEAD = search_pb.QueryRegion(
    region=region_pb.Region(box=region_pb.Box(x=5, y=0, width=20, height=20))
)
FEET = search_pb.QueryRegion(
    image_index=1,
    exclude=True,
    weight=0.5,
    region=region_pb.Region(box=region_pb.Box(x=0, y=40, width=40, height=20)),
)


@asynccontextmanager
async def serving(
    model: MetricModel, gallery: Gallery, used: Settings | None = None
) -> AsyncIterator[tuple[Running, StandingQueryServiceStub]]:
    server = create_server(model, gallery, used or settings())
    address = f"127.0.0.1:{await server.start()}"
    async with grpc.aio.insecure_channel(address) as channel:
        stubs = PartSearchServiceStub(channel), GalleryServiceStub(channel)
        try:
            yield Running(server, address, channel, *stubs), StandingQueryServiceStub(channel)
        finally:
            await server.stop(0)


async def save(
    standing: StandingQueryServiceStub,
    threshold: float = -10.0,
    metadata: Metadata = (),
    **fields: object,
) -> pb.StandingQuery:
    asked = {"images": IMAGES, "regions": [HEAD, FEET], "name": "hats"} | fields
    request = pb.CreateStandingQueryRequest(threshold=threshold, **asked)  # type: ignore[arg-type]
    answer = await standing.CreateStandingQuery(request, timeout=DEADLINE, metadata=metadata)
    return answer.standing_query  # type: ignore[no-any-return]


async def watch(
    standing: StandingQueryServiceStub,
    count: int,
    after: int | None = None,
    metadata: Metadata = (),
    ids: tuple[str, ...] = (),
    quiet: float = 0.6,
) -> list[pb.WatchMatchesResponse]:
    """The first matches, and none more for a while after them."""
    request = pb.WatchMatchesRequest(standing_query_ids=ids, after_revision=after)
    call = standing.WatchMatches(request, timeout=DEADLINE, metadata=metadata)
    found = [await call.read() for _ in range(count)]
    with pytest.raises(TimeoutError):
        raise AssertionError(await asyncio.wait_for(call.read(), quiet))
    call.cancel()
    return found


async def test_an_image_that_is_corrected_is_scored_again(
    model: MetricModel, gallery: Gallery
) -> None:
    async with serving(model, gallery) as (running, standing):
        await save(standing, filter=image_pb.Filter(cameras=["right"]))
        await running.upload(upserts(2))
        stored = gallery.view.get("p000")
        known = StoredMetadata("right")
        gallery.correct([Correction(stored.id, stored.media_digest, stored.uri, known)])
        (match,) = await watch(standing, 1, 0)
        assert (match.hit.id, match.hit.image.metadata.camera) == ("p000", "right")


@pytest.mark.parametrize("score", [0, 2, 3])
async def test_every_new_image_matches_as_a_search_would_find_it(
    model: MetricModel, gallery: Gallery, score: search_pb.ScoreKind
) -> None:
    async with serving(model, gallery) as (running, standing):
        await running.upload(upserts(3))  # before it was saved: not new
        where = image_pb.Filter(attributes={"parity": "0"})
        all_of_them = await save(standing, score=score, filter=where)
        await running.upload(upserts(24)[3:])
        search = search_pb.SearchRegionsRequest(
            images=IMAGES, regions=[HEAD, FEET], score=score, filter=where, page_size=100
        )
        answer = await running.search.SearchRegions(search, timeout=DEADLINE)
        hits = {hit.id: hit for hit in answer.hits}
        new = set(hits) - {"p000", "p002"}
        found = await watch(standing, len(new), 0)
        assert {one.hit.id for one in found} == new and len(new) == 10
        for one in found:
            expected = hits[one.hit.id]
            assert one.standing_query_id == all_of_them.id
            assert one.hit.score == pytest.approx(expected.score, abs=1e-5)
            np.testing.assert_allclose(one.hit.map.values, expected.map.values, atol=1e-5)
            total = sum(one.hit.map.values) + one.hit.constant
            assert total == pytest.approx(one.hit.score, abs=1e-4)
            assert one.hit.box == expected.box and one.hit.image == expected.image
        # The better half alone, of what is sent again.
        half = float(np.median([hit.score for hit in hits.values()]))
        better = await save(standing, half, score=score, filter=where)
        await running.upload(upserts(24))
        above = {id for id, hit in hits.items() if hit.score >= half}
        found = await watch(standing, len(above), better.created_revision, ids=(better.id,))
        assert {one.hit.id for one in found} == above


async def test_who_watches_is_told_soon_and_once(model: MetricModel, gallery: Gallery) -> None:
    async with serving(model, gallery) as (running, standing):
        first, second = await save(standing, name="a"), await save(standing, name="b")
        watching = asyncio.create_task(watch(standing, 8))
        await asyncio.sleep(0.5)
        await running.upload(upserts(4))
        found = await watching
        told = {(one.standing_query_id, one.hit.id) for one in found}
        assert told == {(q, f"p{n:03}") for q in (first.id, second.id) for n in range(4)}
        assert {one.standing_query_name for one in found} == {"a", "b"}


async def test_images_that_another_process_adds_match_too(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    async with serving(model, gallery) as (running, standing):
        await save(standing)
        await running.upload(upserts(1))
        await watch(standing, 1, 0, quiet=0.1)
        # It reads and writes the same folder, as `partlens index add` does.
        other = Gallery.open(gallery.path, model.spec)
        async with serving(
            model, other, settings(access={"audit_log": tmp_path / "other.jsonl"})
        ) as (writer, _):
            gallery.close()
            await writer.upload(upserts(3)[1:])
            found = await watch(standing, 3, 0)
            assert {one.hit.id for one in found} == {"p000", "p001", "p002"}


async def test_they_survive_a_restart_and_no_match_is_missed(
    model: MetricModel, gallery: Gallery
) -> None:
    async with serving(model, gallery) as (running, standing):
        saved = await save(standing)
        await running.upload(upserts(2))
        last = (await watch(standing, 2, 0))[-1].revision
    with Gallery.open(gallery.path) as between, Gallery.open(gallery.path) as seen:
        contributions, bias = seen.view.decompositions(["p000"])
        image = seen.view.get("p000")
        between.add(
            [
                NewImage(
                    "late", "", "sha256:0", image.width, image.height, b"",
                    image.metadata, contributions[0], bias[0],
                )
            ]
        )  # fmt: skip
    async with serving(model, Gallery.open(gallery.path)) as (_, standing):
        listed = await standing.ListStandingQueries(
            pb.ListStandingQueriesRequest(), timeout=DEADLINE
        )
        assert list(listed.standing_queries) == [saved]
        (missed,) = await watch(standing, 1, last)
        assert missed.hit.id == "late"
        await standing.DeleteStandingQuery(
            pb.DeleteStandingQueryRequest(id=saved.id), timeout=DEADLINE
        )
        assert await watch(standing, 0, 0) == []
    assert not list(beside(gallery.path).glob("*.safetensors"))


async def test_a_token_sees_its_own_queries_and_its_own_cameras(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    tokens = TokenFile(tmp_path / "tokens.json")

    def token(*cameras: str, scope: str = "search") -> Metadata:
        made, text = create("t", frozenset({"search", scope}), frozenset(cameras))  # type: ignore[arg-type]
        tokens.add(made)
        return (("authorization", f"Bearer {text}"),)

    whole, gate, admin = token(), token("cam1"), token(scope="admin")
    sender, local = token(scope="ingest"), token("cam1", scope="admin")
    used = settings(access={"tokens": tokens.path})
    async with serving(model, gallery, used) as (running, standing):
        await save(standing, metadata=whole, name="whole")
        mine = await save(standing, metadata=gate, name="gate")
        assert list(mine.filter.cameras) == ["cam1"]
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await save(standing, metadata=gate, filter=image_pb.Filter(cameras=["cam0"]))
        assert refused.value.code() is grpc.StatusCode.PERMISSION_DENIED
        call = running.gallery.UpsertImages(iter(upserts(4)), timeout=DEADLINE, metadata=sender)
        assert [answer.HasField("committed") async for answer in call] == 4 * [True]
        assert len(await watch(standing, 4, 0, whole)) == 4
        seen = await watch(standing, 2, 0, gate)
        assert {one.hit.image.metadata.camera for one in seen} == {"cam1"}
        assert len(await watch(standing, 6, 0, admin)) == 6
        listed = await standing.ListStandingQueries(
            pb.ListStandingQueriesRequest(), timeout=DEADLINE, metadata=local
        )
        assert not listed.standing_queries, "an admin of some cameras manages its own only"
        for metadata, code in (
            (whole, "NOT_FOUND"),
            (sender, "NOT_FOUND"),
            (local, "NOT_FOUND"),
            (admin, "OK"),
        ):
            ask = {"timeout": DEADLINE, "metadata": metadata}
            for call in (
                standing.UpdateStandingQuery(
                    pb.UpdateStandingQueryRequest(id=mine.id, name="mine", paused=True), **ask
                ),
                standing.DeleteStandingQuery(pb.DeleteStandingQueryRequest(id=mine.id), **ask),
            ):
                try:
                    await call
                    assert code == "OK"
                except grpc.aio.AioRpcError as error:
                    assert error.code().name == code


async def test_what_cannot_be_saved_says_why(model: MetricModel, gallery: Gallery) -> None:
    used = settings(standing={"queries": 1})
    async with serving(model, gallery, used) as (_, standing):
        wrong: list[tuple[dict[str, Any], str]] = [
            ({"regions": []}, "regions"),
            ({"regions": [FEET]}, "excluded"),
            ({"threshold": float("nan")}, "threshold"),
            ({"name": 300 * "x"}, "256"),
            ({"images": [image_pb.QueryImage(data=b"x")], "regions": [HEAD]}, "images"),
        ]
        for fields, words in wrong:
            with pytest.raises(grpc.aio.AioRpcError, match=words) as refused:
                await save(standing, **fields)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        await save(standing)
        with pytest.raises(grpc.aio.AioRpcError, match="delete some"):
            await save(standing)
        call = standing.WatchMatches(
            pb.WatchMatchesRequest(standing_query_ids=["../x"]), timeout=DEADLINE
        )
        with pytest.raises(grpc.aio.AioRpcError) as unknown:
            await call.read()
        assert unknown.value.code() is grpc.StatusCode.NOT_FOUND


async def test_damaged_ones_and_those_of_another_model_are_passed_over(
    model: MetricModel, gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(model, gallery) as (_, standing):
        kept, cut = await save(standing), await save(standing)
    folder = beside(gallery.path)
    file = folder / f"{cut.id}.safetensors"
    whole = file.read_bytes()
    for damaged in (b"", whole[:100], whole[:-8], whole.replace(b"context", b"contexd")):
        file.write_bytes(damaged)
        found = StandingStore(folder, model.spec).read()
        assert list(found) == [kept.id]
    assert "skipped standing query" in caplog.text
    assert StandingStore(folder, tiny_model(seed=1).spec).read() == {}


class Receiver:
    """An HTTP server that refuses the first two matches, then takes them."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []
        self.signatures: list[str] = []
        self._asked = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        length = re.search(r"(?i)content-length: (\d+)", head)
        body = await reader.readexactly(int(length[1]) if length else 0)
        self._asked += 1
        status = "503 Later" if self._asked <= 2 else "204 OK"
        if self._asked > 2:
            self.bodies.append(body)
            signature = re.search(r"(?i)x-partlens-signature: (\S+)", head)
            self.signatures.append(signature[1] if signature else "")
        writer.write(
            f"HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n".encode()
        )
        await writer.drain()
        writer.close()


async def test_redis_and_the_webhook_get_every_match_across_restarts(
    model: MetricModel, gallery: Gallery, tmp_path: Path, redis_server: RedisServer
) -> None:
    receiver, secret = Receiver(), tmp_path / "secret"
    secret.write_text("hush\n")
    http = await asyncio.start_server(receiver.serve, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{http.sockets[0].getsockname()[1]}/matches"
    redis = {**redis_server.values, "prefix": tmp_path.name}
    used = settings(redis=redis, standing={"webhook": url, "webhook_secret_file": secret})

    def in_redis() -> list[Any]:
        with redis_server.client as client:
            entries: Any = client.xrange(f"{tmp_path.name}:matches")
        return [json.loads(fields[b"match"]) for _, fields in entries]

    async with serving(model, gallery, used) as (running, standing):
        await save(standing)
        await running.upload(upserts(2))
        await asyncio.sleep(0.1)  # stopped while the webhook refuses
    second = settings(redis=redis, access={"audit_log": tmp_path / "second.jsonl"})
    other = Gallery.open(gallery.path, model.spec)
    async with (
        serving(model, Gallery.open(gallery.path), used) as (running, _),
        serving(model, other, second),
    ):
        await running.upload(upserts(4)[2:])

        async def all_there() -> bool:
            return len(receiver.bodies) >= 4 and len(in_redis()) >= 4

        await until(all_there)
        await asyncio.sleep(0.5)
    wanted = ["p000", "p001", "p002", "p003"]
    assert [json.loads(body)["hit"]["id"] for body in receiver.bodies] == wanted
    assert sorted(one["hit"]["id"] for one in in_redis()) == wanted
    for body, signature in zip(receiver.bodies, receiver.signatures, strict=True):
        assert signature == f"sha256={hmac.digest(b'hush', body, 'sha256').hex()}"
        match = json.loads(body)
        assert len(match["hit"]["map"]["values"]) == 32
    http.close()


async def test_a_watcher_ends_when_the_server_stops(model: MetricModel, gallery: Gallery) -> None:
    async with serving(model, gallery) as (running, standing):
        call = standing.WatchMatches(pb.WatchMatchesRequest(), timeout=DEADLINE)
        reading = asyncio.create_task(call.read())
        await asyncio.sleep(0.3)
        await running.server.stop(5)
        with pytest.raises(grpc.aio.AioRpcError) as ended:
            await reading
        assert ended.value.code() is grpc.StatusCode.UNAVAILABLE
