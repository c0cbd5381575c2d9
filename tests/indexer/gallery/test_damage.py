"""What a disk can do to a gallery: each damage is found, named, and mended where that can be."""

import errno
import itertools
import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
from click.testing import CliRunner
from gallery_images import SPEC, image, parts
from gallery_writer import read_what_is_cut_short

from partlens.common.storage import Storage
from partlens.explainer.stored import Stored
from partlens.indexer.cli import index
from partlens.indexer.errors import DamagedError, LockedError, NewerFormatError, StorageError
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.row_file import RowFile
from partlens.indexer.gallery.scrub_record import ScrubRecord
from partlens.indexer.gallery.verification import Verification, repair, verify

IMAGES = 30
DEADLINE = 60


@pytest.fixture
def path(tmp_path: Path, storage: Storage) -> Path:
    """A gallery of two segments, one of them partly dead."""
    path = tmp_path / "gallery"
    with Gallery.create(path, SPEC, storage) as gallery:
        gallery.add([image(str(number)) for number in range(IMAGES)])
        gallery.add([image("3", 1), image("x")])
        gallery.delete(["4"])
    return path


def ranking(path: Path) -> list[tuple[str, float]]:
    hits = Gallery.open(path).view.search(parts(), "context", Filter(), 10)
    return [(hit.id, round(hit.score, 5)) for hit in hits]


