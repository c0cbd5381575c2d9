"""A gallery whose searches shards answer gives the answers of one that searches by itself.

The shards run in this process; tests/ray asks them through a cluster.
"""

import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import any_filter
import numpy as np
import pytest
from gallery_images import GRID, SPEC, image, parts
from hypothesis import given, settings
from hypothesis import strategies as st
from indexed_gallery import WIDE, fill, made, queries, recall
from shards_here import ShardsHere, shards_of

from partlens.common.storage import Storage
from partlens.explainer.errors import ShapeError
from partlens.explainer.scoring import Score
from partlens.indexer.errors import DamagedError, ShardError, SupersededError
from partlens.indexer.gallery import Candidate, Filter, Gallery, GroupBy, Metadata
from partlens.indexer.gallery.erasure import erase
from partlens.indexer.gallery.records import Correction
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.search import search
from partlens.indexer.gallery.shard import Shard
from partlens.indexer.gallery.share import Share
from partlens.indexer.gallery.view import GalleryView

SHARDS = [1, 2, 4]
SOON = 30.0
"""For busy machines; the shards of these tests look every twentieth of a second."""
EVERYTHING = Filter()


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < end, f"not within {SOON} s"
        time.sleep(0.01)


def require_same(found: Sequence[Candidate], expected: Sequence[Candidate]) -> None:
    assert [one.id for one in found] == [one.id for one in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.score == pytest.approx(other.score, abs=1e-6)
        assert one.map.sum() + one.constant == pytest.approx(one.score, abs=1e-4)
        np.testing.assert_allclose(one.map, other.map, atol=1e-6)
        np.testing.assert_allclose(one.window, other.window)
        assert (one.group, one.others) == (other.group, other.others)
        assert (vars(one.stored), one.revision) == (vars(other.stored), other.revision)


def filled(path: Path, storage: Storage = "float16", count: int = 70) -> Path:
    """A gallery of many commits: some images replaced, corrected or deleted."""
    with Gallery.create(path, SPEC, storage) as made:
        for start in range(0, count, 9):
            numbers = range(start, min(start + 9, count))
            made.add(
                [
                    # Copies have equal scores.
                    replace(
                        image(f"{n:03}", camera="abc"[n % 3], track=f"t{n // 4}"),
                        contributions=image(f"{n % 50:03}").contributions,
                        bias=image(f"{n % 50:03}").bias,
                    )
                    for n in numbers
                ]
            )
        made.delete(["003", "017"])
        made.add([image("005", 3, camera="a"), image("060", 3)])
        made.correct(
            [Correction("006", "sha256:0", "file:///x", Metadata("c", attributes={"hat": "red"}))]
        )
    return path


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return filled(tmp_path_factory.mktemp("shards") / "gallery")


@pytest.fixture(scope="module", params=SHARDS)
def both(
    request: pytest.FixtureRequest, gallery: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Gallery, Gallery]]:
    """The gallery searched by shards, and by itself."""
    scratch = tmp_path_factory.mktemp("scratch")
    with (
        shards_of(gallery, request.param, scratch) as shards,
        Gallery.open(gallery, shards=shards) as sharded,
        Gallery.open(gallery) as whole,
    ):
        yield sharded, whole


@given(
    where=any_filter.filters(),
    score=st.sampled_from(["whole", "part", "context"]),
    top=st.integers(1, 80),
    by=st.sampled_from([None, GroupBy(), GroupBy("camera"), GroupBy(attribute="hat")]),
)
@settings(max_examples=30)
def test_answers_are_the_same(
    both: tuple[Gallery, Gallery], where: Filter, score: Score, top: int, by: GroupBy | None
) -> None:
    sharded, whole = both
    for each in (where, EVERYTHING, Filter(cameras=["a"])):
        found = sharded.view.search(parts(), score, each, top, by=by)
        require_same(found, whole.view.search(parts(), score, each, top, by=by))


