"""An alias moves at once: no call fails, and no answer mixes two galleries."""

import asyncio
import json
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.server.audit.test_unwritable import is_healthy, wait_for_health
from tests.server.conftest import DEADLINE, picture
from tests.server.galleries.conftest import PREFIX, Two, serving, upserts
from tests.server.galleries.test_names import BOX, search
from tests.server.test_bad_input import failure, reason

from partlens.explainer.model import MetricModel
from partlens.runtime.errors import SettingsError
from partlens.server.audit.verification import verify
from partlens.server.errors import AliasError
from partlens.server.galleries.aliases import Alias, AliasFile, Move
from partlens.v1 import gallery_service_pb2 as pb
from partlens.v1 import image_pb2 as image_pb
from partlens.v1 import part_search_service_pb2 as search_pb
from partlens.v1 import standing_query_service_pb2 as standing_pb


def require_unmixed(answer: search_pb.SearchRegionsResponse) -> str:
    """The gallery of an answer, all of which is from it."""
    prefix = PREFIX[answer.gallery]
    assert answer.hits and all(hit.id.startswith(prefix) for hit in answer.hits)
    rows = {"people": 8, "people-v2": 12}[answer.gallery]
    assert {hit.map.rows for hit in answer.hits} == {rows}
    assert {query.rows for query in answer.queries} == {rows}
    return str(answer.gallery)


async def test_no_call_fails_and_no_answer_is_mixed_while_the_alias_moves(two: Two) -> None:
    stop = asyncio.Event()
    seen: dict[str, list[str]] = {"": [], "people": []}
    paged = list[tuple[str, ...]]()
    uploaded = list[tuple[str, str]]()

    async def searching(name: str) -> None:
        while not stop.is_set():
            answer = await two.search.SearchRegions(search(name, page_size=5), timeout=DEADLINE)
            seen[name].append(require_unmixed(answer))

    async def paging() -> None:
        while not stop.is_set():
            request, of = search("people", page_size=4), []
            while True:
                answer = await two.search.SearchRegions(request, timeout=DEADLINE)
                of.append(require_unmixed(answer))
                if not answer.next_page_token:
                    break
                request.page_token = answer.next_page_token
                await asyncio.sleep(0.01)
            paged.append(tuple(of))

    async def uploading() -> None:
        async def endless() -> Any:
            number = 0
            while not stop.is_set():
                yield pb.UpsertImagesRequest(
                    id=f"x{number}", data=picture(500 + number), gallery="other"
                )
                number += 1
                await asyncio.sleep(0.02)

        await two.move("other", "people")
        async for answer in two.gallery.UpsertImages(endless(), timeout=DEADLINE):
            uploaded.append((answer.id, answer.committed.gallery))

    # Uploads go through an alias of their own, as their ids would be taken for mixed answers.
    async with asyncio.TaskGroup() as tasks:
        for name in ("", "people"):
            tasks.create_task(searching(name))
        tasks.create_task(paging())
        for target in ("people-v2", "people", "people-v2"):
            await asyncio.sleep(0.4)
            await two.move("people", target)
            after = await two.search.SearchRegions(search("people"), timeout=DEADLINE)
            assert require_unmixed(after) == target
        await asyncio.sleep(0.3)
        stop.set()
    for name, galleries in seen.items():
        assert set(galleries) == set(PREFIX), name
        assert galleries[-1] == "people-v2"
    assert all(len(set(of)) == 1 for of in paged) and len({of[0] for of in paged}) == 2
    stop.clear()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(uploading())
        while len(uploaded) < 3:
            await asyncio.sleep(0.02)
        await two.move("other", "people-v2")
        while uploaded[-1][1] != "people-v2":
            await asyncio.sleep(0.02)
        stop.set()
    galleries = [gallery for _, gallery in uploaded]
    assert galleries == sorted(galleries), "an upload after the move went to the gallery before it"