def flip(file: Path) -> None:
    """Change one bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 4
    file.write_bytes(content)


def shorten(file: Path) -> None:
    os.truncate(file, file.stat().st_size * 2 // 3)


def empty(file: Path) -> None:
    os.truncate(file, 0)


DAMAGES = (flip, shorten, empty, Path.unlink)
# A trained index of a segment goes here when there is one: its checksum is among the segment's.
SEGMENT_FILES = ("contributions.npy", "bias.npy", "catalogue.arrow", "files.sha256")
ARRAYS_OF = [
    ("float16", "contributions.npy"),
    ("float16", "bias.npy"),
    ("int8", "contributions.npy"),
    ("int8", "scales.npy"),
]
FILES_OF = [*itertools.product(get_args(Storage), SEGMENT_FILES), ("int8", "scales.npy")]


def test_a_sound_gallery_is_found_sound(path: Path) -> None:
    outcome = verify(path)
    assert outcome.images == IMAGES and not outcome.findings and not outcome.unchecked
    result = CliRunner().invoke(index, ["verify", str(path), "--json"])
    assert result.exit_code == 0 and json.loads(result.stdout)["segments"] == 2


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(("storage", "file"), FILES_OF, indirect=["storage"])
def test_a_damaged_segment_is_found_and_made_again(
    path: Path, file: str, damage: Callable[[Path], object]
) -> None:
    before = ranking(path)
    segment = max((path / "segments").iterdir(), key=lambda each: each.stat().st_mtime)
    damage(segment / file)
    result = CliRunner().invoke(index, ["verify", str(path)])
    assert result.exit_code == 1
    assert segment.name in result.stdout and "--repair" in result.stdout
    result = CliRunner().invoke(index, ["verify", str(path), "--repair"])
    assert result.exit_code == 0, result.output
    assert not segment.exists() and ranking(path) == before


def test_a_flipped_byte_in_a_large_segment_is_found_where_opening_does_not_look(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partlens.indexer.gallery.segments._SMALL_BYTES", 0)
    before = ranking(path)
    damaged = set((path / "segments").iterdir())
    for segment in damaged:
        flip(segment / "contributions.npy")
    ranking(path)
    assert set((path / "segments").iterdir()) == damaged
    assert {f"segments/{each.name}" for each in damaged} <= {
        finding.place for finding in verify(path).findings
    }
    assert not repair(path).findings and ranking(path) == before


def test_rows_that_no_segment_holds_are_found(path: Path) -> None:
    shutil.rmtree(path / "segments")
    (finding,) = verify(path).findings
    assert "30 of 30" in str(finding) and finding.repairable
    assert not repair(path).findings


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("kind", ["data", "_deletions", "_versions"])
def test_damage_of_the_truth_is_found_and_nothing_else_is_thrown_away(
    path: Path, kind: str, damage: Callable[[Path], object]
) -> None:
    segments = sorted((path / "segments").iterdir())
    files = [file for file in (path / "truth.lance" / kind).iterdir() if file.suffix != ".json"]
    for file in files:
        damage(file)
    result = CliRunner().invoke(index, ["verify", str(path), "--repair"])
    assert (result.exit_code == 1 and "truth.lance" in result.output) or "damaged" in result.output
    assert sorted((path / "segments").iterdir()) == segments


def test_images_are_counted_beside_damage(path: Path) -> None:
    """Of two files of rows one is damaged: its images are counted, and those of the other read."""
    files = Gallery.open(path).view.version.needed()
    file, held, *_ = next(one for one in files if one.of_rows)
    shorten(path / file)
    result = CliRunner().invoke(index, ["verify", str(path), "--json"])
    assert result.exit_code == 1
    outcome = json.loads(result.stdout)
    assert outcome["images"] == IMAGES and outcome["whole"] == IMAGES - held > 0
    (finding,) = outcome["findings"]
    assert finding["place"] == file and finding["images"] == held
    text = CliRunner().invoke(index, ["verify", str(path), "--repair"]).stdout
    assert f"{held} images lie in it" in text and "nothing was repaired" in text
    assert f"{IMAGES} images, {IMAGES - held} read whole" in text


def test_images_that_cannot_be_counted_are_not_called_none(path: Path) -> None:
    (manifest,) = (
        path / place
        for place in Gallery.open(path).view.version.files()
        if place.startswith("truth.lance/_versions/")
    )
    flip(manifest)
    result = CliRunner().invoke(index, ["verify", str(path)])
    assert result.exit_code == 1 and manifest.name in result.stdout
    assert "the images cannot be counted" in result.stdout and "2 segments" in result.stdout


def test_a_damaged_choice_of_indexes_is_found(path: Path) -> None:
    (path / "indexes").mkdir(exist_ok=True)
    (path / "indexes/choice.json").write_text("{")
    result = CliRunner().invoke(index, ["verify", str(path)])
    assert result.exit_code == 1 and "delete it, and choose again" in result.stdout
    assert f"{IMAGES} images" in result.stdout


def test_a_row_whose_numbers_do_not_add_up_is_found_without_checksums(
    path: Path, storage: Storage
) -> None:
    (path / "truth.sha256").unlink()
    assert verify(path).unchecked
    largest = max((path / "truth.lance/data").iterdir(), key=lambda file: file.stat().st_size)
    content = bytearray(largest.read_bytes())
    numbers = Stored.of(image("7").contributions[None], storage).values[:].tobytes()
    at = content.index(numbers)
    content[at + 1] ^= 0x44  # the exponent of the first number, or the second
    largest.write_bytes(content)
    (finding, of_sums) = verify(path).findings
    assert "'7'" in str(finding) and "backup" in str(finding)
    assert of_sums.place == "truth.sha256" and repair(path).findings == (finding, of_sums)


@pytest.mark.parametrize("damage", [empty, Path.unlink])
def test_lost_checksums_are_damage_until_they_are_recorded_again(
    path: Path, damage: Callable[[Path], object]
) -> None:
    damage(path / "truth.sha256")
    (finding,) = verify(path).findings
    assert finding.place == "truth.sha256" and "--repair" in str(finding)
    with Gallery.open(path) as gallery:
        assert gallery.damage == (finding,)
        for change in (lambda: gallery.add([image("y")]), lambda: gallery.delete(["1"])):
            with pytest.raises(DamagedError, match=r"truth\.sha256"):
                change()
    result = CliRunner().invoke(index, ["verify", str(path), "--repair"])
    assert result.exit_code == 0, result.output
    assert not verify(path).unchecked
    with Gallery.open(path) as gallery:
        gallery.add([image("y")])


def test_lines_that_are_lost_from_the_checksums_are_damage(path: Path) -> None:
    sums = path / "truth.sha256"
    lines = sums.read_text().splitlines(keepends=True)
    gone = next(line for line in lines if "/data/" in line)
    sums.write_text("".join(line for line in lines if line != gone))
    (finding,) = verify(path).findings
    assert finding.place in gone and "checksum" in finding.problem


def test_checksums_that_an_earlier_version_lost_are_recorded_by_the_next_writer(path: Path) -> None:
    """It did not sync them, and recorded none of committed.json."""
    sums = path / "truth.sha256"
    lines = sums.read_text().splitlines(keepends=True)
    gone = next(line for line in lines if "/data/" in line)
    sums.write_text("".join(one for one in lines if one != gone and "committed.json" not in one))
    assert verify(path).unchecked == 1 and not verify(path).findings
    with Gallery.open(path) as gallery:
        gallery.delete(["nobody"])
    assert not verify(path).unchecked and not verify(path).findings


@pytest.mark.parametrize(
    "number", ["-1", "0", "1e3", "2.0", "true", '"2"', str(2**70), "9" * 5000, "null"]
)
@pytest.mark.parametrize("name", ["version", "revision"])
def test_a_number_of_the_newest_version_that_cannot_be_is_reported(
    path: Path, name: str, number: str
) -> None:
    plain = json.loads((path / "committed.json").read_text())
    text = json.dumps(plain | {name: "?"}).replace('"?"', number)
    if name == "revision" and number == "0":
        return
    with Gallery.open(path) as gallery:
        (path / "committed.json").write_text(text)
        for look in (lambda: verify(path), lambda: gallery.add([image("y")]), gallery.refresh):
            with pytest.raises(DamagedError, match=r"committed\.json"):
                look()
    result = CliRunner().invoke(index, ["verify", str(path)])
    assert result.exit_code == 1 and "committed.json" in result.output


def test_an_older_note_of_the_newest_version_rolls_nothing_back(path: Path) -> None:
    file = path / "committed.json"
    with Gallery.open(path) as gallery:
        older = file.read_bytes()
        gallery.add([image("y")])
        newest = file.read_bytes()
        file.write_bytes(older)
        for change in (lambda: gallery.add([image("z")]), gallery.refresh):
            with pytest.raises(DamagedError, match="not the last that was committed"):
                change()
        assert "y" in gallery.view
    with pytest.raises(DamagedError, match="not the last that was committed"):
        Gallery.open(path)
    (finding,) = [one for one in repair(path).findings if one.place == "committed.json"]
    assert "backup" in str(finding)
    file.write_bytes(newest)
    assert "y" in Gallery.open(path).view and not verify(path).findings


def test_a_lower_revision_is_not_given_again(path: Path) -> None:
    file = path / "committed.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"revision": 1}))
    with Gallery.open(path) as gallery, pytest.raises(DamagedError, match="revision 1"):
        gallery.add([image("y")])


@pytest.mark.parametrize("damage", [empty, Path.unlink])
def test_damage_that_is_met_while_writing_is_damage(
    path: Path, damage: Callable[[Path], object]
) -> None:
    with Gallery.open(path) as gallery:
        gallery.delete(["0"])
        for file in (path / "truth.lance/data").iterdir():
            damage(file)
        with pytest.raises(DamagedError, match="data/"):
            gallery.add([image("1", 5)])  # replaces, for which Lance reads the ids


@pytest.mark.parametrize("content", [b"", b"{}", b"[]", b'{"version": 2'])
def test_a_damaged_note_of_the_newest_version_is_reported(path: Path, content: bytes) -> None:
    (path / "committed.json").write_bytes(content)
    with pytest.raises(DamagedError, match=r"committed\.json"):
        verify(path)


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_commit_that_a_power_cut_left_in_pieces_stops_nobody(
    path: Path, damage: Callable[[Path], object]
) -> None:
    """Lance has named a version that was never synced: its files may hold anything."""
    gallery = Gallery.open(path)
    gallery._truth._to_write().delete("id = '7'")
    newest = min((path / "truth.lance/_versions").glob("*.manifest"))
    damage(newest)
    again = Gallery.open(path)
    assert "7" in again.view
    again.add([image("new")])
    assert {"7", "new"} <= {stored.id for stored in Gallery.open(path).view.list()}
    assert not verify(path).findings


def test_a_newer_format_says_what_to_do(path: Path) -> None:
    file = path / "gallery.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 1000}))
    with pytest.raises(NewerFormatError, match="upgrade partlens"):
        verify(path)


def test_two_writers_at_once_are_told_what_to_do(path: Path) -> None:
    with Gallery.open(path) as one, Gallery.open(path) as other:
        one.delete(["1"])
        for change in (lambda: other.add([image("y")]), lambda: repair(path)):
            with pytest.raises(LockedError, match="wait until it has ended"):
                change()
    assert not verify(path).findings


@contextmanager
def files_of_at_most(size: int) -> Iterator[None]:
    """As on a disk that is full: writes past a size fail, with the system's own error."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def files_below(path: Path) -> set[Path]:
    return {file for file in path.rglob("*") if file.is_file()}


