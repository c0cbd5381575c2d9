"""What was erased is in no byte of any file; what was not is as it was."""

import json
import multiprocessing
import shutil
import signal
import tempfile
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from gallery_images import image, parts
from gallery_writer import erase_and_die
from hypothesis import given, settings
from hypothesis import strategies as st

from partlens.cli.index import index
from partlens.common.storage import Storage
from partlens.explainer.stored import Stored
from partlens.indexer.gallery import Filter, Gallery, NewImage
from partlens.indexer.gallery.erasure import erase, erase_from_open
from partlens.indexer.gallery.following import Follower
from partlens.indexer.gallery.home.folder import FolderHome
from partlens.indexer.gallery.markers import Marker, MarkerSearch, data_markers
from partlens.indexer.gallery.neighbours import Neighbours
from partlens.indexer.gallery.unfinished import finish, unfinished
from partlens.indexer.gallery.verification import verify

DEADLINE = 60.0
GONE = "camera-7/person-0042.jpg"
LEFT = "0123456789abcdef" * 2
"""Name of a segment that a killed writer left."""


def picture(id: str, seed: int = 0, **metadata: Any) -> NewImage:
    """An image with a thumbnail of many different bytes, as a real one has."""
    random = np.random.default_rng([seed, 1, *id.encode()])
    made = image(id, seed, **metadata)
    return replace(made, thumbnail=random.bytes(1500), media_digest=f"sha256:{random.bytes(16)!r}")


def traces(one: NewImage, storage: Storage) -> list[bytes]:
    kept = Stored.of(one.contributions[None], storage)
    numbers = kept.values[:].tobytes() if kept.scales is None else kept.scales[:].tobytes()
    texts = [one.id.encode(), one.uri.encode()]
    return [*texts, one.thumbnail[200:260], kept.values[:].tobytes()[20:60], numbers[4:44]]


def files_with(path: Path, trace: bytes) -> list[str]:
    files = [file for file in path.rglob("*") if file.is_file()]
    return [str(file.relative_to(path)) for file in files if trace in file.read_bytes()]


@pytest.fixture
def filled(gallery: Gallery) -> Gallery:
    """Fifty images; the one to go was replaced once, and lies beside others everywhere."""
    gallery.add([picture(GONE), *(picture(f"others/{number:04}.jpg") for number in range(25))])
    gallery.add([picture(f"others/{number:04}.jpg") for number in range(25, 49)])
    gallery.add([picture(GONE, 1)])
    gallery.delete(["others/0007.jpg"])
    gallery.close()
    return gallery


def test_an_erased_image_is_in_no_file(filled: Gallery, storage: Storage) -> None:
    path, old, new = filled.path, picture(GONE), picture(GONE, 1)
    for trace in (*traces(old, storage), *traces(new, storage)):
        assert files_with(path, trace), "else finding nothing later would say nothing"
    before = {hit.id: hit.score for hit in filled.view.search(parts(), "context", Filter(), 100)}
    receipt = erase(path, [GONE, "nobody"])
    neighbour = traces(picture("others/0007.jpg"), storage)
    for trace in (*traces(old, storage), *traces(new, storage), *neighbour[2:]):
        assert not files_with(path, trace)
    assert receipt.gone and receipt.erased == (GONE,) and receipt.not_there == ("nobody",)
    for kind, evidence in receipt.evidence.items():
        assert evidence.found_before > 0 == evidence.found_after, kind
    assert receipt.files_removed and receipt.files_written and receipt.images_left == 48
    left = Gallery.open(path)
    after = {hit.id: hit.score for hit in left.view.search(parts(), "context", Filter(), 100)}
    assert after == pytest.approx({id: s for id, s in before.items() if id != GONE}, abs=1e-5)
    assert not verify(path).findings


