"""Segments that lie apart from the truth are never used for another gallery, or another history.

They are those of galleries in buckets and of shards. The oracle has no segments when it opens.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from gallery_images import SPEC, image, parts

from partlens.common.bucket_address import BucketAddress, Place
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import DamagedError
from partlens.indexer.gallery import Filter, Gallery
from partlens.indexer.gallery.home.scratch import FOLDER, Scratch
from partlens.indexer.gallery.shard import Shard
from partlens.indexer.gallery.share import Share
from partlens.indexer.gallery.view import GalleryView
from partlens.indexer.object_stores.access import store as store_of

Backup = dict[str, bytes]
Reader = Callable[[], GalleryView]


@pytest.fixture(params=["bucket", "shard"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where a gallery may be, that is read from segments elsewhere."""
    if request.param == "shard":
        return tmp_path / "gallery"
    address: BucketAddress = request.getfixturevalue("address")
    return address


@contextmanager
def reading(place: Place, scratch: Path) -> Iterator[Reader]:
    """The newest view, by a process whose segments are in the folder `scratch`."""
    if isinstance(place, Path):
        with Shard(place, Share(0, 1), scratch, seconds=60) as shard:
            yield lambda: (shard.refresh(), shard.view)[1]
        return
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv(FOLDER, str(scratch))
        gallery = Gallery.open(place)
    with gallery:
        yield lambda: (gallery.refresh(), gallery.view)[1]


def backup(place: Place) -> Backup:
    if isinstance(place, Path):
        files = [path for path in place.rglob("*") if path.is_file()]
        return {str(path.relative_to(place)): path.read_bytes() for path in files}
    store = store_of(place.bucket, place.prefix)
    names = [one["path"] for batch in store.list() for one in batch]
    return {name: bytes(store.get(name).bytes()) for name in names}


def restore(place: Place, content: Backup) -> None:
    """Leave these files at a place, and no others."""
    if isinstance(place, Path):
        shutil.rmtree(place)
        for name, data in content.items():
            (place / name).parent.mkdir(parents=True, exist_ok=True)
            (place / name).write_bytes(data)
        return
    store = store_of(place.bucket, place.prefix)
    for name in backup(place):
        store.delete(name)
    for name, data in content.items():
        store.put(name, data)


def add(place: Place, commits: Sequence[str], seed: int) -> None:
    """Add two images in each commit."""
    with Gallery.open(place) as gallery:
        for name in commits:
            gallery.add([image(f"{name}-{n}", seed) for n in range(2)])


def make(place: Place, commits: Sequence[str], seed: int, spec: ModelSpec = SPEC) -> None:
    """A gallery whose rows have the ids and revisions of any other with as many commits."""
    Gallery.create(place, spec).close()
    add(place, commits, seed)


def answers(view: GalleryView) -> list[tuple[str, str, float]]:
    """Every image: id, digest and score, by id."""
    digests = view.digests()
    hits = view.search(parts(), "context", Filter(), 50)
    assert len(hits) == len(digests)
    return sorted((one.id, digests[one.id], round(one.score, 5)) for one in hits)


def require_read(view: GalleryView, place: Place, new: Path) -> None:
    """Require the answers of a process that knows nothing of earlier galleries."""
    with reading(place, new) as afresh:
        assert answers(view) == answers(afresh())


@pytest.mark.parametrize("commits", ["a", "ab", "abc"])
def test_a_gallery_that_replaces_another_is_read_anew(
    place: Place, commits: str, tmp_path: Path
) -> None:
    make(place, "ab", 1)
    with reading(place, tmp_path / "here") as read:
        read()
        restore(place, {})
        make(place, commits, 2)
        if len(commits) != 2:
            require_read(read(), place, tmp_path / "running")
    with reading(place, tmp_path / "here") as read:
        require_read(read(), place, tmp_path / "new")


