"""A watcher that falls behind resumes after the last match it saw, and misses none."""

import asyncio
from pathlib import Path

import pytest
from tests.server.conftest import settings, upserts
from tests.server.standing.test_standing import save, serving

from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.server.errors import OverloadedError
from partlens.server.observe.metrics import Metrics
from partlens.server.standing import board as boards
from partlens.server.standing.board import Board
from partlens.server.standing.matcher import Matcher
from partlens.server.standing.standing import beside
from partlens.server.standing.store import StandingStore


@pytest.mark.parametrize(("name", "most"), [("_WAITING", 2), ("_WAITING_MATCHES", 2)])
async def test_a_slow_watcher_misses_nothing(
    model: MetricModel, gallery: Gallery, monkeypatch: pytest.MonkeyPatch, name: str, most: int
) -> None:
    monkeypatch.setattr(boards, name, most)
    monkeypatch.setattr(boards, "_LOOK_SECONDS", 0.01)
    async with serving(model, gallery) as (running, standing):
        await save(standing)
        store = StandingStore(beside(gallery.path), model.spec)
        board = Board(Matcher(gallery, store), Metrics().standing.of("default"), lambda *_: None)
        seen, last = list[str](), board.revision
        slow = board.watch(last)
        reading = asyncio.ensure_future(anext(slow))
        await asyncio.sleep(0.05)
        for one in upserts(8):  # each in a commit of its own
            await running.upload([one])
            await asyncio.sleep(0.1)
        overloads = 0
        while len(seen) < 8:
            try:
                note = await asyncio.wait_for(reading, 10)
                seen += [match.found.id for match in note.matches]
                last = max(last, note.revision)
            except OverloadedError:
                overloads += 1
                slow = board.watch(last)
            reading = asyncio.ensure_future(anext(slow))
        reading.cancel()
        await board.close()
    assert overloads and seen == [f"p{n:03}" for n in range(8)]


async def test_only_changed_files_are_read_again(
    model: MetricModel, gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = settings()
    async with serving(model, gallery, used) as (_, standing):
        kept, gone = await save(standing), await save(standing)
        folder = beside(gallery.path)
        store = StandingStore(folder, model.spec)
        before = store.read()
        assert store.read() is before and set(before) == {kept.id, gone.id}
        store.remove(gone.id)
        added = await save(standing)
        after = store.read()
        assert set(after) == {kept.id, added.id}
        assert after[kept.id] is before[kept.id], "its file has not changed"
        file = Path(folder / f"{kept.id}.safetensors")
        file.write_bytes(file.read_bytes()[:-8])
        assert set(store.read()) == {added.id}
