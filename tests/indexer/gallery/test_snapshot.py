"""A snapshot is one committed version, whole or not there, whatever happens meanwhile."""

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import subprocess
import threading
from pathlib import Path

import pytest
from gallery_images import image, parts
from gallery_writer import snapshot_and_die

from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    NewerFormatError,
    NotFoundError,
    StorageError,
)
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.snapshot import Other, erase_from, restore, take
from partlens.indexer.gallery.snapshot_files import FACTS, SUMS
from partlens.indexer.gallery.unfinished import begin
from partlens.indexer.gallery.verification import verify

DEADLINE = 60.0


@pytest.fixture
def filled(gallery: Gallery) -> Gallery:
    gallery.add([image(f"photos/{number:04}.jpg", number) for number in range(20)])
    gallery.add([image("photos/0003.jpg", 77)])
    gallery.delete(["photos/0004.jpg"])
    return gallery


def answers(path: Path) -> list[tuple[str, float]]:
    view = Gallery.open(path).view
    return [(hit.id, hit.score) for hit in view.search(parts(), "context", Filter(), 100)]


@pytest.mark.parametrize("link", [True, False])
def test_a_restored_gallery_answers_as_the_one_before_and_can_be_changed(
    filled: Gallery, tmp_path: Path, link: bool
) -> None:
    before = answers(filled.path)
    facts = take(filled.path, tmp_path / "snapshot", link=link)
    filled.add([image("later")])
    filled.close()
    shutil.rmtree(filled.path)
    restore(tmp_path / "snapshot", tmp_path / "back", link=link)
    path = tmp_path / "back" / facts.gallery
    assert facts.images == 19 and answers(path) == before and not verify(path).findings
    with Gallery.open(path) as gallery:
        gallery.add([image("new")])
        gallery.delete(["photos/0001.jpg"])
        gallery.purge()
        assert len(gallery.view) == 19
    assert not verify(path).findings
    restore(tmp_path / "snapshot", tmp_path / "again")
    assert answers(tmp_path / "again" / facts.gallery) == before


def test_sha256sum_verifies_a_snapshot(filled: Gallery, tmp_path: Path) -> None:
    take(filled.path, tmp_path / "snapshot")
    check = ["sha256sum", "--check", "--quiet", SUMS]
    assert not subprocess.run(check, cwd=tmp_path / "snapshot", timeout=DEADLINE).returncode


@pytest.mark.parametrize("link", [True, False])
def test_snapshots_beside_a_busy_writer_hold_one_version_each(
    gallery: Gallery, tmp_path: Path, link: bool
) -> None:
    """Each commit replaces both images by ones of one seed; the writer purges all the time."""
    gallery.add([image("a", 0), image("b", 0)])
    done = threading.Event()

    def write() -> None:
        for seed in range(1, 400):
            if done.is_set():
                return
            gallery.add([image("a", seed), image("b", seed)])
            if seed % 5 == 0:
                gallery.purge()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(6):
            take(gallery.path, tmp_path / f"s{number}", link=link)
    finally:
        done.set()
        writer.join(DEADLINE)
    for number in range(6):
        with Gallery.open(tmp_path / f"s{number}" / gallery.path.name) as taken:
            digests = taken.view.digests()
            assert digests["a"] == digests["b"] and len(digests) == 2
        assert not verify(taken.path).findings


def test_an_image_that_is_erased_meanwhile_is_not_in_a_snapshot(
    filled: Gallery, tmp_path: Path
) -> None:
    erased = list[str]()

    def others() -> list[Other]:
        if not erased:
            erased.extend(erase(filled.path, ["photos/0001.jpg"]).erased)
        return []

    filled.close()
    facts = take(filled.path, tmp_path / "snapshot", others)
    assert erased == ["photos/0001.jpg"] and facts.images == 18
    files = [path for path in (tmp_path / "snapshot").rglob("*") if path.is_file()]
    assert not any(b"photos/0001.jpg" in path.read_bytes() for path in files)
    restore(tmp_path / "snapshot", tmp_path / "back")