@given(st.integers(1, 70), st.integers(1, 70), st.sampled_from([None, GroupBy()]))
def test_a_longer_result_begins_with_the_shorter(
    both: tuple[Gallery, Gallery], some: int, more: int, by: GroupBy | None
) -> None:
    view, top = both[0].view, some + more
    longer = view.search(parts(), "context", EVERYTHING, top, by=by)
    require_same(view.search(parts(), "context", EVERYTHING, some, by=by), longer[:some])
    require_same(view.search(parts(), "context", EVERYTHING, top, by=by, first=some), longer[some:])


@given(
    changes=st.lists(
        st.one_of(
            st.tuples(st.just("add"), st.sets(st.sampled_from("abcdefghij"), min_size=1)),
            st.tuples(st.just("delete"), st.sets(st.sampled_from("abcdefghij"), min_size=1)),
            st.tuples(st.just("compact"), st.just(set[str]())),
        ),
        max_size=8,
    ),
    count=st.sampled_from(SHARDS),
)
@settings(max_examples=12)
def test_whatever_is_committed_is_searched(
    changes: list[tuple[str, set[str]]], count: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("changes")
    with (
        Gallery.create(folder / "gallery", SPEC) as whole,
        shards_of(folder / "gallery", count, folder / "scratch", block_rows=1) as shards,
    ):
        sharded = Gallery.open(folder / "gallery", shards=shards)
        for number, (kind, ids) in enumerate(changes):
            if kind == "add":
                whole.add([image(id, number) for id in sorted(ids)])
            elif kind == "delete":
                whole.delete(sorted(ids))
            else:
                whole.compact()
            sharded.refresh()
            found = sharded.view.search(parts(), "context", EVERYTHING, 20)
            require_same(found, whole.view.search(parts(), "context", EVERYTHING, 20))
        shares = [set(shard.view.digests()) for shard in shards.shards]
        assert sum(map(len, shares)) == len(set().union(*shares)) == len(whole.view)
    shutil.rmtree(folder)


def test_a_new_commit_reaches_every_shard_by_itself(tmp_path: Path) -> None:
    path = filled(tmp_path / "gallery")
    with shards_of(path, 2, tmp_path / "scratch") as shards, Gallery.open(path) as writer:
        writer.add([image("new")])
        wait_until(lambda: all(one.view.number == writer.view.number for one in shards.shards))
        assert sum("new" in one.view for one in shards.shards) == 1


def test_a_shard_answers_of_the_commit_that_is_asked_for(tmp_path: Path) -> None:
    path = filled(tmp_path / "gallery")
    with (
        shards_of(path, 2, tmp_path / "scratch") as shards,
        Gallery.open(path, shards=shards) as gallery,
    ):
        views = [gallery.view]
        for number in range(12):  # more than a shard keeps
            gallery.add([image(f"new{number}", 5)])
            gallery.delete([f"{number + 20:03}"])
            views.append(gallery.view)
        gallery.compact()
        alone = Gallery.open(path)
        for view in [*views, *reversed(views)]:
            expected = replace(view, shards=None, indexes=alone.indexes)
            found = view.search(parts(), "context", EVERYTHING, 100)
            require_same(found, expected.search(parts(), "context", EVERYTHING, 100))
        gallery.purge()
        wait_until(lambda: is_gone(views[1]))
        assert gallery.read(lambda view: view.search(parts(), "part", EVERYTHING, 5))


def is_gone(view: GalleryView) -> bool:
    """Whether the shards no longer answer of a commit."""
    try:
        view.search(parts(), "context", EVERYTHING, 5)
    except SupersededError:
        return True
    return False


def test_a_commit_that_does_not_arrive_is_an_error_that_says_so(
    gallery: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("partlens.indexer.gallery.shard._BEHIND_SECONDS", 0.1)
    with Shard(gallery, Share(0, 2), tmp_path) as shard:
        with pytest.raises(ShardError, match=r"commit \d+ .* has not reached this node"):
            shard.view_at(shard.view.number + 1)


def test_errors_of_a_search_keep_their_kind(both: tuple[Gallery, Gallery]) -> None:
    wrong = [replace(one, feature=one.feature[:-1]) for one in parts()]
    for gallery in both:
        with pytest.raises(ShapeError):
            gallery.view.search(wrong, "context", EVERYTHING, 5)


class Gone(Exception):
    """Nobody waits any longer."""


def test_a_search_ends_when_nobody_waits(both: tuple[Gallery, Gallery]) -> None:
    def gone() -> None:
        raise Gone

    with pytest.raises(Gone):
        both[0].view.search(parts(), "context", Filter(cameras=["a"]), 5, gone)


@pytest.mark.parametrize("storage", ["float16", "int8"])
def test_what_a_shard_keeps_is_used_again(
    tmp_path: Path, storage: Storage, caplog: pytest.LogCaptureFixture
) -> None:
    path, scratch = filled(tmp_path / "gallery", storage), tmp_path / "scratch"
    with Shard(path, Share(0, 1), scratch) as shard:
        kept = {one.path for one in shard.view.live.segments}
        assert all(one and scratch in one.parents for one in kept)
        assert not (path / "segments").exists() or not kept & set((path / "segments").iterdir())
        with Shard(path, Share(0, 1), scratch) as other:  # a second replica on this node
            others = {one.path for one in other.view.live.segments}
            assert not kept & others
    with Shard(path, Share(0, 1), scratch) as shard:
        assert {one.path for one in shard.view.live.segments} == kept
    assert "is of another gallery" not in caplog.text
    with Shard(path, Share(1, 2), scratch) as shard:
        assert not any(one and one.exists() for one in kept), "no other number of shards is left"


def test_segments_of_a_gallery_that_was_replaced_are_not_used(tmp_path: Path) -> None:
    """Its rows have the same ids and revisions."""
    path, scratch = tmp_path / "gallery", tmp_path / "scratch"
    for seed in range(2):
        with Gallery.create(path, SPEC) as made:
            made.add([replace(image(id, seed), uri="same", media_digest=id) for id in "ab"])
            made.add([image(str(seed), seed)])
        with Shard(path, Share(0, 1), scratch) as shard:
            assert set(shard.view.digests()) == {"a", "b", str(seed)}
        shutil.rmtree(path)


def test_a_damaged_segment_of_a_shard_is_read_from_the_truth_again(tmp_path: Path) -> None:
    path, scratch = filled(tmp_path / "gallery"), tmp_path / "scratch"
    with Shard(path, Share(0, 1), scratch) as shard:
        (damaged, *_) = [one.path for one in shard.view.live.segments if one.path]
    file = damaged / "contributions.npy"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with (
        shards_of(path, 1, scratch) as shards,
        Gallery.open(path, shards=shards) as sharded,
        Gallery.open(path) as whole,
    ):
        found = sharded.view.search(parts(), "context", EVERYTHING, 100)
        require_same(found, whole.view.search(parts(), "context", EVERYTHING, 100))


def test_a_row_that_is_not_in_the_gallery_is_never_an_answer(gallery: Path, tmp_path: Path) -> None:
    with Gallery.create(tmp_path / "other", SPEC) as other:
        other.add([image(f"{n:03}", 8) for n in range(70)])
        number = other.view.number
    with (
        shards_of(tmp_path / "other", 1, tmp_path / "scratch") as shards,
        Gallery.open(gallery, shards=shards) as sharded,
    ):
        view = replace(sharded.view, version=cast("RowsVersion", _Numbered(number)))
        with pytest.raises(DamagedError, match="of another gallery"):
            view.search(parts(), "context", EVERYTHING, 5)


@dataclass(frozen=True)
class _Numbered:
    """A version of which only the number is needed."""

    number: int


def test_answers_are_complete_unless_they_may_be_partial(gallery: Path, tmp_path: Path) -> None:
    with (
        shards_of(gallery, 4, tmp_path) as shards,
        Gallery.open(gallery, shards=shards) as sharded,
    ):
        view = sharded.view
        complete = view.search(parts(), "context", EVERYTHING, 100)
        assert complete.layouts == ["", "", "", ""]
        shards.down = {2}
        with pytest.raises(ShardError):
            view.search(parts(), "context", EVERYTHING, 5)
        found = view.search(parts(), "context", EVERYTHING, 100, partial=True)
        lacking = set(shards.shards[2].view.digests())
        require_same(found, [one for one in complete if one.id not in lacking])
        assert found.layouts == ["", "", None, ""]
        shards.down = set()
        # The next page is of the ranking that the first page began.
        page = view.search(
            parts(), "context", EVERYTHING, 100, first=5, earlier=found.layouts, partial=True
        )
        require_same(page, found[5:])
        shards.down = {0, 1, 2, 3}
        with pytest.raises(ShardError):
            view.search(parts(), "context", EVERYTHING, 5, partial=True)


def test_another_number_of_shards_does_not_continue_a_search(gallery: Path, tmp_path: Path) -> None:
    with (
        shards_of(gallery, 2, tmp_path) as shards,
        Gallery.open(gallery, shards=shards) as sharded,
    ):
        with pytest.raises(SupersededError):
            sharded.view.search(parts(), "context", EVERYTHING, 9, earlier=["", "", ""])


def files_below(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_erased_images_leave_the_folders_of_shards(tmp_path: Path) -> None:
    path, scratch = filled(tmp_path / "gallery"), tmp_path / "scratch"
    with Gallery.open(path) as made:
        made.add([image("to-be-erased", camera="a")])
    with shards_of(path, 2, scratch):
        wait_until(lambda: b"to-be-erased" in files_below(scratch))
        assert erase(path, ["to-be-erased"]).gone
        wait_until(lambda: b"to-be-erased" not in files_below(scratch))


def test_images_that_were_erased_while_no_shard_ran_leave_its_folder(tmp_path: Path) -> None:
    path, scratch = filled(tmp_path / "gallery"), tmp_path / "scratch"
    with Gallery.open(path) as made:
        made.add([image("to-be-erased", camera="a")])
    with shards_of(path, 2, scratch):
        assert b"to-be-erased" in files_below(scratch)
    erase(path, ["to-be-erased"])
    with shards_of(path, 2, scratch):
        wait_until(lambda: b"to-be-erased" not in files_below(scratch))


# With trained indexes, which shards make of their own rows.


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Gallery, ShardsHere]]:
    """A gallery with its own index, and three shards with theirs."""
    folder = tmp_path_factory.mktemp("trained")
    with pytest.MonkeyPatch.context() as patched, Gallery.create(folder / "gallery", WIDE) as made:
        patched.setattr("partlens.indexer.gallery.indexes.INDEXED_ROWS", 512)
        fill(made)
        with shards_of(folder / "gallery", 3, folder / "scratch", 64, exact_bytes=0) as shards:
            yield made, shards


def test_recall_is_no_lower_with_shards(trained: tuple[Gallery, ShardsHere]) -> None:
    gallery, shards = trained
    view, found, exact = replace(gallery.view, shards=shards), 0, 0
    for one in queries():
        best = search(gallery.view.live, one, "context", EVERYTHING, 10, GRID, gallery.indexes.of)
        wanted = {each.id: each for each in best}
        for hit in view.search(one, "context", EVERYTHING, 10):
            found += hit.id in wanted
            if hit.id in wanted:
                assert hit.score == pytest.approx(wanted[hit.id].score, abs=1e-6)
                np.testing.assert_allclose(hit.map, wanted[hit.id].map, atol=1e-6)
        exact += len(wanted)
    assert found / exact >= recall(gallery, EVERYTHING)


def test_pages_join_though_the_indexes_change(trained: tuple[Gallery, ShardsHere]) -> None:
    gallery, shards = trained
    view, one = replace(gallery.view, shards=shards), next(iter(queries()))
    page = view.search(one, "part", EVERYTHING, 20)
    assert all(page.layouts) and len(page.layouts) == 3
    gallery.add([made(number) for number in range(10_000, 11_000)])
    gallery.delete([f"{number:05}" for number in range(1, 3000, 2)])
    wait_until(lambda: all(each.view.number == gallery.view.number for each in shards.shards))
    for shard in shards.shards:
        shard.compact()
    rest = view.search(one, "part", EVERYTHING, 60, first=20, earlier=page.layouts)
    longer = view.search(one, "part", EVERYTHING, 60, earlier=page.layouts)
    require_same([*page, *rest], longer)
    with pytest.raises(SupersededError):
        view.search(one, "part", EVERYTHING, 60, earlier=["00000000"] * 3)
