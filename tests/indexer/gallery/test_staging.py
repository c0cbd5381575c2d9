"""Rows that other processes wrote are committed whole or not at all."""

from collections.abc import Callable
from pathlib import Path

import pytest
from gallery_images import SPEC, image
from gallery_rows import require_same

from partlens.indexer.errors import DamagedError, InvalidImageError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.schema import packed
from partlens.indexer.gallery.staging import STAGING, Staged, stage
from partlens.indexer.gallery.verification import verify


def staged(gallery: Gallery, folder: Path, ids: str, revision: int) -> Staged:
    tables = [packed([image(id)], revision, gallery.bound).table for id in ids]
    return stage(folder, tables, gallery.storage_version)


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
    assert gallery.view.live.revisions(["a", "c", "f"]) == {"a": 1, "c": 5, "f": 9}
    assert gallery.next_revision == 10
    with Gallery.create(tmp_path / "other", SPEC, gallery.bound.storage) as other:
        other.add([image(id) for id in "abcdef"])
        require_same(gallery, other)
        with Gallery.open(gallery.path) as reopened:
            require_same(reopened, other)
        gallery.compact()
        require_same(gallery, other)
    assert not verify(gallery.path).findings


def cut(one: Staged) -> None:
    (file,) = one.files
    file.write_bytes(file.read_bytes()[:-100])


def change(one: Staged) -> None:
    """In the middle of the file, where the numbers are."""
    (file,) = one.files
    data = bytearray(file.read_bytes())
    for at in range(len(data) // 3, len(data) // 3 + 64):
        data[at] ^= 0x55
    file.write_bytes(data)


def remove(one: Staged) -> None:
    for file in one.files:
        file.unlink()


@pytest.mark.parametrize("spoil", [cut, change, remove])
def test_files_that_changed_are_refused_and_nothing_is_added(
    gallery: Gallery, spoil: Callable[[Staged], None]
) -> None:
    gallery.add([image("a")])
    with gallery.staging() as folder:
        one = staged(gallery, folder, "bc", 2)
        spoil(one)
        with pytest.raises(DamagedError):
            gallery.add_staged(one, 2)
        assert gallery.add_staged(staged(gallery, folder, "bc", 2), 2) == 2
    assert set(gallery.view.digests()) == {"a", "b", "c"}
    assert not verify(gallery.path).findings


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


def test_the_next_writer_removes_what_a_killed_one_left(gallery: Gallery) -> None:
    gallery.add([image("a")])
    left = gallery.path / STAGING / (32 * "a")
    left.mkdir(parents=True)
    staged(gallery, left, "b", 2)
    (gallery.path / STAGING / "notes.txt").write_text("someone else's")
    gallery.close()
    with Gallery.open(gallery.path) as next_one, next_one.staging() as folder:
        assert {one.name for one in (gallery.path / STAGING).iterdir()} == {
            "notes.txt",
            folder.name,
        }
    assert not folder.exists()
    assert not verify(gallery.path).findings
