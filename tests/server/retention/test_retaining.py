"""Old images are erased on schedule, with a receipt and two audited lines, and no others."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from gallery_images import SPEC, image

from partlens.indexer.errors import ChangedError
from partlens.indexer.gallery import Correction, Gallery, Metadata
from partlens.indexer.gallery.erasure import erase_from_open
from partlens.indexer.gallery.unfinished import begin, unfinished
from partlens.runtime.config.sections import GallerySettings, RetentionSection, ServerSection
from partlens.runtime.config.settings import Settings
from partlens.server.audit.log import AuditLog
from partlens.server.audit.verification import verify
from partlens.server.observe.metrics import Metrics
from partlens.server.retention.retaining import Retention, schedule

NOW = datetime(2026, 6, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.wall, self.steady = NOW.timestamp(), 5.0

    def pass_by(self, seconds: float) -> None:
        self.wall += seconds
        self.steady += seconds


@pytest.fixture
async def log(tmp_path: Path) -> AsyncIterator[AuditLog]:
    made = AuditLog(tmp_path / "audit.jsonl")
    made.open()
    yield made
    await made.close()


@pytest.fixture
def filled(tmp_path: Path) -> Gallery:
    gallery = Gallery.create(tmp_path / "people", SPEC)
    ages = {"old": 31, "older": 400, "kept": 29, "future": -3}
    gallery.add(
        [
            *(image(id, captured_at=NOW - timedelta(days=days)) for id, days in ages.items()),
            image("undated"),
        ]
    )
    return gallery


def ids(gallery: Gallery) -> list[str]:
    return [stored.id for stored in gallery.view.list()]


def retention(gallery: Gallery, log: AuditLog, metrics: Metrics, clock: Clock) -> Retention:
    settings = Settings(retention=RetentionSection(keep="30d"))
    planned = schedule(settings, "people", gallery.path)
    assert planned
    return Retention(
        "people", gallery, metrics.gallery.of("people"), planned, log, asyncio.Lock(),
        lambda: clock.wall, lambda: clock.steady,
    )  # fmt: skip


def test_only_galleries_with_a_schedule_say_when_it_was_kept(
    filled: Gallery, log: AuditLog
) -> None:
    metrics = Metrics()
    metrics.gallery.of("cars")
    retention(filled, log, metrics, Clock())
    values = [
        metrics.registry.get_sample_value(
            "partlens_retention_completed_timestamp_seconds", {"gallery": name}
        )
        for name in ("people", "cars")
    ]
    assert values == [0, None]


async def test_what_is_too_old_is_erased_and_nothing_else(
    filled: Gallery, log: AuditLog, tmp_path: Path
) -> None:
    clock, metrics = Clock(), Metrics()
    work = retention(filled, log, metrics, clock)
    assert await work.once() and ids(filled) == ["future", "kept", "undated"]
    (receipt,) = (tmp_path / "people.receipts").iterdir()
    assert json.loads(receipt.read_text())["erased"] == ["old", "older"]
    lines = [json.loads(line) for line in log.path.read_text().splitlines()]
    assert [(line["event"], line["outcome"]) for line in lines] == [
        ("retention", "BEGUN"), ("retention", "OK")
    ]  # fmt: skip
    assert all(line["gallery"] == "people" for line in lines)
    assert lines[1]["deleted"] == 2 and lines[1]["begun"] == 1
    assert verify(log.path).entries == 2
    read, people = metrics.registry.get_sample_value, {"gallery": "people"}
    assert read("partlens_retention_erased_images_total", people) == 2
    assert read("partlens_retention_completed_timestamp_seconds", people) == clock.wall
    assert await work.once() and len(list((tmp_path / "people.receipts").iterdir())) == 1
    clock.pass_by(2 * 86400)
    assert await work.once() and ids(filled) == ["future", "undated"]


async def test_an_erasure_that_was_interrupted_is_finished(
    filled: Gallery, log: AuditLog, tmp_path: Path
) -> None:
    begin(filled.home, {"old": "sha256:0", "older": "sha256:1"})
    filled.delete(["old", "older"])  # and then the server was killed
    assert await retention(filled, log, Metrics(), Clock()).once()
    (receipt,) = (tmp_path / "people.receipts").iterdir()
    plain = json.loads(receipt.read_text())
    assert plain["not_there"] == ["old", "older"] and plain["gone"]
    files = [path for path in filled.path.rglob("*") if path.is_file()]
    assert not any(b"file:///older.jpg" in path.read_bytes() for path in files)
    assert not unfinished(filled.home)


async def test_without_a_place_for_the_receipt_nothing_is_erased(
    filled: Gallery, log: AuditLog, tmp_path: Path
) -> None:
    before = ids(filled)
    (tmp_path / "people.receipts").write_text("in the way")
    with pytest.raises(OSError, match=r"people\.receipts"):
        await retention(filled, log, Metrics(), Clock()).once()
    assert ids(filled) == before


@pytest.mark.parametrize("jump", [3e8, 61.0, -3600.0])
async def test_a_clock_that_jumps_erases_nothing(
    filled: Gallery, log: AuditLog, jump: float
) -> None:
    clock = Clock()
    work, before = retention(filled, log, Metrics(), clock), ids(filled)
    clock.wall += jump
    assert not await work.once() and ids(filled) == before
    clock.wall -= jump
    assert await work.once() and ids(filled) != before


async def test_another_writer_is_waited_for(filled: Gallery, log: AuditLog) -> None:
    filled.close()
    before, work = ids(filled), retention(filled, log, Metrics(), Clock())
    with Gallery.open(filled.path) as other:
        other.add([image("another")])
        assert not await work.once() and ids(filled) == before
    assert await work.once()
    outcomes = [json.loads(line)["outcome"] for line in log.path.read_text().splitlines()]
    assert outcomes == ["BEGUN", "FAILED", "BEGUN", "OK"]


def test_an_image_whose_time_is_corrected_meanwhile_stays(filled: Gallery) -> None:
    def confirmed() -> list[str]:
        new = Metadata(captured_at=NOW)
        filled.correct([Correction("old", "sha256:0", "file:///old.jpg", new)])
        return ["older"]

    with pytest.raises(ChangedError, match="'old'"):
        erase_from_open(filled, ["old", "older"], confirmed)
    assert "old" in ids(filled) and "older" in ids(filled)


@pytest.mark.parametrize("keep", ["0d", "a month", "30", "-1d"])
def test_a_period_must_be_a_positive_number_of_hours_days_or_weeks(keep: str) -> None:
    with pytest.raises(ValueError, match="hours, days or weeks"):
        RetentionSection(keep=keep)


def test_each_named_gallery_may_have_its_own_period() -> None:
    galleries = {
        "people": GallerySettings(path=Path("people")),
        "cars": GallerySettings(path=Path("cars"), keep="12h"),
        "archive": GallerySettings(path=Path("archive"), keep="never"),
    }
    server = ServerSection(galleries=galleries)
    for common in ("30d", None):
        section = RetentionSection(keep=common, receipts=Path("receipts"))
        made = {
            name: schedule(Settings(server=server, retention=section), name, Path(name))
            for name, one in galleries.items()
        }
        kept = {name: one.keep for name, one in made.items() if one}
        expected = {"people": timedelta(days=30)} if common else {}
        assert kept == {**expected, "cars": timedelta(hours=12)}
        folders = [one.receipts for one in made.values() if one]
        assert len(set(folders)) == len(folders), "else one receipt may replace another"
    with pytest.raises(ValueError, match="or never"):
        GallerySettings(path=Path("p"), keep="always")
