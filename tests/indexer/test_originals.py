"""Originals are read below their folders only, and only with the bytes that were indexed."""

import os
import threading
import time
from pathlib import Path, PurePosixPath

import pytest
from gallery_images import image
from hypothesis import given
from hypothesis import strategies as st

from partlens.common.media_digest import media_digest
from partlens.common.metadata import Metadata
from partlens.indexer.errors import OriginalError
from partlens.indexer.gallery import StoredImage
from partlens.indexer.originals import Originals
from partlens.indexer.places import file_uri, path_of

MOST = 10_000
DATA, OTHER = b"the indexed bytes", b"other bytes!"


def stored(uri: str, data: bytes = DATA) -> StoredImage:
    return StoredImage("a", uri, media_digest(data), 1, 1, Metadata())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Originals, with an equal file next to their folder that must never be given out."""
    inside = tmp_path / "photos"
    (inside / "2024").mkdir(parents=True)
    (inside / "2024" / "a b#%.jpg").write_bytes(DATA)
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "a.jpg").write_bytes(DATA)
    return inside


@given(st.lists(st.text(st.characters(exclude_characters="/\0", exclude_categories=["Cs"]))))
def test_a_file_is_found_by_the_uri_that_indexing_gives_it(names: list[str]) -> None:
    names = [name for name in names if name not in ("", ".", "..")]
    path = Path("/photos", *names)
    assert path_of(file_uri(path)) == path_of(str(path)) == PurePosixPath(path)


@given(st.binary(min_size=1).filter(lambda name: not {0, 47} & set(name)))
def test_any_bytes_can_name_a_file(name: bytes) -> None:
    path = Path(os.fsdecode(b"/photos/x" + name))
    assert path_of(file_uri(path)) == PurePosixPath(path)


@given(st.text())
def test_what_names_a_file_is_absolute_and_does_not_climb(uri: str) -> None:
    for text in (uri, f"file:///{uri}", f"/{uri}"):
        path = path_of(text)
        assert path is None or (path.is_absolute() and ".." not in path.parts)


def test_an_indexed_file_is_read(folder: Path) -> None:
    file = folder / "2024" / "a b#%.jpg"
    for folders in ([folder], [Path("/nowhere"), folder], [Path(os.path.relpath(folder))]):
        assert Originals(folders).read(stored(file_uri(file)), MOST) == DATA
    assert Originals([folder]).read(stored(str(file)), len(DATA)) == DATA
    with pytest.raises(OriginalError, match="more than 3 bytes"):
        Originals([folder]).read(stored(str(file)), 3)


def test_a_folder_may_be_named_through_a_link(folder: Path) -> None:
    linked = folder.parent / "album"
    linked.symlink_to(folder)
    for name in (linked, folder):
        uri = file_uri(name / "2024" / "a b#%.jpg")
        for named in (linked, Path(os.path.relpath(linked)), folder / ".." / "album"):
            assert Originals([named]).read(stored(uri), MOST) == DATA
            uri = file_uri(named / "2024" / "a b#%.jpg")
    inside = folder / "newest.jpg"
    inside.symlink_to(Path("2024", "a b#%.jpg"))
    assert Originals([folder]).read(stored(file_uri(inside)), MOST) == DATA


def test_nothing_else_is_read(folder: Path) -> None:
    """Every way out leads to a file with the digest of the image."""
    secret = folder.parent / "secret"
    (folder / "out.jpg").symlink_to(secret / "a.jpg")
    (folder / "out").symlink_to(secret)
    (folder / "loop").symlink_to(folder / "loop")
    os.mkfifo(folder / "fifo")
    with (folder / "huge").open("wb") as huge:
        huge.truncate(2**40)
    paths = ["out.jpg", "out/a.jpg", "loop", "fifo", "huge", "", ".", "2024", "2024/a b#%.jpg/x",
             "nothing", "../secret/a.jpg", "2024/../../secret/a.jpg", "x" * 4000]  # fmt: skip
    uris = [f"{folder}/{path}" for path in paths]
    uris += [f"file://{uri}" for uri in uris]
    uris += [
        *(f"{secret}/a.jpg", f"file://{secret}/a.jpg", f"file://host{secret}/a.jpg"),
        *(f"file:{folder}/%2e%2e/secret/a.jpg", f"file://{folder}/..%2fsecret/a.jpg"),
        *(f"file://{folder}%00/../secret/a.jpg", f"{folder}\0", "/dev/zero", "/proc/self/mem"),
        *(f"//{secret}/a.jpg", f"file:////{secret}/a.jpg", f"{folder}2/a.jpg", "a.jpg", ""),
        *("http://127.0.0.1/a.jpg", "s3://bucket/a.jpg", "ftp://host/a.jpg", "data:,x"),
        *("file://[/a", f"FILE+x://{secret}/a.jpg", f"file://{folder}/2024/a b.jpg?x#y"),
    ]
    uris.append(f"file://{folder}/a%0aERROR%1b.jpg")
    for uri in uris:
        with pytest.raises(OriginalError) as caught:
            Originals([folder]).read(stored(uri), MOST)
        assert str(caught.value).isprintable()
    with pytest.raises(OriginalError, match="not in a folder"):
        Originals([]).read(stored(f"{folder}/2024/a b#%.jpg"), MOST)


def test_other_bytes_than_those_indexed_are_not_given_out(folder: Path) -> None:
    file = folder / "2024" / "a b#%.jpg"
    with pytest.raises(OriginalError, match="has changed since it was indexed"):
        Originals([folder]).read(stored(file_uri(file), OTHER), MOST)
    nameless = StoredImage("a", file_uri(file), "", 1, 1, image("a").metadata)
    with pytest.raises(OriginalError, match="has changed"):
        Originals([folder]).read(nameless, MOST)


def test_a_path_that_changes_meanwhile_gives_nothing_else(folder: Path) -> None:
    """Another process exchanges the file and its folder for links to outside, and back."""
    day, secret = folder / "day", folder.parent / "secret"
    (secret / "b.jpg").write_bytes(OTHER)
    day.mkdir()
    end = time.monotonic() + 0.5
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            (folder / "new").symlink_to(secret)
            day.rename(folder / "old")
            (folder / "new").rename(day)
            day.unlink()
            (folder / "old").rename(day)
            (day / "b.jpg").unlink(missing_ok=True)
            (day / "b.jpg").write_bytes(DATA)

    changing = threading.Thread(target=change)
    changing.start()
    read = 0
    try:
        while time.monotonic() < end or (not read and time.monotonic() < end + 10):
            for wanted, allowed in ((DATA, True), (OTHER, False)):
                try:
                    found = Originals([folder]).read(stored(f"{day}/b.jpg", wanted), MOST)
                except OriginalError:
                    continue
                assert allowed and found == wanted
                read += 1
    finally:
        stop.set()
        changing.join(10)
    assert read
