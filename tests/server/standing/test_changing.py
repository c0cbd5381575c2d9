"""Standing queries that are changed: images committed in a pause never match, all others do."""

import asyncio
import json
import os
import threading
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import grpc
import numpy as np
import pytest
from any_filter import filters
from hypothesis import HealthCheck, given
from hypothesis import settings as examples
from hypothesis import strategies as st
from server_process import server_process
from tests.server.conftest import DEADLINE, picture, settings, tiny_model, upserts
from tests.server.standing.test_standing import save, serving, watch

from partlens.client import Box, Client, QueryRegion, Upload
from partlens.common.filters import Filter, to_plain
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.audit.log import beside as audit_log
from partlens.server.audit.verification import verify
from partlens.server.errors import RequestError, UnknownStandingQueryError
from partlens.server.messages import decoding_filters
from partlens.server.query_images.prepared import PreparedRegion, PreparedSearch
from partlens.server.query_images.query import Query
from partlens.server.standing import messages
from partlens.server.standing.matcher import Matcher
from partlens.server.standing.pauses import Pauses
from partlens.server.standing.query import Change, StandingQuery
from partlens.server.standing.standing import beside
from partlens.server.standing.store import StandingStore
from partlens.v1 import standing_query_service_pb2 as pb
from partlens.v1.standing_query_service_pb2_grpc import StandingQueryServiceStub


async def change(
    standing: StandingQueryServiceStub,
    id: str,
    metadata: tuple[tuple[str, str], ...] = (),
    **fields: object,
) -> pb.StandingQuery:
    request = pb.UpdateStandingQueryRequest(id=id, **fields)  # type: ignore[arg-type]
    answer = await standing.UpdateStandingQuery(request, timeout=DEADLINE, metadata=metadata)
    return answer.standing_query  # type: ignore[no-any-return]


async def listed(standing: StandingQueryServiceStub) -> list[pb.StandingQuery]:
    request = pb.ListStandingQueriesRequest()
    answer = await standing.ListStandingQueries(request, timeout=DEADLINE)
    return list(answer.standing_queries)


@given(st.lists(st.sampled_from(["add", "pause", "resume"]), max_size=30))
def test_pauses_cover_exactly_what_is_committed_while_paused(events: list[str]) -> None:
    pauses, newest, paused, expected = Pauses(), 3, False, {}
    for event in events:
        if event == "add":
            newest += 1
            expected[newest] = paused
        else:
            paused = event == "pause"
            pauses = pauses.begun(newest) if paused else pauses.ended(newest)
        assert (pauses.since is not None) == paused
    assert {revision: pauses.cover(revision) for revision in expected} == expected
    assert paused or not any(pauses.cover(later) for later in range(newest + 1, newest + 4))
    # It grows with the commits, not with the calls.
    assert len(pauses.each) <= len(expected) + 1


def test_more_pauses_than_are_remembered_are_refused() -> None:
    pauses = Pauses()
    for number in range(1000):
        pauses = pauses.begun(2 * number).ended(2 * number + 1)
    with pytest.raises(RequestError, match="paused 1000 times"):
        pauses.begun(5000)
    assert pauses.begun(1999).cover(5000)  # no image since: the last one goes on


async def test_images_of_a_pause_never_match_and_all_others_do(
    model: MetricModel, gallery: Gallery, caplog: pytest.LogCaptureFixture
) -> None:
    one, two, three, four = ([request] for request in upserts(4))
    async with serving(model, gallery) as (running, standing):
        saved, other = await save(standing), await save(standing, name="other")
        assert not saved.paused
        watching = asyncio.create_task(watch(standing, 3, ids=(saved.id,)))
        await asyncio.sleep(0.5)
        await running.upload(one)
        assert (await change(standing, saved.id, paused=True)).paused
        assert [query.paused for query in await listed(standing)] == [True, False]
        await running.upload(two)
        assert {hit.hit.id for hit in await watch(standing, 2, 0, ids=(other.id,))} == {
            "p000",
            "p001",
        }
        resumed = await change(standing, saved.id, paused=False)
        assert resumed == saved
        await running.upload(three)
        await running.upload(four)
        assert [match.hit.id for match in await watching] == ["p000", "p002", "p003"]
        found = await watch(standing, 3, 0, ids=(saved.id,))
        assert [match.hit.id for match in found] == ["p000", "p002", "p003"]
        await change(standing, saved.id, paused=True)
    async with serving(model, Gallery.open(gallery.path)) as (running, standing):
        assert [query.paused for query in await listed(standing)] == [True, False]
        await running.upload(two)  # again, which makes it new
        await change(standing, saved.id, paused=False)
        await running.upload(one)
        found = await watch(standing, 3, 0, ids=(saved.id,))
        assert [match.hit.id for match in found] == ["p002", "p003", "p000"]
    assert "skipped standing query" not in caplog.text