async def test_a_query_id_from_before_is_refused_with_the_move(two: Two) -> None:
    found = await two.search.SearchRegions(search("people"), timeout=DEADLINE)
    stored = search("people")
    stored.images[0].CopyFrom(image_pb.QueryImage(gallery_id="a003"))
    of_stored = await two.search.SearchRegions(stored, timeout=DEADLINE)
    await two.move("people", "people-v2")
    for before in (found, of_stored):
        id = before.queries[0].query_id
        request = search("people")
        request.images[0].CopyFrom(image_pb.QueryImage(query_id=id))
        code, status = await failure(partial(two.search.SearchRegions, request, timeout=DEADLINE))
        assert code == grpc.StatusCode.NOT_FOUND
        if before is found:
            assert reason(status) == "QUERY_UNKNOWN"
            assert "'people-v2', to which 'people' leads since" in status.message


async def test_later_pages_stay_with_the_gallery_of_the_first(two: Two) -> None:
    listed = pb.ListImagesRequest(gallery="people", page_size=5)
    pages = [await two.gallery.ListImages(listed, timeout=DEADLINE)]
    await two.move("people", "people-v2")
    while token := pages[-1].next_page_token:
        listed.page_token = token
        pages.append(await two.gallery.ListImages(listed, timeout=DEADLINE))
    assert [image.id for page in pages for image in page.images] == [f"a{i:03}" for i in range(12)]


async def test_a_forged_page_token_opens_no_other_gallery(two: Two) -> None:
    listed = pb.ListImagesRequest(gallery="people", page_size=5)
    token = (await two.gallery.ListImages(listed, timeout=DEADLINE)).next_page_token
    for forged in (token.replace("people.", "people-v2."), token.replace("people.", "x."), "x"):
        listed.page_token = forged
        code, status = await failure(lambda: two.gallery.ListImages(listed, timeout=DEADLINE))
        assert (code, reason(status)) == (
            grpc.StatusCode.INVALID_ARGUMENT,
            "PAGE_TOKEN_INVALID",
        )


async def test_names_follow_moves_and_are_listed(two: Two, tmp_path: Path) -> None:
    assert (await two.move("people-old", "people")).before == ""
    assert (await two.move("people", "people-v2")).before == "people"
    answers = {name: await two.answering(name) for name in ("", "people", "people-old")}
    assert answers == {"": "people-v2", "people": "people-v2", "people-old": "people"}
    listed = (
        await two.gallery.ListGalleries(pb.ListGalleriesRequest(), timeout=DEADLINE)
    ).galleries
    assert [(one.name, one.gallery, one.default, one.images) for one in listed] == [
        ("people", "people-v2", True, 12),
        ("people-old", "people", False, 12),
        ("people-v2", "people-v2", False, 12),
    ]
    assert (await two.move("people", "people")).before == "people-v2"
    assert await two.answering("people") == "people"
    gone = pb.DeleteGalleryAliasRequest(alias="people-old")
    await two.gallery.DeleteGalleryAlias(gone, timeout=DEADLINE)
    code, _ = await failure(lambda: two.answering("people-old"))
    assert code == grpc.StatusCode.NOT_FOUND
    for alias, gallery in (("people", "nothing"), ("People!", "people"), ("x", "people-old")):
        code, _ = await failure(partial(two.move, alias, gallery))
        assert code == grpc.StatusCode.INVALID_ARGUMENT
    log = tmp_path / "audit.jsonl"
    verify(log)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    moves = [one for one in lines if one["method"] == "SetGalleryAlias" and "before" in one]
    assert [(one["alias"], one["before"], one["gallery"]) for one in moves] == [
        ("people-old", "", "people"),
        ("people", "people", "people-v2"),
        ("people", "people-v2", "people"),
    ]