def test_what_an_erasure_has_begun_is_finished_in_a_restored_gallery(
    filled: Gallery, tmp_path: Path
) -> None:
    begin(filled.home, {"photos/0001.jpg": ""})
    filled.delete(["photos/0001.jpg"])
    take(filled.path, tmp_path / "snapshot")
    restore(tmp_path / "snapshot", tmp_path / "back")
    path = tmp_path / "back" / filled.path.name
    assert erase(path, []).not_there == ("photos/0001.jpg",)
    files = [path for path in path.rglob("*") if path.is_file()]
    assert not any(b"photos/0001.jpg" in path.read_bytes() for path in files)


def test_damage_outside_the_gallery_is_found_after_an_erasure_from_a_snapshot(
    filled: Gallery, tmp_path: Path
) -> None:
    (tmp_path / "log").write_text("whole\n")
    take(filled.path, tmp_path / "snapshot", lambda: [Other(tmp_path / "log", "log")])
    (tmp_path / "snapshot" / "log").write_text("other\n")
    assert erase_from(tmp_path / "snapshot", ["photos/0001.jpg"]).gone
    with pytest.raises(DamagedError, match="log differs"):
        restore(tmp_path / "snapshot", tmp_path / "back")


NAMES = [
    "a\nb",
    "a\\nb",
    "a\u2028b",
    "a\x1cb",
    "a\x85b",
    "a\rb",
    "  a",
    "a ",
    "\\",
    os.fsdecode(b"\xff"),
]


def test_files_of_any_name_are_restored(filled: Gallery, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    for number, name in enumerate(NAMES):
        (folder / name).write_text(str(number))
    take(filled.path, tmp_path / "snapshot", lambda: [Other(folder / n, f"f/{n}") for n in NAMES])
    check = ["sha256sum", "--check", "--quiet", SUMS]
    assert not subprocess.run(check, cwd=tmp_path / "snapshot", timeout=DEADLINE).returncode
    restore(tmp_path / "snapshot", tmp_path / "back")
    assert [(tmp_path / "back" / "f" / name).read_text() for name in NAMES] == list("0123456789")


@pytest.mark.parametrize("kind", ["fifo", "dangling", "inside"])
def test_what_cannot_be_kept_is_named(filled: Gallery, tmp_path: Path, kind: str) -> None:
    source, target = tmp_path / "kept", tmp_path / "snapshot"

    def others() -> list[Other]:
        if kind == "inside":  # a folder that is kept, and holds the snapshot
            files = [path for path in tmp_path.rglob("*") if path.is_file()]
            return [Other(path, f"kept/{path.relative_to(tmp_path)}") for path in files]
        return [Other(source, "kept")]

    if kind == "fifo":
        os.mkfifo(source)
    problem = {"fifo": f"{source} .* a FIFO", "dangling": f"{source} is missing"}
    with pytest.raises(StorageError, match=problem.get(kind, "would hold itself")):
        take(filled.path, target, others)
    assert not target.exists()


WRONG = [
    ("origins", []), ("origins", {"elsewhere/a": 5}), ("origins", None), ("gallery", 5),
    ("images", "many"), ("images", 18), ("version", {}), ("format", "x"), ("taken_at", 1),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), WRONG)
