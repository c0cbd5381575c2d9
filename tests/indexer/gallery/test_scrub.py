"""Damage that appears in a gallery is found while it is in use, and nothing else is."""

import json
import multiprocessing
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from gallery_images import SPEC, image, parts
from gallery_writer import write_for_ever
from hypothesis import given, settings
from hypothesis import strategies as st

from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery import Filter, Gallery, NewImage, checksums
from partlens.indexer.gallery.findings import Finding
from partlens.indexer.gallery.following import Follower
from partlens.indexer.gallery.pace import Pace, StoppedError
from partlens.indexer.gallery.scrub_record import Pass, ScrubRecord, beside
from partlens.indexer.gallery.scrubbing import Scrubber
from partlens.indexer.gallery.verification import repair, verify

SOON, DEADLINE, FAST = 20.0, 60.0, 1e9
JUNK = bytes(range(0x81, 0xC1))


@dataclass
class Heard:
    """What a Scrubber told."""

    bytes: int = 0
    found_ones: list[Finding] = field(default_factory=list)
    cleared_ones: list[tuple[str, bool]] = field(default_factory=list)
    passes: list[Pass] = field(default_factory=list)

    def read(self, count: int) -> None:
        self.bytes += count

    def found(self, finding: Finding) -> None:
        self.found_ones.append(finding)

    def cleared(self, finding: Finding, *, mended: bool) -> None:
        self.cleared_ones.append((finding.place, mended))

    def passed(self, done: Pass) -> None:
        self.passes.append(done)


def made(number: int) -> NewImage:
    """An image whose thumbnail is large enough to be damaged alone."""
    thumbnail = np.random.default_rng(number).bytes(3000)
    return replace(image(str(number)), thumbnail=thumbnail)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A gallery of two segments, one of them partly dead, and two files of rows."""
    path = tmp_path / "gallery"
    with Gallery.create(path, SPEC) as gallery:
        gallery.add([made(number) for number in range(40)])
        gallery.add([made(number) for number in range(40, 60)])
        gallery.delete(["4"])
    return path


def overwrite(file: Path, share: float) -> None:
    """64 bytes in place, at a share of the file's length, as a bad disk or cable would."""
    size = file.stat().st_size
    with file.open("r+b") as opened:
        opened.seek(int(share * max(size - len(JUNK), 0)))
        opened.write(JUNK[:size])


def wait_until(met: Callable[[], bool], what: str = "") -> None:
    end = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < end, f"not within {SOON} s: {what}"
        time.sleep(0.01)


@contextmanager
def scrubbing(gallery: Gallery, every: float = 0.05) -> Iterator[tuple[Scrubber, Heard]]:
    heard = Heard()
    with closing(Scrubber(gallery, beside(gallery.path), heard, FAST, every)) as scrubber:
        yield scrubber, heard


def truth_files(path: Path, kind: str) -> list[Path]:
    current = Gallery.open(path).view.version.files()
    return sorted(path / place for place in current if place.startswith(f"truth.lance/{kind}/"))


OFFSETS = (0.0, 0.4, 1.0)


@pytest.mark.parametrize("share", OFFSETS)
@pytest.mark.parametrize("kind", ["data", "_deletions", "_versions"])
def test_overwritten_bytes_of_the_truth_are_named_with_what_is_lost(
    path: Path, kind: str, share: float
) -> None:
    with Gallery.open(path) as gallery, scrubbing(gallery) as (scrubber, heard):
        wait_until(lambda: bool(heard.passes))
        file = truth_files(path, kind)[0]
        place = file.relative_to(path).as_posix()
        overwrite(file, share)
        wait_until(lambda: bool(heard.found_ones), place)
        (finding,) = scrubber.findings
        assert finding.place == place and not finding.repairable and finding.images > 0
        assert len(gallery.view.search(parts(), "context", Filter(), 10)) == 10, (
            "what is whole is served"
        )
    outcome = verify(path)
    assert outcome.images in (59, None)
    assert [one.place for one in outcome.findings][:1] == [place]
    assert "backup" in str(outcome.findings[0])
    record = json.loads(beside(path).read_text())
    assert [one["place"] for one in record["findings"]] == [place]