async def test_watching_follows_the_alias(two: Two) -> None:
    """Also from a revision of the gallery before."""
    asked: dict[str, Any] = {
        "images": [image_pb.QueryImage(data=picture(100))],
        "regions": [search_pb.QueryRegion(region=BOX)],
        "threshold": -10.0,
    }
    for name in PREFIX:
        request = standing_pb.CreateStandingQueryRequest(gallery=name, name=name, **asked)
        saved = await two.standing.CreateStandingQuery(request, timeout=DEADLINE)
        assert saved.standing_query.gallery == name
    call = two.standing.WatchMatches(
        standing_pb.WatchMatchesRequest(gallery="people"), timeout=DEADLINE
    )
    await asyncio.sleep(0.3)
    await two.upload(upserts("people", range(40, 41)))
    first = await call.read()
    assert (first.hit.id, first.gallery) == ("a040", "people")
    moved = await two.move("people", "people-v2")
    assert [one.name for one in moved.left] == ["people"]
    await two.upload(upserts("people-v2", range(41, 43)))
    assert [(await call.read()).hit.id for _ in "xy"] == ["b041", "b042"]
    call.cancel()
    again = two.standing.WatchMatches(
        standing_pb.WatchMatchesRequest(
            gallery="people", after_revision=first.revision - 1, revision_gallery="people"
        ),
        timeout=DEADLINE,
    )
    found = [await again.read() for _ in range(3)]
    again.cancel()
    assert sorted(one.hit.id for one in found) == ["a040", "b041", "b042"]
    wrong = standing_pb.WatchMatchesRequest(after_revision=0, revision_gallery="x")

    async def ask() -> object:
        return [one async for one in two.standing.WatchMatches(wrong, timeout=DEADLINE)]

    code, status = await failure(ask)
    assert code == grpc.StatusCode.INVALID_ARGUMENT and "revision_gallery" in status.message


async def test_an_alias_survives_a_restart_and_must_lead_somewhere(
    models: dict[str, MetricModel], tmp_path: Path
) -> None:
    async with serving(models, tmp_path) as two:
        await two.move("people", "people-v2")
    async with serving(models, tmp_path) as two:
        assert await two.answering("people") == "people-v2"
    (name, model), *_ = models.items()
    with pytest.raises(SettingsError, match="alias people leads to the gallery people-v2"):
        async with serving({name: model}, tmp_path):
            pass


NAME = st.from_regex(r"[a-z0-9][a-z0-9_-]{0,20}", fullmatch=True)


@given(moves=st.lists(st.tuples(NAME, NAME, st.integers(0, 2**62)), max_size=20))
def test_what_is_written_is_read_back(
    tmp_path_factory: pytest.TempPathFactory, moves: list[tuple[str, str, int]]
) -> None:
    path = tmp_path_factory.mktemp("aliases") / "aliases.json"
    writer, reader, expected = AliasFile(path), AliasFile(path), dict[str, Alias]()
    for name, gallery, after in moves:
        move = Move(gallery, after, datetime(2026, 1, 1, tzinfo=UTC))

        def change(aliases: dict[str, Alias], name: str = name, move: Move = move) -> None:
            aliases[name] = aliases.get(name, Alias(())).moved(move)

        writer.change(change)
        change(expected)
        assert reader.read() == expected


@pytest.mark.parametrize(
    "content", ["", "{}", '{"format": 2, "aliases": {}}', '{"format": 1, "aliases": {"a": []}}',
                '{"format": 1, "aliases": {"../a": [{"gallery": "b", "after": 0, "at": "x"}]}}'],
)  # fmt: skip
def test_a_damaged_file_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "aliases.json"
    path.write_text(content)
    with pytest.raises(AliasError):
        AliasFile(path).read()


async def test_a_damaged_file_is_seen_without_a_call(two: Two, tmp_path: Path) -> None:
    path = tmp_path / "aliases.json"
    await two.move("current", "people-v2")
    whole = path.read_bytes()
    path.write_text("{broken")
    await wait_for_health(two, False)
    assert not await is_healthy(two, "partlens.aliases")
    path.write_bytes(whole)
    await wait_for_health(two, True)
