"""Running out of file descriptors is no damage: nothing is reported, repaired or removed."""

import gc
import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from gallery_images import SPEC, image

from partlens.common.files import lacks_descriptors
from partlens.indexer.errors import OutOfFilesError
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.checksums import digest
from partlens.indexer.gallery.integrity import pieces


@contextmanager
def no_descriptor_left() -> Iterator[Callable[[], None]]:
    """Takes every file descriptor that this process may still open; call what it gives to take
    those that other threads, such as Lance's, have closed since."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(512, before[0]), before[1]))
    held = list[int]()

    def take_all() -> None:
        while True:
            try:
                held.append(os.open(os.devnull, os.O_RDONLY))
            except OSError as error:
                assert lacks_descriptors(error)
                break

    gc.collect()  # what earlier tests left open must not be closed meanwhile
    try:
        take_all()
        yield take_all
    finally:
        for handle in held:
            os.close(handle)
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_a_gallery_that_cannot_be_read_for_lack_of_descriptors_is_not_damaged(
    tmp_path: Path,
) -> None:
    path = tmp_path / "gallery"
    with Gallery.create(path, SPEC) as gallery:
        gallery.add([image(f"{n}") for n in range(5)])
        gallery.compact()
        listed = pieces(gallery.view, gallery.bound)
        everything = [piece for piece in listed if (path / piece.place).exists()]
        with no_descriptor_left() as take_all:
            with pytest.raises(OutOfFilesError):
                Gallery.open(path, SPEC)
            for piece in everything:
                take_all()
                with pytest.raises(OutOfFilesError):
                    piece.examine(digest)
            with suppress(OutOfFilesError):  # Lance may have the file open
                assert gallery.view.thumbnails(["1"]) == [b"1"]
        assert not gallery.damage and gallery.view.thumbnails(["1"]) == [b"1"]
        assert all(piece.examine(digest) is None for piece in everything)
    with Gallery.open(path, SPEC) as again:
        assert len(again.view) == 5 and not again.damage


@pytest.mark.parametrize(
    "error",
    [
        OSError(24, "Too many open files"),
        OSError("LanceError(IO): Too many open files (os error 24)"),
        RuntimeError("could not open x for reading: Too many open files"),
        OSError(23, "Too many open files in system"),
        ValueError("[errno 24] Failed to open local file"),
    ],
)
def test_every_library_s_way_to_say_so_is_known(error: Exception) -> None:
    outer = RuntimeError("it cannot be read")
    outer.__cause__ = error
    assert lacks_descriptors(error) and lacks_descriptors(outer)
    assert not lacks_descriptors(OSError(2, "No such file")) and not lacks_descriptors(
        OSError("os error 240")
    )
