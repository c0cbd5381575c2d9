"""Compaction copies each row few times, whatever comes, and nobody waits for it."""

import threading
from collections.abc import Sequence

import numpy as np
import pytest
from gallery_images import GRID, image, parts
from hypothesis import given
from hypothesis import strategies as st

from partlens.indexer.errors import SupersededError
from partlens.indexer.gallery import Filter, Gallery, segments
from partlens.indexer.gallery.compaction import groups
from partlens.indexer.gallery.search import search
from partlens.indexer.gallery.verification import verify

Sizes = list[tuple[int, int]]


def merged(sizes: Sizes, chosen: Sequence[Sequence[int]]) -> Sizes:
    """The segments after those of each group became one."""
    gone = {number for group in chosen for number in group}
    joined = [sum(sizes[number][0] for number in group) for group in chosen]
    kept = [size for number, size in enumerate(sizes) if number not in gone]
    return [*kept, *((live, live) for live in joined)]


@given(st.lists(st.integers(1, 300), min_size=1, max_size=400))
def test_segments_stay_few_and_each_row_is_copied_few_times(commits: list[int]) -> None:
    sizes, copied = Sizes(), 0
    for rows in commits:
        sizes.append((rows, rows))
        chosen = groups(sizes)
        copied += sum(sizes[number][0] for group in chosen for number in group)
        sizes = merged(sizes, chosen)
    total = sum(commits)
    tiers = 1 + max(0, int(np.log(max(total / 32, 1)) / np.log(8)))
    assert sum(live for live, _ in sizes) == total
    assert len(sizes) <= 8 * tiers and copied <= tiers * total


@given(st.lists(st.tuples(st.integers(0, 50), st.integers(0, 50)), max_size=30), st.booleans())
def test_no_segment_is_in_two_groups_and_none_of_the_dead_in_any(
    pairs: Sizes, everything: bool
) -> None:
    sizes = [(live, live + dead) for live, dead in pairs]
    chosen = [number for group in groups(sizes, everything=everything) for number in group]
    assert len(set(chosen)) == len(chosen)
    assert all(sizes[number][0] for number in chosen)


def test_what_is_mostly_dead_is_rewritten_alone() -> None:
    assert groups([(5000, 9000), (32, 32)]) == [[0]]
    assert groups([(8000, 9000), (32, 32)]) == []


def test_compacting_leaves_only_what_is_most_of_a_gallery() -> None:
    assert groups([(9000, 9000), (2000, 2000), (500, 500)], everything=True) == [[1, 2]]
    assert groups([(5000, 5000), (2000, 2000), (500, 500)], everything=True) == [[0, 1, 2]]


def test_rows_and_files_are_the_same_but_fewer(gallery: Gallery) -> None:
    for number in range(20):
        gallery.add([image(str(number))])
    gallery.delete(["3"])
    before = gallery.view.search(parts(), "context", Filter(), 30)
    gallery.compact()
    assert [each.name[0] != "." for each in (gallery.path / "segments").iterdir()] == [True]
    assert len(list((gallery.path / "truth.lance/data").iterdir())) < 40
    for one in (gallery, Gallery.open(gallery.path)):
        after = one.view.search(parts(), "context", Filter(), 30)
        assert [hit.id for hit in after] == [hit.id for hit in before]
        np.testing.assert_allclose(
            [hit.score for hit in after], [hit.score for hit in before], atol=1e-6
        )


def test_adding_and_searching_go_on_while_it_copies(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    copying, go_on = threading.Event(), threading.Event()
    merge = segments.merge

    def slow(*arguments: object) -> object:
        copying.set()
        assert go_on.wait(60)
        return merge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(segments, "merge", slow)
    for number in range(9):
        gallery.add([image(str(number))])
    assert copying.wait(60)
    gallery.add([image("meanwhile"), image("2", 1)])
    gallery.delete(["5"])
    hits = {hit.id for hit in gallery.view.search(parts(), "context", Filter(), 20)}
    assert hits == {"meanwhile", *"01234678"}
    go_on.set()
    gallery.close()
    assert {hit.id for hit in gallery.view.search(parts(), "context", Filter(), 20)} == hits
    bias = gallery.view.decompositions(["2"])[1]
    np.testing.assert_array_equal(bias[0], image("2", 1).bias)
    assert len(list((gallery.path / "segments").iterdir())) <= 3


def test_files_of_the_truth_are_rewritten_beside_commits(
    gallery: Gallery, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each commit looks at all files, of which a rewriting makes some and takes some away."""
    monkeypatch.setattr("partlens.indexer.gallery.compaction._COMMITS", 2)
    stop = threading.Event()
    data = gallery.path / "truth.lance/data"
    gallery.add([image("first")])

    def come_and_go() -> None:
        while not stop.is_set():
            (data / ".tmpAbC").write_bytes(b"x")
            (data / ".tmpAbC").unlink(missing_ok=True)  # or a cleanup has done it

    rewriting = threading.Thread(target=come_and_go)
    rewriting.start()
    try:
        for number in range(30):
            gallery.add([image(f"{number % 12}", number), image(f"new{number}")])
    finally:
        stop.set()
        rewriting.join()
    gallery.close()
    again = Gallery.open(gallery.path)
    assert len(again.view) == 43 and not verify(gallery.path).findings
    np.testing.assert_array_equal(again.view.decompositions(["5"])[1][0], image("5", 29).bias)


def test_a_search_that_has_begun_ends_on_segments_that_are_gone_from_disk(
    gallery: Gallery,
) -> None:
    gallery.add([image(str(number)) for number in range(10)])
    reader = Gallery.open(gallery.path)
    begun = reader.view.live
    expected = search(begun, parts(), "context", Filter(), 10, GRID, reader.indexes.of)
    gallery.delete([str(number) for number in range(1, 10)])
    gallery.compact()
    gallery._truth.forget_history(at_once=True)
    assert not any(segment.path and segment.path.exists() for segment in begun.segments)
    found = search(begun, parts(), "context", Filter(), 10, GRID, reader.indexes.of)
    assert [(one.id, one.score) for one in found] == [(one.id, one.score) for one in expected]
    # Thumbnails are in the truth alone and went with its old files: work is done on a newer view.
    with pytest.raises(SupersededError):
        reader.view.thumbnails(["0"])
    assert reader.read(lambda view: view.thumbnails(["0"])) == [b"0"]
    assert [hit.id for hit in reader.view.search(parts(), "context", Filter(), 10)] == ["0"]