@pytest.mark.parametrize("share", OFFSETS)
@pytest.mark.parametrize(
    "name", ["contributions.npy", "bias.npy", "catalogue.arrow", "files.sha256"]
)
def test_a_segment_that_is_damaged_in_use_is_made_again(
    path: Path, name: str, share: float
) -> None:
    with Gallery.open(path) as gallery, scrubbing(gallery) as (scrubber, heard):
        before = [
            (hit.id, hit.score) for hit in gallery.view.search(parts(), "context", Filter(), 59)
        ]
        folder = max((path / "segments").iterdir(), key=lambda each: each.stat().st_mtime)
        overwrite(folder / name, share)
        wait_until(lambda: bool(heard.cleared_ones), name)
        assert heard.cleared_ones == [(f"segments/{folder.name}", True)]
        assert not folder.exists() and not scrubber.findings
        after = [
            (hit.id, hit.score) for hit in gallery.view.search(parts(), "context", Filter(), 59)
        ]
        assert [id for id, _ in after] == [id for id, _ in before]
        np.testing.assert_allclose([s for _, s in after], [s for _, s in before], atol=1e-6)
    assert not verify(path).findings


def test_a_segment_is_not_made_again_from_a_truth_that_is_damaged_too(path: Path) -> None:
    with Gallery.open(path) as gallery:
        overwrite(truth_files(path, "data")[0], 0.5)
        folder = min((path / "segments").iterdir())
        overwrite(folder / "bias.npy", 0.9)
        with scrubbing(gallery) as (scrubber, heard):
            wait_until(lambda: len(heard.passes) > 2)
            assert len(scrubber.findings) == 2 and not heard.cleared_ones
        assert folder.exists()


def test_a_segment_is_made_again_when_the_other_writer_has_ended(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partlens.indexer.gallery.scrubbing._RETRY", 0.1)
    with Gallery.open(path) as gallery, Gallery.open(path) as writer:
        writer.delete(["7"])
        gallery.refresh()
        with scrubbing(gallery) as (scrubber, heard):
            folder = min((path / "segments").iterdir())
            overwrite(folder / "contributions.npy", 0.5)
            wait_until(lambda: bool(scrubber.findings))
            time.sleep(0.3)
            assert folder.exists() and not heard.cleared_ones
            writer.close()
            wait_until(lambda: bool(heard.cleared_ones))
    assert not verify(path).findings


def test_what_somebody_brings_back_is_damaged_no_more(path: Path) -> None:
    with Gallery.open(path) as gallery:
        file = truth_files(path, "data")[0]
        kept = file.with_name("kept")
        shutil.copy2(file, kept)
        with scrubbing(gallery, every=3600.0) as (scrubber, heard):
            wait_until(lambda: bool(heard.passes))
        overwrite(file, 0.5)
        with scrubbing(gallery, every=0.05) as (scrubber, heard):
            wait_until(lambda: bool(scrubber.findings))
        # The next server asks first for what the one before had found, long before a pass is due.
        with scrubbing(gallery, every=3600.0) as (scrubber, heard):
            wait_until(lambda: bool(scrubber.findings))
            kept.replace(file)
            wait_until(lambda: bool(heard.cleared_ones))
            assert heard.cleared_ones == [(file.relative_to(path).as_posix(), False)]


def test_a_pass_goes_on_where_it_was_stopped(path: Path) -> None:
    total, read = 0, 0
    with Gallery.open(path) as gallery:
        heard = Heard()
        slow = Scrubber(gallery, beside(path), heard, bytes_per_second=200_000)
        wait_until(lambda: heard.bytes > 60_000)
        begun = time.monotonic()
        slow.close()
        assert time.monotonic() - begun < DEADLINE / 10
        record = ScrubRecord.read(beside(path))
        assert record.last is None and record.running is not None and record.running.files > 0
        read = record.running.bytes
        with scrubbing(gallery, every=3600.0) as (scrubber, heard):
            wait_until(lambda: bool(heard.passes))
            total = heard.passes[0].bytes
            assert heard.bytes == total - read
        with scrubbing(gallery, every=3600.0) as (scrubber, heard):
            time.sleep(0.2)
            assert scrubber.last is not None and not heard.passes, "the next is not due yet"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"format": 2}', b"\xff\xfe", b"null"])
def test_a_record_that_cannot_be_read_is_written_anew(path: Path, content: bytes) -> None:
    beside(path).write_bytes(content)
    with Gallery.open(path) as gallery, scrubbing(gallery) as (_, heard):
        wait_until(lambda: bool(heard.passes))
    assert ScrubRecord.read(beside(path)).last is not None


@settings(max_examples=25)
@given(st.binary(max_size=200_000), st.sampled_from([1e7, 1e9]))
def test_a_slow_digest_is_the_digest(content: bytes, rate: float) -> None:
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        counted: list[int] = []
        assert Pace(rate, counted.append).digest(Path(file.name)) == checksums.digest(
            Path(file.name)
        )
        assert sum(counted) == len(content)


