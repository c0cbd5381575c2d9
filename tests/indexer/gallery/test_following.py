"""A reader sees what another process commits without being told, and no search of it ever fails."""

import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from functools import partial
from threading import Event

import pytest
from gallery_images import image, parts
from gallery_writer import write_for_ever
from homes import in_a_folder_and_a_bucket

from partlens.indexer.errors import LockedError
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.following import Follower
from partlens.indexer.gallery.view import GalleryView

DEADLINE = 60.0
SOON = 10.0  # a quarter of a second, but for machines that do much else


def wait_until(met: Callable[[], bool]) -> None:
    end = time.monotonic() + SOON
    while not met():
        assert time.monotonic() < end, f"not within {SOON} s"
        time.sleep(0.01)


def holds(reader: Gallery, id: str) -> bool:
    return id in reader.view


def test_commits_of_another_writer_are_seen_within_a_second(gallery: Gallery) -> None:
    reader = Gallery.open(gallery.home.place)
    with closing(Follower(reader)):
        for number in range(3):
            gallery.add([image(str(number))])
            wait_until(partial(holds, reader, str(number)))
        gallery.delete(["1"])
        wait_until(lambda: "1" not in reader.view)
        gallery.compact()
        wait_until(lambda: reader.view.number == gallery.view.number)
        paths = {segment.path for segment in reader.view.live.segments}
        assert all(path and path.exists() for path in paths), "removed files must be let go of"
        assert len(reader.view.search(parts(), "context", Filter(), 5)) == 2


@in_a_folder_and_a_bucket
def test_a_writer_at_rest_lets_another_write(gallery: Gallery) -> None:
    other = Gallery.open(gallery.home.place)
    with closing(Follower(gallery, seconds=0.02, rest=0.2)):
        gallery.add([image("a")])

        def written() -> bool:
            try:
                other.add([image("b")])
            except LockedError:
                return False
            return True

        wait_until(written)
        other.close()
        wait_until(lambda: "b" in gallery.view)
        gallery.add([image("c")])
    assert {stored.id for stored in Gallery.open(gallery.home.place).view.list()} == set("abc")


def test_a_gallery_that_cannot_be_read_any_more_goes_on_as_it_was(gallery: Gallery) -> None:
    gallery.add([image("a")])
    reader = Gallery.open(gallery.home.place)
    with closing(Follower(reader, seconds=0.02)):
        note = gallery.path / "committed.json"
        content = note.read_bytes()
        note.write_bytes(b"{")
        time.sleep(0.1)
        assert reader.view.search(parts(), "context", Filter(), 5)[0].id == "a"
        note.write_bytes(content)
        gallery.add([image("b")])
        wait_until(lambda: "b" in reader.view)


@pytest.mark.usefixtures("preloaded")
def test_no_search_fails_while_another_process_changes_everything(gallery: Gallery) -> None:
    gallery.add([image(f"kept{number}") for number in range(5)])
    gallery.close()
    context = multiprocessing.get_context("forkserver")
    ours, theirs = context.Pipe(duplex=False)
    child = context.Process(target=write_for_ever, args=(gallery.path, 5, theirs))
    stop, searches = Event(), [0, 0, 0]

    def look(view: GalleryView) -> None:
        found = view.search(parts(), "context", Filter(), 100)
        assert {f"kept{n}" for n in range(5)} <= {hit.id for hit in found}
        kept = [hit for hit in found if hit.id.startswith("kept")]
        for hit in view.with_thumbnails(kept):
            assert hit.thumbnail == hit.id.encode()

    def search(reader: Gallery, number: int) -> None:
        while not stop.is_set():
            reader.read(look)
            searches[number] += 1

    reader = Gallery.open(gallery.home.place)
    with closing(Follower(reader, seconds=0.02)), ThreadPoolExecutor(3) as pool:
        running = [pool.submit(search, reader, number) for number in range(3)]
        child.start()
        theirs.close()
        end, commits = time.monotonic() + 3, 0
        try:
            while time.monotonic() < end or not commits:
                assert ours.poll(DEADLINE)
                commits += ours.recv()[1]
        finally:
            child.kill()
            child.join(DEADLINE)
            stop.set()
        for one in running:
            one.result(DEADLINE)
        assert min(searches) > 0 and commits > 5 and reader.view.number > gallery.view.number
