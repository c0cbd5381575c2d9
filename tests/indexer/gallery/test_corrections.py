"""A correction changes what a gallery says of an image, and nothing that a search computes with."""

import numpy as np
import pytest
from gallery_images import NOON, image, parts
from homes import in_a_folder_and_a_bucket
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from partlens.indexer.errors import InvalidImageError
from partlens.indexer.gallery import Correction, Filter, Gallery, GroupBy, Metadata
from partlens.indexer.gallery.verification import verify

NEW = Metadata("new", "t9", NOON, {"hat": "red"})


def correction(id: str, metadata: Metadata = NEW, seed: int = 0) -> Correction:
    return Correction(id, f"sha256:{seed}", f"file:///moved/{id}.jpg", metadata)


def stored_numbers(gallery: Gallery, id: str) -> list[bytes]:
    """The bytes of the truth's row, of all that is no metadata."""
    names = ["id", "embedding", "bias", "contributions", "thumbnail"]
    names += ["scales"] if gallery.bound.storage == "int8" else []
    table = gallery.view.version.read(names)
    (row,) = (number for number, one in enumerate(table["id"].to_pylist()) if one == id)
    of_lists = [table[name].combine_chunks() for name in names[1:] if name != "thumbnail"]
    raw = [one[row].values.to_numpy(zero_copy_only=False).tobytes() for one in of_lists]
    return [*raw, table["thumbnail"][row].as_py()]


@in_a_folder_and_a_bucket
def test_numbers_stay_as_they_are_stored_and_all_readers_see_the_change(gallery: Gallery) -> None:
    gallery.add([image("a", camera="old", track="t1"), image("b", camera="old")])
    with Gallery.open(gallery.home.place) as follower:
        before, revision = stored_numbers(gallery, "a"), gallery.view.newest_revision
        scores = {hit.id: hit.score for hit in gallery.view.search(parts(), "context", Filter(), 9)}
        (was,) = gallery.correct([correction("a")])
        assert (was.id, was.uri, was.metadata.camera) == ("a", "file:///a.jpg", "old")
        assert follower.refresh()
        for seen in (gallery, follower, Gallery.open(gallery.home.place)):
            assert stored_numbers(seen, "a") == before
            assert (
                seen.view.get("a").metadata == NEW
                and seen.view.get("a").uri == "file:///moved/a.jpg"
            )
            assert seen.view.get("b").metadata.camera == "old" and len(seen.view) == 2
            assert [id for _, id in seen.view.changed_since(revision)] == ["a"]
            assert [one.id for one in seen.view.list(where=Filter(cameras={"new"}))] == ["a"]
            assert seen.view.count(Filter(attributes={"hat": "red"}, captured_after=NOON)) == 1
            by_camera = seen.view.search(parts(), "context", Filter(), 9, by=GroupBy("camera"))
            assert {hit.group for hit in by_camera} == {"new", "old"}
            hits = seen.view.search(parts(), "context", Filter(), 9)
            assert {hit.id: hit.score for hit in hits} == scores
            assert seen.view.thumbnails(["a"]) == [b"a"]
        assert not verify(gallery.home.place).findings


@in_a_folder_and_a_bucket
def test_another_picture_is_left_alone(gallery: Gallery) -> None:
    gallery.add([image("a", seed=1)])
    version = gallery.view.number
    assert gallery.correct([correction("a", seed=0), correction("nobody")]) == []
    assert gallery.view.number == version and gallery.view.get("a").metadata == Metadata()


@in_a_folder_and_a_bucket
def test_what_cannot_be_stored_changes_nothing(gallery: Gallery) -> None:
    gallery.add([image("a"), image("b")])
    for wrong in (
        [correction("a"), correction("b", Metadata(camera="\0"))],
        [correction("a"), correction("a")],
    ):
        with pytest.raises(InvalidImageError):
            gallery.correct(wrong)
        assert gallery.view.get("a").metadata == Metadata()


@in_a_folder_and_a_bucket
def test_add_says_what_it_replaced(gallery: Gallery) -> None:
    assert gallery.add([image("a", camera="x"), image("b")]) == []
    (was,) = gallery.add([image("a", seed=1), image("c")])
    assert (was.id, was.media_digest, was.metadata.camera) == ("a", "sha256:0", "x")


steps = st.lists(
    st.tuples(st.sampled_from(["add", "correct", "delete"]), st.sampled_from("abc")),
    min_size=1,
    max_size=8,
)


@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=steps)
def test_it_behaves_like_a_dict(gallery: Gallery, steps: list[tuple[str, str]]) -> None:
    """id -> (seed, camera): corrections change cameras, whatever else is done between them."""
    gallery.delete(list("abc"))
    expected = dict[str, tuple[int, str]]()
    for number, (kind, id) in enumerate(steps, start=1):
        if kind == "add":
            gallery.add([image(id, number)])
            expected[id] = number, ""
        elif kind == "delete":
            gallery.delete([id])
            expected.pop(id, None)
        else:
            seed, _ = expected.get(id, (0, ""))
            done = gallery.correct([correction(id, Metadata(str(number)), seed)])
            assert len(done) == (id in expected)
            if id in expected:
                expected[id] = seed, str(number)
    for seen in (gallery, Gallery.open(gallery.home.place)):
        cameras = {
            one.id: (int(one.media_digest.removeprefix("sha256:")), one.metadata.camera)
            for one in seen.view.list()
        }
        assert cameras == expected
        ids = sorted(expected)
        _, bias = seen.view.decompositions(ids)
        for row, id in zip(bias, ids, strict=True):
            np.testing.assert_array_equal(row, image(id, expected[id][0]).bias)