async def test_a_pause_on_one_server_holds_for_what_another_commits(
    model: MetricModel, gallery: Gallery, tmp_path: Path
) -> None:
    """The server that is called learns of the other's commits from the disk, a moment later."""
    other = Gallery.open(gallery.path, model.spec)
    used = settings(access={"audit_log": tmp_path / "other.jsonl"})
    async with (
        serving(model, gallery) as (_, first),
        serving(model, other, used) as (writer, second),
    ):
        saved, expected = await save(first), []
        for number, request in enumerate(upserts(12)):
            if number % 3 == 1:
                await change(first if number % 2 else second, saved.id, paused=True)
            await writer.upload([request])
            if number % 3 == 1:
                await change(first, saved.id, paused=False)
            else:
                expected.append(request.id)
        for standing in (first, second):
            found = await watch(standing, len(expected), 0)
            assert [match.hit.id for match in found] == expected


async def test_a_new_name_and_threshold_hold_for_what_is_scored_from_now_on(
    model: MetricModel, gallery: Gallery
) -> None:
    async with serving(model, gallery) as (running, standing):
        saved = await save(standing)
        await running.upload(upserts(12))
        scores = {match.hit.id: match.hit.score for match in await watch(standing, 12, 0)}
        half = float(np.median(list(scores.values())))
        changed = await change(standing, saved.id, name="", threshold=half)
        expected = pb.StandingQuery()
        expected.CopyFrom(saved)
        expected.name, expected.threshold = "", half
        assert changed == expected and await listed(standing) == [changed]
        await running.upload(upserts(12))
        found = await watch(standing, 6, 0)
        assert {match.hit.id for match in found} == {id for id, at in scores.items() if at >= half}
        assert {match.standing_query_name for match in found} == {""}


async def test_a_change_is_in_the_audit_log_before_it_is_made(
    model: MetricModel, gallery: Gallery
) -> None:
    async with serving(model, gallery) as (_, standing):
        saved = await save(standing)
        await change(standing, saved.id, name="a", threshold=1, paused=True)
        await change(standing, saved.id, paused=False)
    log = audit_log(gallery.path)
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    changes = [one for one in lines if one.get("method") == "UpdateStandingQuery"]
    assert [(one["outcome"], one.get("changed")) for one in changes] == [
        ("BEGUN", "name,threshold,paused"),
        ("OK", "name,threshold,paused"),
        ("BEGUN", "resumed"),
        ("OK", "resumed"),
    ]
    assert changes[1]["standing"] == saved.id and not verify(log).unfinished


async def test_a_change_that_cannot_be_made_says_why(model: MetricModel, gallery: Gallery) -> None:
    wrong: list[tuple[dict[str, Any], str]] = [
        ({}, "set name, threshold or paused"),
        ({"threshold": float("nan")}, "threshold"),
        ({"threshold": float("inf"), "paused": True}, "threshold"),
        ({"name": 257 * "x"}, "257 characters; at most 256"),
    ]
    async with serving(model, gallery) as (_, standing):
        saved = await save(standing)
        for fields, words in wrong:
            with pytest.raises(grpc.aio.AioRpcError, match=words) as refused:
                await change(standing, saved.id, **fields)
            assert refused.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        for id in ("", "s-0123456789abcdef", "../x"):
            with pytest.raises(grpc.aio.AioRpcError, match="no standing query") as unknown:
                await change(standing, id, paused=True)
            assert unknown.value.code() is grpc.StatusCode.NOT_FOUND
        assert await listed(standing) == [saved]


def made(id: str, spec_digest: str) -> StandingQuery:
    """A small standing query of a model with a 8x4 grid and 6 dimensions."""
    numbers = np.random.default_rng(0).normal(size=(32, 6)).astype(np.float32)
    region = PreparedRegion(0, np.ones(32, np.float32), 1.0)
    search = PreparedSearch((Query("q", (40, 60), numbers, numbers[0]),), (region,), (), (8, 4))
    at = datetime(2026, 5, 1, tzinfo=UTC)
    return StandingQuery(id, "n", "", "part", 1.0, Filter(), at, 3, spec_digest, search)


ID = "s-0123456789abcdef"


