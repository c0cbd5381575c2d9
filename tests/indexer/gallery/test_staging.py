"""Rows that other processes wrote are committed whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
import staged_rows
from gallery_images import SPEC, image
from gallery_rows import require_same
from homes import in_a_folder_and_a_bucket

from partlens.indexer.errors import DamagedError, InvalidImageError, LockedError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.staging import STAGING, Staged
from partlens.indexer.gallery.verification import verify


def staged(gallery: Gallery, folder: str, ids: str, revision: int) -> Staged:
    return staged_rows.staged(gallery, folder, [image(id) for id in ids], revision)


def waiting(home: Home) -> list[str]:
    """Everything that is staged, or was left there."""
    return [place for place in home.places() if place.startswith(f"{STAGING}/")]


@in_a_folder_and_a_bucket
def test_rows_are_those_of_add(gallery: Gallery, tmp_path: Path) -> None:
    gallery.add([image("a"), image("b")])
    gallery.delete(["b"])
    with gallery.staging() as folder:
        first, second = staged(gallery, folder, "cde", 5), staged(gallery, folder, "bf", 9)
        assert gallery.add_staged(first, 5) == 3
        # Committing, compacting and forgetting history leave what is not committed yet.
        gallery.compact()
        gallery.purge()
        assert gallery.add_staged(second, 9) == 2
        assert not waiting(gallery.home)
    assert gallery.view.live.revisions(["a", "c", "f"]) == {"a": 1, "c": 5, "f": 9}
    assert gallery.next_revision == 10
    with Gallery.create(tmp_path / "other", SPEC, gallery.bound.storage) as other:
        other.add([image(id) for id in "abcdef"])
        require_same(gallery, other)
        with Gallery.open(gallery.home.place) as reopened:
            require_same(reopened, other)
        gallery.compact()
        require_same(gallery, other)
    assert not verify(gallery.home.place).findings


def cut(data: bytes) -> bytes:
    return data[:-100]


def change(data: bytes) -> bytes:
    """In the middle, where the numbers are."""
    start = len(data) // 3
    return data[:start] + bytes(one ^ 0x55 for one in data[start : start + 64]) + data[start + 64 :]


def remove(_: bytes) -> None:
    return None


@in_a_folder_and_a_bucket
@pytest.mark.parametrize("spoil", [cut, change, remove])
def test_files_that_changed_are_refused_and_nothing_is_added(
    gallery: Gallery, spoil: Callable[[bytes], bytes | None]
) -> None:
    gallery.add([image("a")])
    with gallery.staging() as folder:
        one = staged(gallery, folder, "bc", 2)
        (file,) = one.files
        spoiled = spoil(gallery.home.read(file))
        gallery.home.remove([file])
        if spoiled is not None:
            gallery.home.write(file, spoiled)
        with pytest.raises(DamagedError):
            gallery.add_staged(one, 2)
        assert gallery.add_staged(staged(gallery, folder, "bc", 2), 2) == 2
    assert set(gallery.view.digests()) == {"a", "b", "c"}
    assert not verify(gallery.home.place).findings


@pytest.mark.parametrize(
    ("ids", "written", "said", "revision"),
    [
        ("ab", 3, "exists already", 3),
        ("bb", 3, "appears twice", 3),
        ("b", 2, "revision 2; the gallery needs at least 3", 2),
        ("b", 3, "does not hold the rows", 4),
    ],
)
def test_rows_that_do_not_fit_are_refused(
    gallery: Gallery, ids: str, written: int, said: str, revision: int
) -> None:
    gallery.add([image("a")])
    gallery.add([image("c")])
    with gallery.staging() as folder:
        one = staged(gallery, folder, ids, written)
        with pytest.raises((InvalidImageError, DamagedError), match=said):
            gallery.add_staged(one, revision)
    assert set(gallery.view.digests()) == {"a", "c"}


@in_a_folder_and_a_bucket
def test_the_next_writer_removes_what_a_killed_one_left(gallery: Gallery) -> None:
    home = gallery.home
    gallery.add([image("a")])
    left, mine = f"{STAGING}/{32 * 'a'}", f"{STAGING}/notes.txt"
    home.prepare(left)
    staged(gallery, left, "b", 2)
    assert [home.mark(f"{left}/7.tries") for _ in range(3)] == [1, 2, 3]
    home.write(mine, b"someone else's")
    gallery.close()
    with Gallery.open(home.place) as next_one, next_one.staging() as folder:
        assert waiting(home) == [mine]
        assert next_one.home.mark(f"{folder}/7.tries") == 1
        assert len(waiting(home)) == 2
    assert waiting(home) == [mine]
    assert not verify(home.place).findings


@in_a_folder_and_a_bucket
def test_rows_of_a_writer_that_was_replaced_are_refused(gallery: Gallery) -> None:
    with gallery.staging() as folder:
        one = staged(gallery, folder, "b", 1)
        gallery.close()
        with Gallery.open(gallery.home.place) as other:
            other.add([image("a")])
        with pytest.raises(LockedError, match="start again to resume"):
            gallery.add_staged(one, 2)
    assert set(gallery.view.digests()) == {"a"}