def test_a_write_that_the_disk_refuses_changes_nothing(path: Path) -> None:
    before, files = ranking(path), files_below(path)
    with Gallery.open(path) as gallery:
        with files_of_at_most(4096), pytest.raises(StorageError, match="ulimit -f"):
            gallery.add([image(f"big{number}") for number in range(200)])
        assert len(gallery.view) == IMAGES
        left = files_below(path) - files - {path / "truth.lance/_versions/latest_version_hint.json"}
        assert not left, "a full disk must not fill up further"
        gallery.add([image("later")])
    assert len(Gallery.open(path).view) == IMAGES + 1 and not verify(path).findings
    with Gallery.open(path) as gallery:
        gallery.delete(["later"])
    assert ranking(path) == before


def test_a_segment_that_the_disk_refuses_is_made_when_there_is_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The commit is in the truth by then, so the images are there; they cost memory meanwhile."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with Gallery.open(path) as gallery:
        with monkeypatch.context() as full:
            full.setattr("partlens.indexer.gallery.segments.seal", refuse)
            gallery.add([image("y")])
        assert gallery.view.decompositions(["y"])[0].any()
        assert not [each for each in (path / "segments").iterdir() if each.name.startswith(".")]
    assert "lack 1 of 31" in str(verify(path).findings[0])
    Gallery.open(path)
    assert not verify(path).findings


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only a user who may mount can have a small file system")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_full_disk_loses_nothing_and_takes_images_again_when_there_is_room(
    small_disk: Path,
) -> None:
    path, added = small_disk / "gallery", 0
    with Gallery.create(path, SPEC) as gallery:
        filler = small_disk / "filler"
        filler.write_bytes(bytes(1024 * 1024))
        with pytest.raises(StorageError, match="disk is full; make room"):
            while added < 10_000:
                batch = [image(f"{added + number}") for number in range(100)]
                gallery.add([replace(one, thumbnail=bytes(200)) for one in batch])
                added += len(batch)
        assert len(gallery.view) == added > 0
        assert len(Gallery.open(path).view) == added
        filler.unlink()
        gallery.add([image("later")])
    assert len(Gallery.open(path).view) == added + 1 and not verify(path).findings


