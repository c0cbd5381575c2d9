"""What `partlens open` refuses, and how it chooses a model."""

import os
import shlex
import shutil
import socket
import time
from pathlib import Path

import pretrained
import pytest
from click.testing import CliRunner, Result
from gallery_images import SPEC
from served import picture

from partlens.explainer.errors import HubError
from partlens.explainer.importing.hub import HubModel, look_up
from partlens.explainer.model import read_spec
from partlens.explainer.starter import model_folder
from partlens.indexer.gallery import Gallery
from partlens.server.errors import AlreadyOpenError, OpenError
from partlens.server.opening import choosing, instance
from partlens.server.opening.cli import open_command
from partlens.server.opening.instance import Instance
from partlens.server.opening.places import Cache, remember_model, remembered_model, require_outside

DEADLINE = 20.0


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos" / "2024").mkdir(parents=True)
    (tmp_path / "photos" / "2024" / "a.png").write_bytes(picture(1))
    return tmp_path / "photos"


def opened(*arguments: object) -> Result:
    return CliRunner().invoke(open_command, [*map(str, arguments), "--no-browser"])


def test_a_source_that_is_none_is_refused_with_a_way_on(tmp_path: Path) -> None:
    (tmp_path / "empty" / "below").mkdir(parents=True)
    (tmp_path / "empty" / "film.mov").write_bytes(b"")
    (tmp_path / "a.jpg").write_bytes(picture(1))
    for name, words in {
        "nothing": "does not exist; give a folder",
        "empty": "contains no pictures",
        "a.jpg": "is a file; give the folder",
    }.items():
        result = opened(tmp_path / name)
        assert result.exit_code == 1 and words in result.output, result.output
    result = opened("")
    assert result.exit_code == 2 and "PHOTOS is empty" in result.output
    assert not (tmp_path / "cache").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_cannot_be_read_is_refused(photos: Path) -> None:
    photos.chmod(0)
    result = opened(photos)
    photos.chmod(0o700)
    assert result.exit_code == 1 and "cannot be read" in result.output


def test_nothing_is_ever_written_to_the_pictures(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = opened(photos, "--gallery", photos / "2024" / "gallery")
    assert result.exit_code == 1 and "--gallery" in result.output
    monkeypatch.setenv("XDG_CACHE_HOME", str(photos / "cache"))
    result = opened(photos)
    assert result.exit_code == 1 and "would lie inside" in result.output
    link = tmp_path / "link"
    link.symlink_to(photos)
    with pytest.raises(OpenError, match="would lie inside"):
        require_outside(photos, link / "gallery")
    assert sorted(path.name for path in photos.rglob("*")) == ["2024", "a.png"]


@pytest.mark.parametrize("model", ["nothing/here/at-all", "./nothing", "no such model"])
def test_a_model_that_is_none_is_refused(photos: Path, model: str) -> None:
    result = opened(photos, "--model", model)
    assert result.exit_code == 1 and f"--model {model}" in result.output


def test_a_hub_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{port}")
        start = time.monotonic()
        with pytest.raises(HubError, match="cannot be reached"):
            look_up("nobody/no-such-model", 1.0)
        assert 0.9 < time.monotonic() - start < DEADLINE


def test_a_model_that_was_prepared_once_needs_no_hub(tmp_path: Path, photos: Path) -> None:
    cache, lines = Cache(tmp_path / "cache"), list[str]()
    usual = cache.models / "facebook--dinov2-small"
    shutil.copytree(model_folder(), usual)
    memory = cache.memory(photos)
    assert choosing.usual_model(photos, memory, cache, lines.append).folder == usual
    assert choosing.given_model(choosing.USUAL, cache, lines.append).folder == usual
    assert lines[0] == lines[1] and "licence: Apache-2.0" in lines[0]
    remember_model(memory, model_folder())
    assert choosing.usual_model(photos, memory, cache, lines.append).folder == model_folder()
    assert "only drawn pedestrians" in lines[2]


def test_a_downloaded_model_is_read_from_its_folder_while_the_hub_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder is laid out as the hub's library does it."""
    commit, hub = "0123456789abcdef" * 2 + "01234567", tmp_path / "hub"
    snapshot = hub / "models--someone--tiny" / "snapshots" / commit
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"")
    (hub / "models--someone--tiny" / "refs").mkdir()
    (hub / "models--someone--tiny" / "refs" / "main").write_text(commit)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(hub))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    found = look_up("someone/tiny", choosing.HUB_SECONDS)
    assert found == HubModel("someone/tiny", str(snapshot), "", True)
    with pytest.raises(HubError, match="does not give someone/other"):
        look_up("someone/other", choosing.HUB_SECONDS)