def test_changes_of_several_servers_at_once_are_all_made(
    model: MetricModel, tmp_path: Path
) -> None:
    one, two = (StandingStore(tmp_path, model.spec) for _ in "ab")
    one.add(made(ID, model.spec.digest))

    def more(store: StandingStore, field: str) -> None:
        for _ in range(100):
            store.update(
                ID,
                lambda query: (
                    replace(query, threshold=query.threshold + 1)
                    if field == "threshold"
                    else replace(query, created_revision=query.created_revision + 1)
                ),
            )

    threads = [
        threading.Thread(target=more, args=args)
        for args in ((one, "threshold"), (two, "created_revision"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(DEADLINE)
    query = StandingStore(tmp_path, model.spec).read()[ID]
    assert (query.threshold, query.created_revision) == (101.0, 103)
    one.remove(ID)
    with pytest.raises(UnknownStandingQueryError):
        two.update(ID, lambda query: query)
    assert not list(tmp_path.glob("*.safetensors"))


def test_every_change_is_seen_even_in_the_same_moment(model: MetricModel, tmp_path: Path) -> None:
    """A clock that stands still: the time of the file says nothing."""
    writer, reader = (StandingStore(tmp_path, model.spec) for _ in "ab")
    writer.add(made(ID, model.spec.digest))
    (path,) = tmp_path.glob("*.safetensors")
    os.utime(path, ns=(1, 1))
    query = reader.read()[ID]
    for number in range(5):
        paused = number % 2 == 0
        writer.update(ID, lambda one, to=paused: one.changed(Change(paused=to), 3))  # type: ignore[misc]
        os.utime(path, ns=(1, 1))
        query = reader.read()[ID]
        assert query.paused == paused
    assert reader.read()[ID] is query


def test_only_files_with_pauses_need_this_version(model: MetricModel, tmp_path: Path) -> None:
    store = StandingStore(tmp_path, model.spec)
    store.add(made(ID, model.spec.digest))
    (path,) = tmp_path.glob("*.safetensors")
    assert b'"format\\": 1,' in path.read_bytes()
    # As written by earlier versions, without the field.
    field = b', \\"pauses\\": []'
    path.write_bytes(path.read_bytes().replace(field, b" " * len(field)))
    assert b"pauses" not in path.read_bytes()
    assert not StandingStore(tmp_path, model.spec).read()[ID].paused
    for paused, at in ((True, 5), (False, 7), (True, 7), (False, 9), (True, 12)):
        store.update(ID, lambda one, to=paused, at=at: one.changed(Change(paused=to), at))  # type: ignore[misc]
    whole = path.read_bytes()
    assert b'"format\\": 3,' in whole
    query = StandingStore(tmp_path, model.spec).read()[ID]
    assert [n for n in range(4, 15) if query.scores(n)] == [4, 5, 10, 11, 12]
    for damaged in (
        b"[[9, 5], [12, null]]",
        b"[[5, null], [9, 12]]",
        b"[[5, 9], [8, null]]",
        b"[[5, 9], 7]",
        b"5",
    ):
        text = damaged.ljust(len(b"[[5, 9], [12, null]]"))
        path.write_bytes(whole.replace(b"[[5, 9], [12, null]]", text))
        assert path.read_bytes() != whole
        assert StandingStore(tmp_path, model.spec).read() == {}


@examples(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(where=filters())
def test_a_saved_filter_is_read_back_and_hidden_from_versions_that_would_widen_it(
    model: MetricModel, tmp_path: Path, where: Filter
) -> None:
    store = StandingStore(tmp_path, model.spec)
    store.add(replace(made(ID, model.spec.digest), where=where))
    (path,) = tmp_path.glob("*.safetensors")
    found = StandingStore(tmp_path, model.spec).read()[ID]
    assert to_plain(found.where) == to_plain(where)
    texts = all(isinstance(wanted, str) for wanted in where.attributes.values())
    known = texts and not (where.all_of or where.any_of or where.none_of)
    format = 4 if not known else 3 if where.ids else 1
    assert f'"format\\": {format},'.encode() in path.read_bytes()
    shown = messages.standing_query(found, "").filter
    assert to_plain(decoding_filters.where(shown)) == to_plain(where)


def test_a_pause_survives_kill_9(tmp_path: Path) -> None:
    model = tiny_model().save(tmp_path / "model")
    Gallery.create(tmp_path / "gallery", model.spec).close()
    folders = tmp_path / "model", tmp_path / "gallery"

    def upload(client: Client, *numbers: int) -> None:
        sent = client.upsert_images([Upload(f"p{n}", picture(n)) for n in numbers])
        assert all(answer.committed for answer in sent)

    with server_process(*folders) as server, Client(server.address, DEADLINE) as client:
        client.wait_until_ready(DEADLINE)
        region = QueryRegion(Box(5, 0, 20, 20))
        saved = client.create_standing_query("n", [picture(100)], [region], -10)
        upload(client, 0)
        assert client.update_standing_query(saved.id, paused=True).paused
        server.process.kill()
    with server_process(*folders) as server, Client(server.address, DEADLINE) as client:
        client.wait_until_ready(DEADLINE)
        assert client.list_standing_queries() == [replace(saved, paused=True)]
        upload(client, 1)
        assert client.update_standing_query(saved.id, paused=False) == saved
        upload(client, 2)
        server.process.kill()
    with Gallery.open(tmp_path / "gallery") as gallery:
        store = StandingStore(beside(gallery.path), model.spec)
        _, matches = Matcher(gallery, store).since(0)
        assert [match.found.id for match in matches] == ["p0", "p2"]


def test_the_folder_holds_nothing_but_queries_and_the_lock(
    model: MetricModel, tmp_path: Path
) -> None:
    folder = beside(tmp_path / "gallery")
    store = StandingStore(folder, model.spec)
    store.add(made(ID, model.spec.digest))
    store.update(ID, lambda query: replace(query, name="other"))
    assert sorted(path.name for path in folder.iterdir()) == [".lock", f"{ID}.safetensors"]
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in folder.iterdir())
