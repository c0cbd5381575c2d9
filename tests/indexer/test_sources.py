"""Folders and manifests give the images they list, or say which row they cannot read."""

import os
import socket
import sys
from pathlib import Path

import pytest

from partlens.common.files import read_file
from partlens.common.metadata import Metadata
from partlens.explainer.errors import ImageError
from partlens.indexer.errors import SourceError
from partlens.indexer.sources import ImageFile, MissingImage, read_source


def touch(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def test_a_folder_is_read_with_all_folders_in_it(tmp_path: Path) -> None:
    touch(tmp_path, "b.jpg", "a/c.PNG", "a/d/e.webp", "notes.txt", "@eaDir/x.jpg/thumb.jpg")
    (tmp_path / "a" / "loop").symlink_to(tmp_path)
    (tmp_path / "a" / "link.jpg").symlink_to(tmp_path / "b.jpg")
    found = read_source(tmp_path)
    below = ["@eaDir/x.jpg/thumb.jpg", "a/c.PNG", "a/d/e.webp", "a/link.jpg", "b.jpg"]
    assert [image.id for image in found] == [f"{tmp_path.name}/{name}" for name in below]
    assert found.not_looked_at == "1 .txt; 1 folder linked and not followed: a/loop"


def test_what_a_folder_holds_besides_images_is_counted_by_ending(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "1.mov", "x/2.MOV", "3.txt", "README", ".jpg", "y.a_very_long_ending")
    assert read_source(tmp_path).not_looked_at == (
        "2 .mov, 1 .txt, 2 without an ending, 1 with other endings"
    )
    (tmp_path / "a.jpg").unlink()
    with pytest.raises(SourceError, match=r"contains no images .*; ignored: 2 \.mov"):
        read_source(tmp_path)


def nest(folder: Path, name: str, count: int) -> None:
    """Folders in folders, whose whole path may be longer than the system takes."""
    here = os.open(folder, os.O_RDONLY)
    for _ in range(count):
        os.mkdir(name, dir_fd=here)
        below = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def test_a_folder_that_cannot_be_listed_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg")
    nest(tmp_path, "d" * 250, 20)  # more than 4096 bytes cannot be listed, not even by root
    found = read_source(tmp_path)
    assert [image.id for image in found] == [f"{tmp_path.name}/a.jpg"]
    assert found.not_looked_at.startswith("1 folder unreadable: ddd")


def test_folders_may_be_nested_deeper_than_calls(tmp_path: Path) -> None:
    depth = sys.getrecursionlimit() + 100
    touch(tmp_path, "keep.txt")
    nest(tmp_path, "d", depth)
    deepest = f"{tmp_path}{'/d' * depth}"
    Path(f"{deepest}/a.jpg").write_bytes(b"")
    try:
        (image,) = read_source(tmp_path)
        assert isinstance(image, MissingImage) and "1 to 512" in image.reason
    finally:  # shutil.rmtree, which would clear this up, is recursive
        os.remove(f"{deepest}/a.jpg")
        os.removedirs(deepest)


@pytest.mark.parametrize(
    "name",
    [
        "Screenshot 2026-05-01 at 5.12.01\u202fPM.png",
        "family \U0001f468\u200d\U0001f469\u200d\U0001f467.jpg",
        "\u0645\u06cc\u200c\u062e\u0648\u0627\u0647\u0645.jpg",
        "\u3000wide.jpg",
        "no\u00a0break.jpg",
        "\U0001f3f4\U000e0067\U000e0062\U000e0065\U000e006e\U000e0067\U000e007f.jpg",
        "\uf8ff private.jpg",
        "\U0001fae9 newer than this Python.jpg",
        "._resource fork.jpg",
    ],
)
def test_names_that_text_is_written_with_are_ids(tmp_path: Path, name: str) -> None:
    touch(tmp_path, name)
    (image,) = read_source(tmp_path)
    assert image == ImageFile(f"{tmp_path.name}/{name}", tmp_path / name, Metadata())


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"caf\xe9.jpg", "caf\\udce9.jpg"),
        (b"a\nb.jpg", "a\\nb.jpg"),
        (b"\x1b[2J.jpg", "\\x1b[2J.jpg"),
        ("a\u2028b.jpg".encode(), "a\\u2028b.jpg"),
        (b"/".join([b"d" * 200] * 3) + b"/x.jpg", "/".join(["d" * 200] * 3) + "/x.jpg"),
    ],
)
def test_a_name_that_cannot_be_an_id_is_reported_alone(
    tmp_path: Path, name: bytes, shown: str
) -> None:
    touch(tmp_path, "good.jpg", os.fsdecode(name))
    id = f"{tmp_path.name}/good.jpg"
    bad, good = sorted(read_source(tmp_path), key=lambda image: image.id == id)
    assert isinstance(good, ImageFile) and good.id == id
    assert bad.id == f"{tmp_path.name}/{shown}"
    with pytest.raises(ImageError, match="id '"):
        bad.read()
    (bad.id + bad.uri).encode()  # can be printed