def test_what_was_deleted_earlier_leaves_the_files_too(filled: Gallery, storage: Storage) -> None:
    with Gallery.open(filled.path) as gallery:
        gallery.delete([GONE])
    assert files_with(filled.path, GONE.encode())
    receipt = erase(filled.path, [GONE])
    assert receipt.gone and receipt.not_there == (GONE,)
    assert not files_with(filled.path, GONE.encode())
    for trace in traces(picture(GONE, 1), storage):
        assert not files_with(filled.path, trace)


def test_what_a_killed_writer_left_is_erased_too(filled: Gallery, storage: Storage) -> None:
    with Gallery.open(filled.path) as gallery:
        gallery._truth._to_write().delete(f"id = '{GONE}'")  # named by Lance, never acknowledged
        draft = filled.path / "segments" / f".{LEFT}"
        draft.mkdir()
        (draft / "contributions.npy").write_bytes(traces(picture(GONE, 1), storage)[3])
    assert erase(filled.path, [GONE]).gone
    for trace in traces(picture(GONE, 1), storage):
        assert not files_with(filled.path, trace)


def test_uploads_meanwhile_are_no_traces(gallery: Gallery) -> None:
    """A server adds and deletes images while its old ones are erased."""
    gallery.add([picture(f"old/{number:04}.jpg") for number in range(20)])
    done = threading.Event()

    def write() -> None:
        for number in range(1000):
            if done.is_set():
                return
            gallery.add([picture(f"new/{number:04}-{part}.jpg") for part in range(3)])
            gallery.delete([f"new/{number:04}-1.jpg"])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(5):
            receipt = erase_from_open(gallery, [f"old/{number:04}.jpg"])
            assert receipt.gone and receipt.versions_left == 1, receipt
            finish(gallery.home)
    finally:
        done.set()
        writer.join(DEADLINE)
    gallery.close()
    assert not files_with(gallery.path, b"old/0004.jpg")
    assert files_with(gallery.path, b"old/0005.jpg") and not verify(gallery.path).findings


@pytest.mark.timeout(600)
@pytest.mark.usefixtures("preloaded")
@pytest.mark.parametrize("step", [37, pytest.param(1, marks=pytest.mark.long)])
def test_an_erasure_that_was_killed_is_finished_by_the_next(filled: Gallery, step: int) -> None:
    """Even if that one is of other images, or of none."""
    context = multiprocessing.get_context("forkserver")
    path, traced, at, code = filled.path, traces(picture(GONE, 1), filled.bound.storage), 1, -1
    begun = 0
    while code:
        killed = path.with_name(f"killed-{at}")
        shutil.copytree(path, killed)
        child = context.Process(target=erase_and_die, args=(killed, [GONE], at))
        child.start()
        child.join(DEADLINE)
        code = child.exitcode or 0
        assert code in (0, -signal.SIGKILL)
        with Gallery.open(killed) as left:
            there = GONE in left.view
            begun += bool(unfinished(FolderHome(killed))) and not there
        receipt = erase(killed, [])
        if there:
            assert receipt.not_there == ()
        else:
            assert receipt.gone and not unfinished(FolderHome(killed))
            assert not [trace for trace in traced if files_with(killed, trace)], at
        shutil.rmtree(killed)
        at += step
    assert begun, "else no erasure was killed in the midst of it"


def left_without_checksums(segment: Path) -> None:
    (segment / "files.sha256").unlink()


def left_empty(segment: Path) -> None:
    shutil.rmtree(segment)
    segment.mkdir()


def left_as_a_file(segment: Path) -> None:
    shutil.rmtree(segment)
    segment.write_bytes(b"?")


