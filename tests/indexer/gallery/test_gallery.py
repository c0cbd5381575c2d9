"""A gallery behaves like a container, searches like a naive loop, and survives."""

import json
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gallery_images import DIMENSIONS, GRID, NOON, SPEC, image, parts
from homes import in_a_folder_and_a_bucket

from partlens.explainer.scoring import Score, score_images
from partlens.explainer.stored import Stored
from partlens.indexer.errors import (
    AlreadyExistsError,
    DamagedError,
    InvalidImageError,
    LockedError,
    ModelMismatchError,
    NewerFormatError,
    NotFoundError,
)
from partlens.indexer.gallery import Correction, Filter, Gallery, Metadata, rows_version
from partlens.indexer.gallery.gallery_spec import FORMAT
from partlens.indexer.gallery.search import search


@in_a_folder_and_a_bucket
def test_it_is_a_container_of_images_by_id(gallery: Gallery) -> None:
    taken: dict[str, Any] = {
        "camera": "c1",
        "track": "t",
        "captured_at": NOON,
        "attributes": {"hat": "ja'"},
    }
    gallery.add([image("b", **taken), image("a"), image("ü 'x'")])
    assert len(gallery.view) == 3 and "a" in gallery.view and "z" not in gallery.view
    assert [stored.id for stored in gallery.view.list()] == ["a", "b", "ü 'x'"]
    assert [stored.id for stored in gallery.view.list(after="a", limit=1)] == ["b"]
    stored = gallery.view.get("b")
    assert stored.metadata == Metadata("c1", "t", NOON, {"hat": "ja'"})
    assert (stored.width, stored.height) == (24, 32)
    assert gallery.view.thumbnails(["ü 'x'", "b"]) == ["ü 'x'".encode(), b"b"]
    assert gallery.view.digests()["a"] == "sha256:0"
    assert gallery.delete(["a", "nobody", "a"]) == 1 and "a" not in gallery.view
    with pytest.raises(NotFoundError, match="no image 'a'"):
        gallery.view.get("a")
    with pytest.raises(NotFoundError):
        gallery.view.decompositions(["a"])


@in_a_folder_and_a_bucket
def test_an_image_of_the_same_id_is_replaced(gallery: Gallery) -> None:
    gallery.add([image("a"), image("b")])
    before = gallery.view.number
    gallery.add([image("a", 5)])
    assert len(gallery.view) == 2 and gallery.view.number > before
    contributions, bias = gallery.view.decompositions(["a", "b"])
    kept = Stored.of(image("a", 5).contributions[None], gallery.bound.storage)
    np.testing.assert_array_equal(contributions[0], kept[0])
    np.testing.assert_array_equal(bias[1], image("b").bias)


@in_a_folder_and_a_bucket
def test_an_image_that_comes_back_after_it_was_deleted_has_its_new_numbers(
    gallery: Gallery,
) -> None:
    """The old ones may still lie in a segment, and must not be taken for the new."""
    for number in range(20):
        gallery.add([image(str(number))])
    gallery.compact()
    gallery.delete(["19"])
    gallery.add([image("19", 1)])
    for one in (gallery, Gallery.open(gallery.home.place)):
        np.testing.assert_array_equal(one.view.decompositions(["19"])[1][0], image("19", 1).bias)


@in_a_folder_and_a_bucket
def test_another_gallery_object_sees_the_same(gallery: Gallery) -> None:
    reader = Gallery.open(gallery.home.place, SPEC)
    gallery.add([image("a"), image("b")])
    assert len(reader.view) == 0
    reader.refresh()
    assert len(reader.view) == 2 and reader.view.number == gallery.view.number
    again = Gallery.open(gallery.home.place)
    assert again.spec == SPEC
    np.testing.assert_array_equal(
        again.view.decompositions(["b"])[0], gallery.view.decompositions(["b"])[0]
    )