def test_only_regular_files_are_opened(tmp_path: Path) -> None:
    """Opening a FIFO would wait for a writer, and reading /dev/zero would never end."""
    os.mkfifo(tmp_path / "fifo.jpg")
    (tmp_path / "zero.jpg").symlink_to("/dev/zero")
    (tmp_path / "nowhere.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "circle.jpg").symlink_to(tmp_path / "circle.jpg")
    with socket.socket(socket.AF_UNIX) as one:
        here = os.open(tmp_path, os.O_RDONLY)
        one.bind(f"/proc/self/fd/{here}/socket.jpg")  # the whole path may be too long for one
        os.close(here)
    reasons = {}
    for image in read_source(tmp_path):
        with pytest.raises(OSError) as raised:
            image.read()
        reasons[Path(image.id).name] = str(raised.value.strerror)
    assert reasons == {
        "circle.jpg": "Too many levels of symbolic links",
        "fifo.jpg": "is a FIFO, not a regular file",
        "nowhere.jpg": "No such file or directory",
        "socket.jpg": "is a socket, not a regular file",
        "zero.jpg": "is a device, not a regular file",
    }


@pytest.mark.parametrize("name", ["m.csv", "m.parquet"])
def test_a_manifest_that_is_no_regular_file_is_refused(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(SourceError, match="is a FIFO"):
        read_source(tmp_path / name)


def test_other_things_are_refused(tmp_path: Path) -> None:
    (tmp_path / "m.parquet").write_bytes(b"PAR1")
    for name in ("m.parquet", "nothing", "nothing.csv"):
        with pytest.raises(SourceError):
            read_source(tmp_path / name)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="contains no images"):
        read_source(tmp_path / "empty")


def test_a_source_that_cannot_be_looked_at_says_why(tmp_path: Path) -> None:
    """Path.is_dir raises where it knows neither yes nor no, as in a folder closed to this user."""
    with pytest.raises(SourceError, match="cannot be read: File name too long"):
        read_source(tmp_path / ("x" * 300))


def test_a_file_without_anything_to_read_yet_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Some files of /proc are regular ones by their mode, and wait for more like a pipe."""
    reading, writing = os.pipe()
    os.set_blocking(reading, False)
    monkeypatch.setattr("partlens.common.files.open_regular", lambda path, flags: reading)
    with pytest.raises(BlockingIOError, match="has nothing to read yet"):
        read_file(Path("/proc/kmsg"))
    os.close(writing)


def test_a_uri_is_the_same_however_the_path_leads_there(tmp_path: Path) -> None:
    touch(tmp_path, "yard/a.jpg", "gate/b.jpg")
    (tmp_path / "gate/link.jpg").symlink_to("../yard/a.jpg")
    (tmp_path / "gate/circle.jpg").symlink_to("circle.jpg")
    plain = [image.uri for image in read_source(tmp_path / "gate")]
    assert plain == [f"file://{tmp_path}/gate/{name}.jpg" for name in ("b", "circle", "link")]
    for path in (tmp_path / "yard/../gate", tmp_path / "gate/../yard/../gate", f"/{tmp_path}/gate"):
        assert [image.uri for image in read_source(Path(path))] == plain