def test_facts_that_are_not_true_are_named(
    filled: Gallery, tmp_path: Path, key: str, value: object
) -> None:
    snapshot = tmp_path / "snapshot"
    take(filled.path, snapshot)
    facts, sums = snapshot / FACTS, snapshot / SUMS
    before = hashlib.sha256(facts.read_bytes()).hexdigest()
    facts.write_text(json.dumps({**json.loads(facts.read_text()), key: value}))
    after = hashlib.sha256(facts.read_bytes()).hexdigest()
    sums.write_text(sums.read_text().replace(before, after))
    with pytest.raises(DamagedError, match=key):
        restore(snapshot, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def killed_at(path: Path, target: Path, at: int) -> bool:
    context = multiprocessing.get_context("forkserver")
    child = context.Process(target=snapshot_and_die, args=(path, target, at))
    child.start()
    child.join(DEADLINE)
    assert child.exitcode in (0, -signal.SIGKILL)
    return child.exitcode != 0


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("preloaded")
@pytest.mark.parametrize("step", [31, pytest.param(1, marks=pytest.mark.long)])
def test_a_killed_snapshot_leaves_nothing_or_a_whole_one(
    filled: Gallery, tmp_path: Path, step: int
) -> None:
    filled.close()
    before, at, target = answers(filled.path), 1, tmp_path / "snapshots" / "one"
    while killed_at(filled.path, target, at):
        if target.exists():
            restore(target, tmp_path / f"back-{at}")
            shutil.rmtree(target)
        at += step
    assert at > 1 and [path.name for path in target.parent.iterdir()] == ["one"]
    restore(target, tmp_path / "back")
    assert answers(tmp_path / "back" / filled.path.name) == before


@pytest.mark.parametrize("damage", ["remove", "change", "add", "link"])
def test_a_damaged_snapshot_is_not_restored(filled: Gallery, tmp_path: Path, damage: str) -> None:
    snapshot = tmp_path / "snapshot"
    take(filled.path, snapshot, link=False)
    file = next((snapshot / filled.path.name / "truth.lance" / "data").iterdir())
    if damage == "change":
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    elif damage == "add":
        (snapshot / "other").write_text("?")
    else:
        file.unlink()
        if damage == "link":
            file.symlink_to("/etc/hostname")
    with pytest.raises(DamagedError, match="other" if damage == "add" else file.name):
        restore(snapshot, tmp_path / "back")
    assert not (tmp_path / "back").exists()


def test_a_damaged_gallery_gives_no_snapshot(filled: Gallery, tmp_path: Path) -> None:
    file = next((filled.path / "truth.lance" / "data").iterdir())
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(DamagedError, match=file.name):
        take(filled.path, tmp_path / "snapshot")
    assert not os.path.lexists(tmp_path / "snapshot")
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".snapshot")]


def test_where_a_snapshot_goes(filled: Gallery, tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    with pytest.raises(AlreadyExistsError, match="choose another"):
        take(filled.path, tmp_path / "there")
    with pytest.raises(StorageError, match="lies in the gallery"):
        take(filled.path, filled.path / "snapshot")
    with pytest.raises(NotFoundError):
        take(tmp_path / "none", tmp_path / "snapshot")
    with pytest.raises(NotFoundError, match="no snapshot"):
        restore(filled.path, tmp_path / "back")


def test_a_newer_format_and_a_foreign_path_are_refused(filled: Gallery, tmp_path: Path) -> None:
    take(filled.path, tmp_path / "snapshot")
    facts = tmp_path / "snapshot" / FACTS
    text = facts.read_text()
    facts.write_text(text.replace('"format": 1', '"format": 2'))
    with pytest.raises(NewerFormatError):
        restore(tmp_path / "snapshot", tmp_path / "back")
    facts.write_text(text.replace(f': "{filled.path.name}"', ': "../elsewhere"'))
    with pytest.raises(DamagedError, match="names no gallery"):
        restore(tmp_path / "snapshot", tmp_path / "back")


def test_an_image_is_erased_from_a_snapshot_and_the_gallery_stays(
    filled: Gallery, tmp_path: Path
) -> None:
    before = answers(filled.path)
    take(filled.path, tmp_path / "snapshot")
    receipt = erase_from(tmp_path / "snapshot", ["photos/0001.jpg"])
    assert receipt.gone and receipt.erased == ("photos/0001.jpg",)
    files = [path for path in (tmp_path / "snapshot").rglob("*") if path.is_file()]
    assert not any(b"photos/0001.jpg" in path.read_bytes() for path in files)
    restore(tmp_path / "snapshot", tmp_path / "back")
    assert len(Gallery.open(tmp_path / "back" / filled.path.name).view) == 18
    assert answers(filled.path) == before and not verify(filled.path).findings


def test_a_growing_file_is_cut_to_whole_lines(filled: Gallery, tmp_path: Path) -> None:
    whole = b"".join(b"%d\n" % number for number in range(50_000))
    for name, tail in (("a", b"torn" * 30_000), ("b", b""), ("c", b"torn" * 40_000)):
        (tmp_path / name).write_bytes((b"" if name == "c" else whole) + tail)
    others = [Other(tmp_path / name, name, lines=True) for name in "abc"]
    take(filled.path, tmp_path / "snapshot", lambda: others)
    taken = [(tmp_path / "snapshot" / name).read_bytes() for name in "abc"]
    assert taken == [whole, whole, b""]