@pytest.mark.parametrize("leave", [left_without_checksums, left_empty, left_as_a_file])
def test_a_segment_that_was_removed_in_part_hinders_no_erasure(
    filled: Gallery, leave: Callable[[Path], None], storage: Storage
) -> None:
    """Under its own name, as a version that renamed nothing or a power cut may leave it."""
    copy = filled.path.parent / "copy"
    used = next(segment.path for segment in filled.view.live.segments)
    assert used
    shutil.copytree(used, copy)
    with Gallery.open(filled.path) as gallery:
        gallery.compact()
    shutil.move(copy, filled.path / "segments" / LEFT)
    leave(filled.path / "segments" / LEFT)
    (filled.path / "indexes" / f".{LEFT}.draft").mkdir(parents=True)
    assert erase(filled.path, [GONE]).gone
    assert len(list((filled.path / "segments").iterdir())) == 1
    assert not list((filled.path / "indexes").iterdir())
    for trace in traces(picture(GONE, 1), storage):
        assert not files_with(filled.path, trace)
    assert not verify(filled.path).findings


def test_a_copy_under_another_id_stays_and_is_no_trace(filled: Gallery) -> None:
    copy = replace(picture(GONE, 1), id="others/copy.jpg", uri="file:///others/copy.jpg")
    with Gallery.open(filled.path) as gallery:
        gallery.add([copy])
    receipt = erase(filled.path, [GONE])
    assert receipt.gone
    assert receipt.evidence["thumbnail"].shared and not receipt.evidence["id"].shared
    assert Gallery.open(filled.path).view.thumbnails(["others/copy.jpg"]) == [copy.thumbnail]


@pytest.mark.parametrize("form", ["{:08}", "person-{}"])
def test_an_id_that_only_other_ids_spell_is_no_trace(gallery: Gallery, form: str) -> None:
    """As 00000003 and 00000004 do with 00000000, and person-10 with person-1."""
    ids = [form.format(number) for number in range(60)]
    gallery.add([picture(id) for id in ids])
    gallery.close()
    gone = ids[:3]
    receipt = erase(gallery.path, gone)
    assert receipt.gone and receipt.evidence["id"].shared
    (gallery.path / "notes.txt").write_text(f"see {gone[1]} and {ids[11]}")
    receipt = erase(gallery.path, gone)
    assert not receipt.gone and receipt.evidence["id"].found_after == 1


def test_what_is_still_there_is_told(filled: Gallery, tmp_path: Path) -> None:
    (filled.path / "notes.txt").write_text(f"see {GONE}")
    result = partlens("erase", filled.path, "--id", GONE, "--receipt", tmp_path / "receipt.json")
    assert result.exit_code == 1 and "receipt.json" in result.output
    receipt = json.loads((tmp_path / "receipt.json").read_text())
    assert not receipt["gone"] and receipt["evidence"]["id"]["found_after"] == 1


def test_a_reader_that_has_it_open_goes_on_without_it(filled: Gallery) -> None:
    reader = Gallery.open(filled.path)
    with closing(Follower(reader, seconds=0.02)):
        assert GONE in reader.view
        erase(filled.path, [GONE])
        for _ in range(20):
            hits = reader.view.search(parts(), "context", Filter(), 100)
            assert len(hits) in (48, 49)
        assert GONE not in {hit.id for hit in reader.view.search(parts(), "context", Filter(), 100)}


def partlens(*arguments: object) -> Result:
    return CliRunner().invoke(index, [str(argument) for argument in arguments])


def test_a_receipt_goes_where_nothing_is_and_not_into_the_gallery(
    filled: Gallery, tmp_path: Path
) -> None:
    there = tmp_path / "there.json"
    there.touch()
    for place in (there, filled.path / "receipt.json", tmp_path / "no folder" / "receipt.json"):
        result = partlens("erase", filled.path, "--id", GONE, "--receipt", place)
        assert result.exit_code == 1 and "choose another" in result.output
    assert GONE in Gallery.open(filled.path).view