def test_a_pace_is_not_faster_than_it_says_and_stops_at_once(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(bytes(100_000))
    pace, begun = Pace(200_000), time.monotonic()
    pace.digest(file)
    assert time.monotonic() - begun >= 100_000 / 200_000
    pace.stop()
    with pytest.raises(StoppedError):
        pace.digest(file)


@pytest.mark.usefixtures("preloaded")
def test_nothing_is_found_in_a_sound_gallery_that_others_change_all_the_time(
    tmp_path: Path,
) -> None:
    """Another process adds, compacts, erases and purges; files come and go while they are read."""
    path = tmp_path / "gallery"
    Gallery.create(path, SPEC).close()
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=write_for_ever, args=(path, 11, theirs))
    seconds = 120.0 if os.environ.get("PARTLENS_TEST_LONG") == "1" else 6.0
    heard, commits, checks = Heard(), 0, 0
    reader = Gallery.open(path)
    with closing(Follower(reader, seconds=0.02)):
        child.start()
        theirs.close()
        with closing(Scrubber(reader, beside(path), heard, FAST, 0.01)):
            end = time.monotonic() + seconds
            try:
                while time.monotonic() < end or not commits:
                    assert ours.poll(DEADLINE)
                    commits += ours.recv()[1]
                    if commits % 50 == 0:
                        assert not verify(path).findings
                        checks += 1
            finally:
                child.kill()
                child.join(DEADLINE)
    assert not heard.found_ones and not heard.cleared_ones
    assert commits > 20 and checks > 0 and len(heard.passes) > 5


def test_opening_tells_of_damage_and_goes_on(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = truth_files(path, "data")[0]
    overwrite(file, 0.5)
    with Gallery.open(path) as gallery:
        (finding,) = gallery.damage
        assert finding.place == file.relative_to(path).as_posix() and finding.place in caplog.text
        assert len(gallery.view) == 59


@pytest.mark.parametrize("kind", ["_deletions", "_versions"])
def test_opening_refuses_what_says_which_images_there_are_if_it_was_changed(
    path: Path, kind: str
) -> None:
    file = truth_files(path, kind)[0]
    overwrite(file, 0.5)
    with pytest.raises(DamagedError, match=f"{file.relative_to(path)}.*backup"):
        Gallery.open(path)


def test_damaged_rows_are_not_copied_to_where_they_would_look_whole(path: Path) -> None:
    """A rewritten file gets a new checksum: what was damaged before it would be found no more."""
    file = truth_files(path, "data")[0]
    overwrite(file, 0.5)
    with Gallery.open(path) as gallery:
        for change in (gallery.compact, gallery.purge):
            with pytest.raises(DamagedError, match=file.name):
                change()
        gallery.add([made(100)])
        assert len(gallery.view) == 60
    assert [one.place for one in verify(path).findings] == [file.relative_to(path).as_posix()]


def test_a_damaged_segment_is_not_copied_to_where_it_would_look_whole(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partlens.indexer.gallery.segments._SMALL_BYTES", 0)
    for folder in (path / "segments").iterdir():
        overwrite(folder / "contributions.npy", 0.5)
    with Gallery.open(path) as gallery, pytest.raises(DamagedError, match="--repair"):
        gallery.compact()
    assert len(verify(path).findings) >= 2
    assert not repair(path).findings


def test_segments_are_not_made_of_rows_that_do_not_add_up(path: Path) -> None:
    (path / "truth.sha256").unlink()
    for file in truth_files(path, "data"):
        content = bytearray(file.read_bytes())
        numbers = made(7).contributions.astype("<f2").tobytes()
        if numbers in content:
            content[content.index(numbers) + 1] ^= 0x44
            file.write_bytes(content)
    shutil.rmtree(path / "segments")
    with pytest.raises(DamagedError, match="image '7' is not the sum"):
        Gallery.open(path)


def test_a_search_leaves_out_a_thumbnail_that_is_damaged(path: Path) -> None:
    with Gallery.open(path) as gallery:
        found = gallery.view.search(parts(), "context", Filter(), 59)
        first, second = truth_files(path, "data")
        os.truncate(first, 0)
        shown = gallery.view.with_thumbnails(found)
        unreadable = {one.id for one in shown if one.unreadable}
        assert unreadable in ({str(n) for n in range(40)} - {"4"}, {str(n) for n in range(40, 60)})
        for one in shown:
            assert one.thumbnail == (b"" if one.unreadable else made(int(one.id)).thumbnail)
        with pytest.raises(DamagedError):
            gallery.view.thumbnails([next(iter(unreadable))])
        assert second.exists()
