"""Who may do what, end to end: every way to an image honours its caller's token."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
from tests.server.conftest import DEADLINE, picture, settings, upserts

from partlens.client import (
    AccessError,
    AsyncClient,
    Box,
    Caller,
    Client,
    Credentials,
    CredentialsError,
    DeadlineError,
    Filter,
    GalleryImageId,
    ImageUpdate,
    Metadata,
    NotFoundError,
    PairSelection,
    QueryId,
    QueryRegion,
    RequestError,
    UnavailableError,
    Upload,
)
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.runtime.errors import ListenError
from partlens.server.access import tokens
from partlens.server.access.token_file import TokenFile
from partlens.server.app import create_server
from partlens.server.caller.scopes import NEEDED, SCOPES, Scope
from partlens.v1.gallery_service_pb2_grpc import GalleryServiceStub

REGION = [QueryRegion(Box(4, 2, 25, 20))]


@dataclass
class Locked:
    """A server that wants tokens, over 8 pictures of cameras a and b in turn."""

    address: str
    file: TokenFile
    gallery: Gallery

    def client(self, *scopes: Scope, cameras: str = "") -> AsyncClient:
        """A client with a fresh token."""
        made, text = tokens.create("test", frozenset(scopes), frozenset(cameras))
        self.file.add(made)
        return AsyncClient(self.address, DEADLINE, Credentials(token=text))


@pytest.fixture
async def locked(model: MetricModel, gallery: Gallery, tmp_path: Path) -> AsyncIterator[Locked]:
    file = TokenFile(tmp_path / "tokens.json")
    server = create_server(model, gallery, settings(access={"tokens": file.path}))
    running = Locked(f"127.0.0.1:{await server.start()}", file, gallery)
    async with running.client("ingest") as client:
        assert all(one.committed for one in await client.upsert_images(map(upload, range(8))))
    yield running
    await server.stop(0)


def upload(i: int, camera: str = "") -> Upload:
    return Upload(f"p{i}", picture(i), metadata=Metadata(camera=camera or "ab"[i % 2]))


async def made_and_deleted(client: AsyncClient) -> None:
    made = await client.create_standing_query("", [picture(0)], REGION, 1)
    await client.delete_standing_query(made.id)


async def made_and_paused(client: AsyncClient) -> None:
    made = await client.create_standing_query("", [picture(0)], REGION, 1)
    assert (await client.update_standing_query(made.id, paused=True)).paused


async def shown_again(client: AsyncClient) -> None:
    described = await client.describe_query(picture(0))
    assert (await client.get_picture(QueryId(described.query.id))).data == picture(0)


async def watched(client: AsyncClient) -> None:
    with suppress(DeadlineError):
        async for match in client.watch_matches(deadline=0.3):
            assert match.hit.map is not None


async def refused(call: Awaitable[object]) -> None:
    with suppress(RequestError):
        await call


Ask = Callable[[AsyncClient], Awaitable[object]]
ASKS: dict[str, tuple[Ask, set[Scope]]] = {
    "SearchRegions": (lambda c: c.search_regions([picture(0)], REGION), {"search"}),
    "ExplainPair": (lambda c: c.explain_pair(picture(0), picture(1)), {"search"}),
    "DescribeQuery": (lambda c: c.describe_query(picture(0)), {"search"}),
    "ReportSearch": (lambda c: c.report_search([picture(0)], REGION), {"search"}),
    "ReportPair": (lambda c: c.report_pair(picture(0), picture(1)), {"search"}),
    "GetImage": (lambda c: c.get_image("p0"), {"search"}),
    "GetPicture": (lambda c: shown_again(c), {"search"}),
    "GetFacets": (lambda c: c.get_facets(), {"search"}),
    "ListImages": (lambda c: anext(c.list_images()), {"search"}),
    "GetGallery": (lambda c: c.get_gallery(), {"search", "ingest", "admin"}),
    "ListGalleries": (lambda c: c.list_galleries(), {"search", "ingest", "admin"}),
    # This server has one gallery without a name.
    "SetGalleryAlias": (lambda c: refused(c.set_gallery_alias("a", "b")), {"admin"}),
    "DeleteGalleryAlias": (lambda c: refused(c.delete_gallery_alias("a")), {"admin"}),
    "UpsertImages": (lambda c: c.upsert_images([upload(0)]), {"ingest"}),
    "UpsertImage": (lambda c: c.upsert_image(upload(0)), {"ingest"}),
    "UpdateImages": (lambda c: c.update_images([ImageUpdate("nobody", camera="a")]), {"ingest"}),
    "DeleteImages": (lambda c: c.delete_images(["nobody"]), {"admin"}),
    "CreateStandingQuery": (
        lambda c: c.create_standing_query("", [picture(0)], REGION, 1),
        {"search"},
    ),
    "ListStandingQueries": (lambda c: c.list_standing_queries(), {"search"}),
    "UpdateStandingQuery": (lambda c: made_and_paused(c), {"search"}),
    "DeleteStandingQuery": (lambda c: made_and_deleted(c), {"search"}),
    "WatchMatches": (lambda c: watched(c), {"search"}),
}


@pytest.mark.parametrize("name", ASKS)
async def test_a_method_is_open_to_its_scopes_alone(locked: Locked, name: str) -> None:
    ask, needed = ASKS[name]
    for scope in SCOPES:
        async with locked.client(scope) as client:
            if scope in needed:
                await ask(client)
            else:
                with pytest.raises(AccessError, match=f"this method needs {min(needed)}"):
                    await ask(client)
    for token in ("", "plt_00000000_guess", "anything"):
        async with AsyncClient(locked.address, DEADLINE, Credentials(token=token)) as client:
            await client.wait_until_ready(DEADLINE)  # health is open to all
            with pytest.raises(AccessError, match="token"):
                await ask(client)


def test_every_method_has_its_scopes() -> None:
    assert {path.rpartition("/")[2] for path in NEEDED} == set(ASKS)


async def test_a_confined_token_finds_only_its_cameras(locked: Locked) -> None:
    async with locked.client("search", cameras="a") as client:
        found = await client.search_regions([picture(0)], REGION)
        assert {hit.id for hit in found.hits} == {"p0", "p2", "p4", "p6"}
        named = await client.search_regions([picture(0)], REGION, where=Filter(cameras=["a"]))
        assert [hit.id for hit in named.hits] == [hit.id for hit in found.hits]
        with pytest.raises(AccessError, match="restricted to cameras a; the filter names b"):
            await client.search_regions([picture(0)], REGION, where=Filter(cameras=["a", "b"]))
        listed = [image.id async for image in client.list_images(page_size=3)]
        assert listed == ["p0", "p2", "p4", "p6"]
        assert (await client.get_gallery()).images == 4
        counts = await client.get_facets()
        assert (counts.images, counts.cameras.values) == (4, {"a": 4})
        for where in (Filter(cameras=["b"]), Filter(cameras=["a", "b"], ids=["p1"])):
            with pytest.raises(AccessError, match="the filter names b"):
                await client.get_facets(where)
            with pytest.raises(AccessError, match="the filter names b"):
                await anext(client.list_images(where=where))
        listed = [one.id async for one in client.list_images(page_size=3, prefix="p")]
        assert listed == ["p0", "p2", "p4", "p6"]
        assert not [one async for one in client.list_images(prefix="p1")]
        # Naming an image does not make it visible.
        where = Filter(ids=["p0", "p1", "p3"])
        listed = [one.id async for one in client.list_images(where=where, thumbnails=True)]
        found = await client.search_regions([picture(0)], REGION, where=where)
        assert listed == [hit.id for hit in found.hits] == ["p0"]
        assert (await client.get_facets(where)).images == 1


async def test_a_token_learns_what_it_may_do(locked: Locked) -> None:
    async with locked.client("admin", "search", cameras="ba") as client:
        caller = (await client.get_gallery()).caller
        assert caller == Caller("test", ("search", "admin"), ("a", "b"))
    async with locked.client("ingest") as client:
        caller = (await client.get_gallery()).caller
        assert caller == Caller("test", ("ingest",), ())


async def test_an_image_of_another_camera_is_as_one_that_is_not_there(locked: Locked) -> None:
    outside, nobody = GalleryImageId("p1"), GalleryImageId("nobody")
    async with locked.client("search", "admin", cameras="a") as client:
        for image in (outside, nobody):
            for call in (
                client.get_image(image.id),
                client.get_picture(image),
                client.describe_query(image),
                client.explain_pair(picture(0), image),
                client.explain_pair(image, picture(0), pairs=PairSelection("retrieved")),
                client.search_regions([image], REGION),
                client.report_search([image], REGION),
                client.report_pair(picture(0), image),
                client.create_standing_query("", [image], REGION, 1),
            ):
                with pytest.raises(NotFoundError, match=f"has no image '{image.id}'"):
                    await call
        assert await client.delete_images(["p1", "nobody"]) == 0
        assert "p1" in locked.gallery.view


async def test_a_query_id_opens_no_image_to_another_token(locked: Locked) -> None:
    async with locked.client("search") as all_of_it, locked.client("search", cameras="a") as some:
        mine = (await all_of_it.describe_query(GalleryImageId("p1"))).query.id
        with pytest.raises(NotFoundError):
            await some.describe_query(QueryId(mine))
        with pytest.raises(NotFoundError, match="has no image 'p1'"):
            await some.get_picture(QueryId(mine))
        brought = (await all_of_it.describe_query(picture(9))).query.id
        assert (await some.describe_query(QueryId(brought))).query.id == brought


async def test_what_was_erased_or_replaced_is_no_query_any_more(locked: Locked) -> None:
    async with locked.client(*SCOPES) as client:
        erased = (await client.describe_query(GalleryImageId("p1"))).query.id
        replaced = (await client.describe_query(GalleryImageId("p2"))).query.id
        assert await client.delete_images(["p1"]) == 1
        await client.upsert_images([Upload("p2", picture(77), metadata=Metadata(camera="a"))])
        for id in (erased, replaced):
            with pytest.raises(NotFoundError):
                await client.describe_query(QueryId(id))


async def test_a_confined_token_changes_only_its_cameras(locked: Locked) -> None:
    async with locked.client("ingest", "admin", cameras="a") as client:
        sent = (upload(20, "a"), upload(21, "b"), upload(1, "a"), upload(0, "a"), upload(0, "b"))
        got = await client.upsert_images(sent)
        # A new image of another camera, one that replaces another camera's, one that gives away.
        assert [one.reason for one in got] == ["", "FORBIDDEN", "FORBIDDEN", "", "FORBIDDEN"]
        assert (
            locked.gallery.view.get("p1").metadata.camera == "b"
            and "p21" not in locked.gallery.view
        )
        for i, camera in ((21, "b"), (1, "a"), (0, "b")):
            with pytest.raises(AccessError) as caught:
                await client.upsert_image(upload(i, camera))
            assert caught.value.reason == "FORBIDDEN"
        assert (await client.upsert_image(upload(22, "a"))).committed
        assert await client.delete_images(["p0", "p1", "p20"]) == 2


async def test_a_revoked_token_is_refused_even_within_a_stream(locked: Locked) -> None:
    made, text = tokens.create("short", frozenset({"ingest"}))
    locked.file.add(made)
    metadata = Credentials(token=text).metadata
    async with grpc.aio.insecure_channel(locked.address) as channel:
        call = GalleryServiceStub(channel).UpsertImages(timeout=DEADLINE, metadata=metadata)
        await call.write(upserts(1)[0])
        assert (await call.read()).HasField("committed")
        locked.file.remove(made.id)
        await call.write(upserts(2)[1])
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await call.read()
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert "p001" not in locked.gallery.view


async def test_tokens_that_cannot_be_read_let_nobody_in(
    locked: Locked, caplog: pytest.LogCaptureFixture
) -> None:
    async with locked.client("search") as client:
        await client.get_gallery()
        locked.file.path.write_text("{")
        with pytest.raises(UnavailableError, match="refuses all calls") as caught:
            await client.get_gallery()
    # Lost reads are repeated. This one was answered, and may be repeated after half a minute.
    assert caught.value.retry_seconds == 30
    assert [one.levelname for one in caplog.records].count("ERROR") == 1


@pytest.mark.parametrize("listen", ["0.0.0.0:0", "[::]:0", "example.org:50051"])
async def test_an_open_server_stays_on_loopback(
    model: MetricModel, gallery: Gallery, tmp_path: Path, listen: str
) -> None:
    accesses: list[dict[str, object]] = [{}, {"tokens": tmp_path / "tokens.json"}]
    for access in accesses:
        used = settings(server={"listen": listen}, access=access)
        with pytest.raises(ListenError, match=r"can be reached from other machines.*no TLS"):
            await create_server(model, gallery, used).start()


def test_a_token_never_leaves_in_the_clear() -> None:
    for target in ("example.org:50051", "10.0.0.1:50051"):
        with pytest.raises(CredentialsError, match="in the clear"):
            Client(target, credentials=Credentials(token="secret"))
    assert "secret" not in repr(Credentials(token="secret", key=b"secret"))
