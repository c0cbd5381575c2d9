"""No standing query that holds something of an erased image is left in silence."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from gallery_images import SPEC, image
from tests.server.standing.test_changing import made

from partlens.cli.main import main
from partlens.common.filters import Filter
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.snapshot_files import require_whole
from partlens.indexer.gallery.unfinished import unfinished
from partlens.runtime.config.sections import RetentionSection
from partlens.runtime.config.settings import Settings
from partlens.server.audit.log import AuditLog
from partlens.server.observe.metrics import Metrics
from partlens.server.query_images.query_id import query_id, stored_query_id
from partlens.server.retention.retaining import Retention, schedule
from partlens.server.standing.query import StandingQuery
from partlens.server.standing.store import StandingStore

GONE, DIGEST = "camera-7/gone.jpg", "ab" * 32
OTHER_MODEL = "sha256:other"
FROM_GALLERY, FROM_PICTURE, BY_FILTER, UNRELATED, UNREADABLE = (f"s-{n:016x}" for n in range(5))


def of(id: str, query: str) -> StandingQuery:
    """A standing query whose image has this query id."""
    one = made(id, OTHER_MODEL)
    images = (replace(one.search.images[0], id=query),)
    return replace(one, search=replace(one.search, images=images))


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A gallery with a standing query of each kind."""
    path = tmp_path / "people"
    at = datetime(2020, 1, 1, tzinfo=UTC)
    with Gallery.create(path, SPEC) as gallery:
        gone = replace(image(GONE, captured_at=at), media_digest=f"sha256:{DIGEST}")
        gallery.add([gone, image("other")])
    store = StandingStore(tmp_path / "people.standing", SPEC)
    other = stored_query_id(OTHER_MODEL, "other", "sha256:0")
    store.add(of(FROM_GALLERY, stored_query_id(OTHER_MODEL, GONE, "sha256:an earlier picture")))
    store.add(of(FROM_PICTURE, query_id(OTHER_MODEL, "data", bytes.fromhex(DIGEST))))
    inner = Filter(none_of=(Filter(exclude_media=(f"sha256:{DIGEST}",)),))
    store.add(replace(of(BY_FILTER, other), where=Filter(any_of=(inner,))))
    store.add(replace(of(UNRELATED, other), where=Filter(ids=("other",))))
    (tmp_path / "people.standing" / f"{UNREADABLE}.safetensors").write_bytes(b"?")
    return path


def partlens(*arguments: object) -> Result:
    return CliRunner().invoke(main, [str(argument) for argument in arguments])


def saved(folder: Path) -> set[str]:
    return {file.stem for file in folder.glob("*.safetensors")}


def test_they_are_listed_and_stay(filled: Path, tmp_path: Path) -> None:
    before, receipt = saved(tmp_path / "people.standing"), tmp_path / "receipt.json"
    done = partlens("index", "erase", filled, "--id", GONE, "--receipt", receipt)
    assert done.exit_code == 1 and "--delete-standing" in done.output
    told = json.loads(receipt.read_text())
    assert told["gone"] and told["standing_queries_deleted"] == []
    assert told["standing_queries_left"] == [FROM_GALLERY, FROM_PICTURE, BY_FILTER, UNREADABLE]
    assert all(id in done.output for id in told["standing_queries_left"])
    assert UNRELATED not in done.output and saved(tmp_path / "people.standing") == before


def test_they_are_still_known_when_the_command_is_repeated(filled: Path, tmp_path: Path) -> None:
    (tmp_path / "people.standing" / f"{UNREADABLE}.safetensors").unlink()
    erase = ("index", "erase", filled, "--id", GONE, "--receipt")
    assert partlens(*erase, tmp_path / "first.json").exit_code == 1
    again = partlens(*erase, tmp_path / "again.json", "--delete-standing")
    assert again.exit_code == 0, again.output
    told = json.loads((tmp_path / "again.json").read_text())
    assert told["standing_queries_deleted"] == [FROM_GALLERY, FROM_PICTURE, BY_FILTER]
    assert saved(tmp_path / "people.standing") == {UNRELATED}
    assert unfinished(FolderHome(filled)) == {}


def test_they_are_deleted_but_never_one_that_cannot_be_read(filled: Path, tmp_path: Path) -> None:
    snapshot, receipt, model = (tmp_path / one for one in ("snapshot", "receipt.json", "model"))
    model.mkdir()  # of the server: its weights are a file of the same kind
    (model / "model.json").write_text("{}")
    (model / "head.safetensors").write_bytes(b"weights")
    assert partlens("index", "snapshot", filled, snapshot, "--also", model).exit_code == 0
    done = partlens(
        "index", "erase", filled, "--id", GONE, "--receipt", receipt, "--delete-standing",
        "--snapshot", snapshot,
    )  # fmt: skip
    assert done.exit_code == 1 and UNREADABLE in done.output
    for place in (receipt, tmp_path / "receipt.json.1"):
        told = json.loads(place.read_text())
        assert told["gone"] and told["erased"] == [GONE]
        assert told["standing_queries_deleted"] == [FROM_GALLERY, FROM_PICTURE, BY_FILTER]
        assert told["standing_queries_left"] == [UNREADABLE]
    for folder in (tmp_path, snapshot):
        assert saved(folder / "people.standing") == {UNRELATED, UNREADABLE}
    require_whole(snapshot)
    (weights,) = snapshot.rglob("head.safetensors")
    assert weights.read_bytes() == b"weights"
    assert partlens("index", "restore", snapshot, tmp_path / "back").exit_code == 0


@pytest.mark.parametrize("delete", [False, True])
async def test_a_schedule_lists_or_deletes_them(
    filled: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, delete: bool
) -> None:
    section = RetentionSection(keep="30d", delete_standing=delete)
    planned = schedule(Settings(retention=section), "default", filled)
    log, figures = AuditLog(tmp_path / "audit.jsonl"), Metrics().gallery.of("default")
    log.open()
    with Gallery.open(filled) as gallery:
        assert planned
        await Retention("default", gallery, figures, planned, log, asyncio.Lock()).once()
        assert GONE not in gallery.view
    await log.close()
    assert (FROM_GALLERY in caplog.text) is not delete and UNREADABLE in caplog.text
    kept = {UNRELATED, UNREADABLE} | (set() if delete else {FROM_GALLERY, FROM_PICTURE, BY_FILTER})
    assert saved(tmp_path / "people.standing") == kept
    outcome = json.loads(log.path.read_text().splitlines()[-1])["outcome"]
    assert outcome == "TRACES_LEFT"