def test_retention_by_age_and_camera(gallery: Gallery, tmp_path: Path) -> None:
    now = datetime.now(UTC)
    gallery.add(
        [
            picture("old a", captured_at=now - timedelta(days=31), camera="a"),
            picture("old b", captured_at=now - timedelta(days=31), camera="b"),
            picture("new a", captured_at=now - timedelta(days=29), camera="a"),
            picture("undated", camera="a"),
        ]
    )
    gallery.close()
    looked = partlens("retain", gallery.path, "--keep", "30d")
    assert looked.output.splitlines()[1:-1] == ["old a", "old b"] and looked.exit_code == 0
    assert "1 are not; 1 have no capture time" in looked.output
    assert len(Gallery.open(gallery.path).view) == 4
    receipt = tmp_path / "receipt.json"
    done = partlens("retain", gallery.path, "--keep", "30d", "--camera", "a", "--receipt", receipt)
    assert done.exit_code == 0, done.output
    assert json.loads(receipt.read_text())["erased"] == ["old a"]
    assert [stored.id for stored in Gallery.open(gallery.path).view.list()] == [
        "new a", "old b", "undated"
    ]  # fmt: skip
    assert partlens("retain", gallery.path, "--keep", "a month").exit_code == 2


@given(
    st.binary(min_size=50, max_size=400),
    st.lists(st.tuples(st.integers(0, 40), st.integers(8, 40)), min_size=1, max_size=8),
    st.lists(st.binary(min_size=8, max_size=12), max_size=4),
)
def test_the_search_for_many_patterns_equals_one_for_each(
    data: bytes, spans: list[tuple[int, int]], others: list[bytes]
) -> None:
    patterns = [data[start : start + length] for start, length in spans]
    markers = {Marker("x", pattern) for pattern in [*patterns, *others] if len(pattern) >= 8}
    expected = {marker for marker in markers if marker.pattern in data}
    assert MarkerSearch(markers).found_among(data) == expected


def test_patterns_are_found_across_the_pieces_that_a_file_is_read_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partlens.indexer.gallery.markers._CHUNK_BYTES", 50)
    data = np.random.default_rng(0).bytes(1000)
    (tmp_path / "file").write_bytes(data)
    markers = {Marker("x", data[start : start + 32]) for start in range(0, 968, 7)}
    assert MarkerSearch(markers).found_in(tmp_path / "file") == markers


def sparse(random: np.random.Generator, *, density: float) -> NewImage:
    """An image as after a ReLU: few numbers, zeros of both signs, and positions of zeros only."""
    one = picture(f"sparse/{random.integers(10**9):09}.jpg")
    numbers = random.standard_normal(one.contributions.shape).astype(np.float32)
    kept = random.random(numbers.shape) < density
    kept[::4] = False
    signs = np.where(random.random(numbers.shape) < 0.5, np.float32(0), np.float32(-0.0))
    return replace(one, contributions=np.where(kept, numbers, signs))


@pytest.mark.parametrize("density", [0.3, 0.6])
def test_sparse_numbers_are_erased_too(gallery: Gallery, storage: Storage, density: float) -> None:
    random = np.random.default_rng(0)
    images = [sparse(random, density=density) for _ in range(30)]
    gone, shared = images[3], images[3].contributions[:2].copy()
    shared[:] = random.standard_normal(shared.shape)
    for one in (gone, images[4]):
        one.contributions[5:7] = shared
    gallery.add(images)
    gallery.close()
    receipt = erase(gallery.path, [gone.id])
    assert receipt.gone and receipt.evidence["contributions"].found_before
    kept = Stored.of(gone.contributions[None], storage).values[:].tobytes()
    assert not files_with(gallery.path, kept) and not files_with(gallery.path, gone.id.encode())
    left = Gallery.open(gallery.path).view
    assert left.decompositions([images[4].id])[0][0][5:7] == pytest.approx(shared, abs=0.02)