@pytest.mark.long
def test_a_hugging_face_folder_is_imported_once_and_remembered(
    tmp_path: Path, photos: Path
) -> None:
    cache, lines = Cache(tmp_path / "cache"), list[str]()
    folder = tmp_path / "hf"
    pretrained.make("dinov2").save_pretrained(folder)
    first = choosing.given_model(str(folder), cache, lines.append)
    assert first.folder.parent == cache.models and "Preparing" in lines[-1]
    files = {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    again = choosing.given_model(str(folder), cache, lines.append)
    assert again.spec.digest == first.spec.digest
    assert files == {path: path.stat().st_mtime_ns for path in first.folder.iterdir()}
    memory = cache.memory(photos)
    remember_model(memory, first.folder)
    assert choosing.usual_model(photos, memory, cache, lines.append).folder == first.folder
    gallery = cache.gallery(photos, first.spec.digest)
    assert gallery.is_relative_to(cache.root)
    starter = read_spec(model_folder())
    assert gallery != cache.gallery(photos, starter.digest)
    assert gallery != cache.gallery(photos / "2024", first.spec.digest)


def test_a_gallery_of_another_model_and_a_damaged_one_are_refused(
    tmp_path: Path, photos: Path
) -> None:
    gallery = tmp_path / "gallery"
    Gallery.create(gallery, SPEC).close()
    result = opened(photos, "--gallery", gallery, "--model", model_folder())
    assert result.exit_code == 1 and "this gallery was made with model" in result.output
    assert sorted(path.name for path in tmp_path.iterdir() if "model" in path.name) == []
    (gallery / "gallery.json").write_bytes(b"{")
    result = opened(photos, "--gallery", gallery, "--model", model_folder())
    assert result.exit_code == 1 and f"To start over, remove {gallery}" in result.output
    # Nobody is told to remove what is not a gallery.
    for other in (tmp_path, photos / "2024" / "a.png"):
        result = opened(photos, "--gallery", tmp_path / other, "--model", model_folder())
        assert result.exit_code == 1 and "remove" not in result.output, result.output


@pytest.mark.parametrize("name", ["a b", "a\nb", "a\x1b[31mb", os.fsdecode(b"caf\xe9"), "\u202eb"])
def test_a_folder_of_any_name_has_a_gallery_of_its_own(tmp_path: Path, name: str) -> None:
    cache, photos = Cache(tmp_path / "cache"), tmp_path / name
    galleries = [cache.gallery(one, "sha256:1") for one in (photos, tmp_path / f"{name}c")]
    assert len(set(galleries)) == 2
    for gallery in galleries:
        Gallery.create(gallery, SPEC).close()
        Gallery.open(gallery, SPEC).close()


def test_without_the_hub_nothing_is_suggested_that_needs_it_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    said = list[str]()
    photos = tmp_path / "my photos"
    choosing.usual_model(photos, tmp_path / "model", Cache(tmp_path), said.append)
    assert "the Hugging Face hub" in said[0] and f"--model {choosing.USUAL}" not in "".join(said)
    assert f"partlens open '{photos}' --model MODEL" in said[1]


def test_the_command_that_is_suggested_can_be_pasted(tmp_path: Path) -> None:
    said = list[str]()
    memory = tmp_path / "model"
    remember_model(memory, model_folder())
    choosing.usual_model(tmp_path / "my photos", memory, Cache(tmp_path), said.append)
    (command,) = (line for line in said if "partlens open" in line)
    assert shlex.split(command.partition(": ")[2])[2] == str(tmp_path / "my photos")


def test_a_cache_that_cannot_be_written_is_told(
    tmp_path: Path, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    result = opened(photos, "--model", model_folder())
    assert result.exit_code == 1 and "XDG_CACHE_HOME" in result.output


def test_one_gallery_is_open_for_one_source_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = tmp_path / "gallery"
    with Instance(gallery, tmp_path / "a") as first:
        assert first.last_port == 0
        first.announce("http://127.0.0.1:4321/")
        with pytest.raises(AlreadyOpenError) as refused:
            Instance(gallery, tmp_path / "a")
        assert refused.value.address == "http://127.0.0.1:4321/"
        with pytest.raises(OpenError, match=r"is open for .*/a, at http://127\.0\.0\.1:4321/"):
            Instance(gallery, tmp_path / "b")
        # Until it announces itself again, its last address is not its address.
        (lock,) = tmp_path.glob("*.lock")
        lock.write_bytes(b"")
        monkeypatch.setattr(instance, "_START", 0.2)
        with pytest.raises(OpenError, match="its page has no address yet"):
            Instance(gallery, tmp_path / "a")
        (record,) = tmp_path.glob("*.open.json")
        record.unlink()
        with pytest.raises(OpenError, match="its page has no address yet"):
            Instance(gallery, tmp_path / "a")
        first.announce("http://127.0.0.1:4321/")
    with Instance(gallery, tmp_path / "b") as second:
        assert second.last_port == 4321


@pytest.mark.parametrize(
    "record",
    [b"", b"[]", b"\xff", *(b'{"port": %s}' % port for port in (b"70000", b"-1", b"true", b"1e9"))],
)
def test_a_damaged_record_only_loses_the_port(tmp_path: Path, record: bytes) -> None:
    gallery = tmp_path / "gallery"
    with Instance(gallery, tmp_path / "a") as first:
        first.announce("http://127.0.0.1:4321/")
    (tmp_path / "gallery.open.json").write_bytes(record)
    with Instance(gallery, tmp_path / "a") as again:
        assert again.last_port == 0


@pytest.mark.parametrize("memory", [b"", b"\xff", b"a\0b", b"x" * 100_000, b"/nowhere"])
def test_a_damaged_memory_only_loses_the_model(tmp_path: Path, memory: bytes) -> None:
    (tmp_path / "model").write_bytes(memory)
    found = remembered_model(tmp_path / "model")
    assert found is None or found == Path()