READER = """
import sys
from pathlib import Path
from gallery_images import image, parts
from partlens.indexer.errors import StorageError
from partlens.indexer.gallery import Filter, Gallery
gallery = Gallery.open(Path(sys.argv[1]))
assert gallery.view.search(parts(), "context", Filter(), 3)
for change in (lambda: gallery.add([image("y")]), lambda: gallery.delete(["1"]), gallery.compact):
    try:
        change()
    except StorageError as error:
        print(error)
"""


def test_a_read_only_folder_can_be_searched_and_says_why_it_takes_no_images(path: Path) -> None:
    shutil.rmtree(next((path / "segments").iterdir()))  # what is missing must not be needed on disk
    (path / "writer.lock").unlink()
    command = [sys.executable, "-c", READER, str(path)]
    if os.geteuid() == 0:  # whom modes do not bind, but for this
        command = ["setpriv", "--bounding-set=-dac_override", *command]
        if not shutil.which("setpriv"):
            pytest.skip("as root this needs setpriv")
    folders = [path, *(each for each in path.rglob("*") if each.is_dir())]
    try:
        for folder in folders:
            folder.chmod(0o555)
        ran = subprocess.run(
            command,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert ran.returncode == 0, ran.stderr
    lines = ran.stdout.splitlines()
    assert len(lines) == 3 and all("change its owner or mode" in line for line in lines)


@pytest.mark.parametrize("name", ["gallery.json", "committed.json", "truth.sha256"])
@pytest.mark.parametrize("what", ["a FIFO", "a folder", "a circle of links"])
def test_what_is_no_file_in_the_place_of_one_is_an_error(path: Path, name: str, what: str) -> None:
    """Opening a FIFO would wait forever."""
    file = path / name
    file.unlink(missing_ok=True)
    if what == "a FIFO":
        os.mkfifo(file)
    elif what == "a folder":
        file.mkdir()
    else:
        file.symlink_to(name)
    for look in (Gallery.open, verify):
        try:
            found = look(path)
        except DamagedError as error:
            assert name in str(error)
        else:
            assert isinstance(found, Verification) and found.findings


def test_a_list_of_images_that_changes_while_it_is_in_use_changes_no_answer(path: Path) -> None:
    view = Gallery.open(path).view
    for file in path.glob("segments/*/catalogue.arrow"):
        flip(file)
        shorten(file)
    stored = [view.stored([one.id]) for one in view.list()]
    assert [id for one in stored for id in one] == sorted(view.digests())
    assert view.search(parts(), "context", Filter(cameras=frozenset({""})), 10)


@pytest.mark.usefixtures("preloaded")
@pytest.mark.parametrize("damage", [shorten, empty])
@pytest.mark.parametrize(("storage", "file"), ARRAYS_OF, indirect=["storage"])
@pytest.mark.parametrize("engine", ["kernel", "numpy"])
def test_an_array_that_is_cut_short_while_it_is_read_ends_no_process(
    path: Path, file: str, damage: Callable[[Path], None], engine: str
) -> None:
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(
        target=read_what_is_cut_short, args=(path, file, damage, engine, theirs)
    )
    child.start()
    theirs.close()
    child.join(DEADLINE)
    assert child.exitcode == 0, "a negative number is a signal"
    # By CONTEXT, images are scored without their bias.
    needs_no_bias = [] if file == "bias.npy" else ["context"]
    assert ours.recv() == [*needs_no_bias, "whole", "decompositions"]


def test_a_file_of_rows_outlives_its_name_and_closes_with_its_last_user(tmp_path: Path) -> None:
    np.save(tmp_path / "array.npy", np.arange(6).reshape(3, 2))
    before = len(os.listdir("/proc/self/fd"))
    file = RowFile(tmp_path / "array.npy")
    (tmp_path / "array.npy").unlink()
    assert file[np.array([2, 0])].tolist() == [[4, 5], [0, 1]]
    assert len(os.listdir("/proc/self/fd")) == before + 1
    del file
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("kind", ["O", "by columns", "short", "no rows", "empty"])
def test_what_holds_no_rows_is_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "array.npy"
    array = np.arange(6.0).reshape(3, 2)
    made = {"by columns": np.asfortranarray(array), "no rows": np.array(1.0)}.get(kind, array)
    np.save(path, made.astype("O") if kind == "O" else made)
    if kind in ("short", "empty"):
        path.write_bytes(path.read_bytes()[:-1] if kind == "short" else b"")
    with pytest.raises((ValueError, OSError)):
        RowFile(path)


def test_rows_of_a_file_equal_those_of_the_array(tmp_path: Path) -> None:
    array = np.random.default_rng(0).standard_normal((3000, 2, 3)).astype(np.float32)
    np.save(tmp_path / "array.npy", array)
    file = RowFile(tmp_path / "array.npy")
    assert (len(file), file.shape, file.dtype) == (3000, (3000, 2, 3), array.dtype)
    some = np.random.default_rng(1).integers(0, 3000, 2500)
    for rows in (7, slice(None), slice(5, 1500), slice(0, 0), some, some[:0]):
        np.testing.assert_array_equal(file[rows], array[rows])
    for beyond in (3000, -1, np.array([1, 3000])):
        with pytest.raises(IndexError):
            file[beyond]


def test_a_scrub_record_that_is_no_file_is_begun_anew(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "scrub.json")
    assert ScrubRecord.read(tmp_path / "scrub.json") == ScrubRecord()


def test_a_gallery_of_an_earlier_version_says_what_to_do(path: Path) -> None:
    file = path / "gallery.json"
    plain = json.loads(file.read_text())
    del plain["model"]["extras"]
    file.write_text(json.dumps(plain))
    with pytest.raises(DamagedError, match=r"lacks extras.*`partlens index create`.*index add"):
        Gallery.open(path)