@given(
    st.lists(st.from_regex(r"[01]{8,10}", fullmatch=True), min_size=2, max_size=12, unique=True),
    st.binary(max_size=40),
)
def test_a_text_is_explained_where_other_texts_stand_and_nowhere_else(
    texts: list[str], junk: bytes
) -> None:
    gone, left = texts[0], texts[1:]
    marker, folder = Marker("id", gone.encode()), Path(tempfile.mkdtemp())
    known = Neighbours([marker], [left])
    (folder / "left").write_bytes(b"\xff" * 20 + "".join(left).encode() + b"\xff" * 20)
    (folder / "gone").write_bytes(junk + b"\xff" + gone.encode() + b"\xff" * 20)
    assert not known.unexplained([folder / "left"])
    assert known.unexplained([folder / "left", folder / "gone"]) == {marker}
    shutil.rmtree(folder)


@given(st.integers(0, 2**32 - 1), st.floats(0, 1), st.integers(0, 3000), st.sampled_from("be"))
def test_markers_are_unlikely_stretches_of_the_data(
    seed: int, density: float, count: int, kind: str
) -> None:
    random = np.random.default_rng(seed)
    numbers = random.standard_normal(count) * 40 * (random.random(count) < density)
    data = numbers.astype({"b": "i1", "e": "f2"}[kind]).tobytes()
    patterns = [marker.pattern for marker in data_markers("contributions", data)]
    assert all(pattern in data and len(set(pattern)) >= 12 for pattern in patterns)
    if len(data) >= 256 and len(set(data[:256])) >= 12:
        assert patterns


@settings(max_examples=40)
@given(
    st.integers(0, 2**32 - 1),
    st.floats(0, 1),
    st.lists(st.tuples(st.integers(0, 2000), st.integers(8, 300)), min_size=1, max_size=8),
)
def test_patterns_with_many_zeros_are_found_wherever_they_lie(
    seed: int, density: float, spans: list[tuple[int, int]]
) -> None:
    random = np.random.default_rng(seed)
    data = bytes(random.integers(0, 256, 2500) * (random.random(2500) < density))
    markers = {Marker("x", data[start : start + length]) for start, length in spans}
    absent = Marker("x", b"\0" * 7 + b"absent")
    assert MarkerSearch({*markers, absent}).found_among(data) == markers


@pytest.mark.parametrize(
    "name",
    ["gallery.json.old", "segments/notes/a.bin", "indexes/notes.faiss", "truth.lance/data/x.lance",
     "truth.lance/_deletions/x.arrow", "truth.lance/_versions/x.manifest"],
)  # fmt: skip
def test_a_trace_in_any_file_is_found_across_the_ends_of_chunks(
    filled: Gallery, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partlens.indexer.gallery.markers._CHUNK_BYTES", 64)
    file, trace = filled.path / name, picture(GONE, 1).contributions.astype(np.float16).tobytes()
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\0" * 59 + GONE.encode() + trace)
    receipt = erase(filled.path, [GONE])
    if file.exists():
        assert not receipt.gone and receipt.evidence["id"].found_after
    else:
        assert receipt.gone


def test_no_writer_removes_what_someone_else_put_into_the_folder(
    filled: Gallery, tmp_path: Path
) -> None:
    names = ["README.txt", ".notes", "segments/README.txt", "segments/.notes", "indexes/notes"]
    names += [".committed.json.backup", ".truth.sha256.old", "committed.json.bak"]
    names += ["segments/old copy/a", f"segments/{LEFT}.old/a"]
    outside = tmp_path / "outside"
    outside.mkdir()
    for name in names:
        (filled.path / name).parent.mkdir(exist_ok=True)
        (filled.path / name).write_text("mine")
    (filled.path / "segments" / "link").symlink_to(outside)
    drafts = [f".{LEFT}", LEFT, "../.committed.json.7-0123abcd", f"../indexes/.{LEFT}.draft"]
    for name in drafts:
        (filled.path / "segments" / name).write_text("left by a killed writer")
    assert erase(filled.path, [GONE]).gone
    assert all((filled.path / name).read_text() == "mine" for name in names)
    assert (filled.path / "segments" / "link").is_symlink()
    assert not any((filled.path / "segments" / name).exists() for name in drafts)
    assert not verify(filled.path).findings