@pytest.mark.parametrize("later", ["x", "xyz"])
def test_what_a_backup_has_undone_is_not_read(place: Place, later: str, tmp_path: Path) -> None:
    make(place, "ab", 1)
    earlier = backup(place)
    with reading(place, tmp_path / "here") as read:
        add(place, "cd", 1)
        read()
        restore(place, earlier)
        require_read(read(), place, tmp_path / "restored")
        add(place, later, 2)
        require_read(read(), place, tmp_path / "running")
    with reading(place, tmp_path / "here") as read:
        require_read(read(), place, tmp_path / "new")


@pytest.mark.parametrize("later", ["xyz"])
def test_a_process_that_did_not_see_the_backup_reads_it(
    place: Place, later: str, tmp_path: Path
) -> None:
    make(place, "ab", 1)
    earlier = backup(place)
    add(place, "cd", 1)
    with reading(place, tmp_path / "here") as read:
        read()
    restore(place, earlier)
    with reading(place, tmp_path / "here") as read:
        require_read(read(), place, tmp_path / "restored")
    add(place, later, 2)
    with reading(place, tmp_path / "here") as read:
        require_read(read(), place, tmp_path / "new")


def test_segments_of_another_model_are_not_used(place: Place, tmp_path: Path) -> None:
    """The records of the same photographs are the same."""
    make(place, "ab", 1)
    with reading(place, tmp_path / "here") as read:
        read()
        restore(place, {})
        other = replace(SPEC, digest="sha256:2")
        with Gallery.create(place, other) as gallery:
            for name in "abc":
                pictures = [image(f"{name}-{n}", 1) for n in range(2)]
                shown = [image(f"{name}-{n}", 2) for n in range(2)]
                gallery.add(
                    [
                        replace(one, contributions=two.contributions)
                        for one, two in zip(pictures, shown, strict=True)
                    ]
                )
        with pytest.raises(DamagedError, match="replaced by one of another model"):
            read()
    with reading(place, tmp_path / "here") as read:
        require_read(read(), place, tmp_path / "new")


def test_what_continues_is_kept(place: Place, tmp_path: Path) -> None:
    make(place, "ab", 1)
    with reading(place, tmp_path / "here") as read:
        add(place, "c", 1)
        kept = {one.path for one in read().live.segments}
    add(place, "d", 1)
    with reading(place, tmp_path / "here") as read:
        assert kept & {one.path for one in read().live.segments}


def test_an_erasure_keeps_what_is_open(place: Place, tmp_path: Path) -> None:
    """It removes the version that was seen last."""
    make(place, "ab", 1)
    with reading(place, tmp_path / "here") as read:
        before = set(read().live.segments)
        with Gallery.open(place) as gallery:
            gallery.delete(["a-0"])
            gallery.purge()
        assert before & set(read().live.segments)
        require_read(read(), place, tmp_path / "new")


def test_a_replacement_whose_history_is_gone_is_read_anew(place: Place, tmp_path: Path) -> None:
    make(place, "ab", 1)
    with reading(place, tmp_path / "here") as read:
        read()
        restore(place, {})
        make(place, "abcd", 2)
        with Gallery.open(place) as gallery:
            gallery.purge()
        require_read(read(), place, tmp_path / "new")


def test_a_writer_remembers_what_it_wrote(address: BucketAddress) -> None:
    """So the next process on this machine need not compare the records."""
    make(address, "ab", 1)
    with Gallery.open(address) as gallery:
        gallery.delete(["a-0"])
        gallery.purge()
    seen = json.loads((gallery.path / "truth-seen.json").read_text())
    assert seen["version"] == gallery.view.number


def test_stores_of_another_address_have_another_scratch_folder(
    address: BucketAddress, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL")
    folders = set[Path]()
    for name in ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT"):
        with monkeypatch.context() as patched:
            patched.setenv(name, f"https://{name.lower().replace('_', '-')}.example.org")
            folders.add(Scratch.of_environment().folder(address))
    assert len(folders) == 3