@pytest.mark.parametrize("score", ["whole", "part", "context"])
@pytest.mark.parametrize("exact_bytes", [1 << 30, 0])
def test_a_search_equals_scoring_every_image(
    gallery: Gallery, score: Score, exact_bytes: int
) -> None:
    """With exact_bytes 0 through FAISS, whose candidates are all images of so small a gallery."""
    for start in range(0, 60, 7):
        gallery.add([image(str(i)) for i in range(start, min(60, start + 7))])
    gallery.add([image("3", 1), image("40", 2)])
    gallery.delete(["5", "6", "41"])
    ids = [stored.id for stored in gallery.view.list(limit=1000)]
    contributions, bias = gallery.view.decompositions(ids)
    naive = score_images(score, parts(), contributions, bias, GRID)
    order = sorted(range(len(ids)), key=lambda i: (-naive.scores[i], ids[i]))[:10]
    found = search(
        gallery.view.live, parts(), score, Filter(), 10, GRID, gallery.indexes.of, exact_bytes
    )
    assert [one.id for one in found] == [ids[i] for i in order]
    for one, i in zip(found, order, strict=True):
        np.testing.assert_allclose(one.map, naive.maps[i], atol=1e-5)
        assert one.score == pytest.approx(one.map.sum() + one.constant, abs=1e-4)
        assert one.window == tuple(naive.windows[i])
    full = gallery.view.search(parts(), score, Filter(), 10)
    assert [one.id for one in full] == [one.id for one in found]
    assert all(one.stored.id == one.id for one in full)


def test_filters_choose_rows_before_the_search(gallery: Gallery) -> None:
    gallery.add(
        [
            image(
                str(i),
                camera=f"c{i % 3}",
                track=f"t{i % 5}",
                captured_at=NOON + timedelta(hours=i) if i % 2 else None,
                attributes={"hat": str(i % 2), "top": "red"},
            )
            for i in range(30)
        ]
    )

    def ids(**conditions: Any) -> set[int]:
        where = Filter(**conditions)
        return {int(one.id) for one in gallery.view.search(parts(), "part", where, 100)}

    assert ids(cameras={"c1"}) == set(range(1, 30, 3))
    assert ids(cameras={"c1"}, tracks={"t0", "t1"}) == {1, 10, 16, 25}
    assert ids(captured_after=NOON + timedelta(hours=25)) == {25, 27, 29}
    assert ids(captured_before=NOON + timedelta(hours=3)) == {1}
    assert ids(attributes={"hat": "0", "top": "red"}, exclude_ids={"0", "2"}) == set(
        range(4, 30, 2)
    )
    assert ids(attributes={"nothing": ""}) == set()


@in_a_folder_and_a_bucket
def test_what_cannot_be_stored_is_refused_and_nothing_is_added(gallery: Gallery) -> None:
    good = image("good")
    for bad in (
        replace(image("x"), id=""),
        replace(image("x"), id="a\nb"),
        replace(image("x"), id="x" * 513),
        replace(image("x"), contributions=np.zeros((11, DIMENSIONS), np.float32)),
        replace(image("x"), contributions=np.full((12, DIMENSIONS), 1e6, np.float32)),
        replace(image("x"), bias=np.full(DIMENSIONS, np.nan, np.float32)),
        good,
    ):
        with pytest.raises(InvalidImageError):
            gallery.add([good, bad])
    assert len(gallery.view) == 0


@in_a_folder_and_a_bucket
def test_only_one_writes_at_a_time(gallery: Gallery) -> None:
    gallery.add([image("a")])
    other = Gallery.open(gallery.home.place)
    with pytest.raises(LockedError, match="another process"):
        other.add([image("b")])
    gallery.close()
    other.add([image("b")])
    assert len(other.view) == 2


def test_another_model_a_newer_format_and_other_places_are_told_apart(
    gallery: Gallery, tmp_path: Path
) -> None:
    with pytest.raises(ModelMismatchError, match="sha256:2"):
        Gallery.open(gallery.home.place, replace(SPEC, digest="sha256:2"))
    with pytest.raises(AlreadyExistsError):
        Gallery.create(gallery.home.place, SPEC)
    with pytest.raises(NotFoundError):
        Gallery.open(tmp_path / "nowhere")
    file = gallery.path / "gallery.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"format": 7}))
    with pytest.raises(NewerFormatError, match=rf"format 7.*up to {FORMAT}"):
        Gallery.open(gallery.home.place)
    file.write_text("{")
    with pytest.raises(DamagedError):
        Gallery.open(gallery.home.place)


def test_damaged_segments_are_made_again_from_the_truth(gallery: Gallery) -> None:
    for i in range(40):  # enough commits that small segments are put together
        gallery.add([image(f"{i}")])
    assert len(list((gallery.path / "segments").iterdir())) < 25
    expected = gallery.view.decompositions(["0", "39"])
    gallery.close()  # and with it the thread that puts segments together
    for path in (gallery.path / "segments").rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-7])
    again = Gallery.open(gallery.home.place)
    for ours, theirs in zip(again.view.decompositions(["0", "39"]), expected, strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_damaged_truth_is_reported(gallery: Gallery) -> None:
    gallery.add([image("a")])
    gallery.close()
    for path in (gallery.path / "truth.lance" / "data").iterdir():
        path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(DamagedError):
        Gallery.open(gallery.home.place)


@in_a_folder_and_a_bucket
def test_an_unfinished_commit_is_as_if_it_had_not_been(gallery: Gallery) -> None:
    """What lies after the version in committed.json was never synced and is passed over."""
    gallery.add([image("a"), image("b")])
    gallery._truth._to_write().delete("id = 'a'")
    gallery.close()
    again = Gallery.open(gallery.home.place)
    assert len(again.view) == 2
    again.add([image("c")])
    assert {stored.id for stored in Gallery.open(gallery.home.place).view.list()} == {"a", "b", "c"}


def test_a_writer_remembers_little_of_the_files_it_has_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    most = 256 * 1024
    monkeypatch.setattr(rows_version, "_CACHE_BYTES", most)
    with Gallery.create(tmp_path / "g", SPEC) as gallery:
        for number in range(30):  # each adds about 50 KB to it
            gallery.add([image(str(number))])
        dataset = gallery._truth.current.dataset
        assert len(gallery.view) == 30 and dataset.session().size_bytes() <= 1.1 * most


@in_a_folder_and_a_bucket
def test_what_is_committed_equals_what_is_read_from_disk(gallery: Gallery) -> None:
    """A commit derives its segment's list of images from what it was given; reading, from disk."""
    rows = {"plate": "B-X 1", "note": 'tab\t, "quoted", \u00fc, \U0001f44d'}
    gallery.add([image(id, attributes=rows | {"id": id}, camera=id) for id in ("z", "a", "m")])
    gallery.add([image(id, 1, attributes={"again": id}) for id in ("b", "z", "c")])
    there = gallery.view.get("a")
    moved = Metadata("moved", attributes={"now": "here"})
    gallery.correct([Correction("a", there.media_digest, "file:///moved", moved)])
    gallery.close()
    for segment in (gallery.path / "segments").iterdir():
        shutil.rmtree(segment)
    again, now = Gallery.open(gallery.home.place).view, gallery.view
    assert [vars(one) for one in again.list()] == [vars(one) for one in now.list()]
    assert len(now) == 5
    ids = [one.id for one in now.list()]
    assert again.live.revisions(ids) == now.live.revisions(ids)
    places = [view.live.row_ids([view.live.find(ids)[id] for id in ids]) for view in (again, now)]
    assert places[0] == places[1]
    for mine, theirs in zip(again.decompositions(ids), now.decompositions(ids), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_of_several_that_create_a_gallery_at_once_one_succeeds(tmp_path: Path) -> None:
    barrier = threading.Barrier(4)

    def create(_: int) -> str:
        barrier.wait(10)
        try:
            Gallery.create(tmp_path / "g", SPEC).close()
        except AlreadyExistsError as error:
            return str(error)
        return "created"

    with ThreadPoolExecutor(4) as threads:
        results = sorted(threads.map(create, range(4)))
    assert results[3] == "created" and all("already exists" in one for one in results[:3])
    assert [path.name for path in tmp_path.iterdir()] == ["g"]
