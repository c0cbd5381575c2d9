"""`partlens index` fills galleries, skips what is bad, and resumes after kill -9."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import head_modules
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from partlens.explainer.model import MetricModel
from partlens.explainer.preprocessing import Preprocessing
from partlens.indexer.cli import index
from partlens.indexer.gallery import Gallery

COUNT = 40


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("model") / "tiny"
    net = head_modules.make("gap, fc, bn, relu, dropout")
    preprocessing = Preprocessing(16, 8)
    MetricModel.from_module(
        net, feature_layer="stem", preprocessing=preprocessing, name="tiny"
    ).save(folder)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    random = np.random.default_rng(0)
    for i in range(COUNT):
        pixels = random.integers(0, 256, (40, 30, 3), np.uint8)
        Image.fromarray(pixels).save(folder / f"{i:02}.png")
    yield folder


def partlens(*arguments: object) -> Result:
    return CliRunner().invoke(index, [str(argument) for argument in arguments])


def test_create_add_status_delete(tmp_path: Path, model: Path, pictures: Path) -> None:
    gallery = tmp_path / "gallery"
    assert partlens("create", gallery, "--model", model).exit_code == 0
    (pictures / "bad.jpg").write_bytes((pictures / "00.png").read_bytes()[:99])
    (pictures / "empty.jpg").write_bytes(b"")
    result = partlens("add", gallery, pictures, "--model", model, "--batch", 16)
    assert result.exit_code == 0, result.output
    assert f"{COUNT} added, 0 replaced, 0 updated, 0 unchanged, 2 skipped" in result.stdout
    assert "bad.jpg: the image is damaged" in result.stderr
    assert "empty.jpg: the image is empty" in result.stderr
    lines = [json.loads(line) for line in result.stderr.splitlines() if line.startswith("{")]
    done = [line["done"] for line in lines]  # a line a commit, which may hold several batches
    assert done == sorted(done) and done[-1] == lines[-1]["total"] == COUNT + 2
    again = partlens("add", gallery, pictures, "--model", model)
    assert f"0 added, 0 replaced, 0 updated, {COUNT} unchanged, 2 skipped" in again.stdout
    Image.new("RGB", (9, 9)).save(pictures / "03.png")
    changed = partlens("add", gallery, pictures, "--model", model)
    assert f"0 added, 1 replaced, 0 updated, {COUNT - 1} unchanged" in changed.stdout
    facts = json.loads(partlens("status", gallery, "--json").stdout)
    assert facts["images"] == COUNT and facts["model"] == "tiny" and facts["grid"] == [4, 2]
    listed = partlens("list", gallery).stdout.splitlines()
    assert listed == [f"pictures/{n:02}.png" for n in range(COUNT)]
    deleted = partlens("delete", gallery, "pictures/00.png", "nobody", "nobody")
    assert "1 of 3 deleted" in deleted.stdout
    assert deleted.stderr.count("no image has the id nobody") == 1
    assert "pictures/00.png" not in deleted.stderr
    assert partlens("list", gallery).stdout.splitlines() == listed[1:]
    assert len(Gallery.open(gallery).view) == COUNT - 1
    assert Gallery.open(gallery).view.get("pictures/03.png").width == 9


def test_what_is_skipped_or_not_looked_at_is_reported(tmp_path: Path, model: Path) -> None:
    folder, gallery = tmp_path / "pictures", tmp_path / "gallery"
    folder.mkdir()
    names = ["5.12\u202fPM.png", "a\x1b[2J\n.png", os.fsdecode(b"caf\xe9.png"), "x" * 200 + ".png"]
    for name in names:
        Image.new("RGB", (9, 9)).save(folder / name)
    os.mkfifo(folder / "fifo.png")
    (folder / "a.mov").touch()
    (folder / "all").symlink_to(folder)
    partlens("create", gallery, "--model", model)
    result = partlens("add", gallery, folder, "--model", model)
    assert result.exit_code == 0
    assert "2 added, 0 replaced, 0 updated, 0 unchanged, 3 skipped" in result.stdout
    assert "\x1b" not in result.stderr and "skipped pictures/a\\x1b[2J\\n.png: id " in result.stderr
    assert "skipped pictures/caf\\udce9.png: id " in result.stderr
    assert "skipped pictures/fifo.png: is a FIFO" in result.stderr
    others = "ignored: 1 .mov; 1 folder linked and not followed: all"
    assert others in result.stderr.splitlines()
    with Gallery.open(gallery) as opened:
        assert sorted(opened.view.digests()) == [f"pictures/{names[i]}" for i in (0, 3)]


def test_strict_stops_at_the_first_bad_image(tmp_path: Path, model: Path, pictures: Path) -> None:
    gallery = tmp_path / "gallery"
    partlens("create", gallery, "--model", model)
    (pictures / "20.png").write_bytes(b"not an image")
    result = partlens("add", gallery, pictures, "--model", model, "--strict", "--batch", 8)
    assert result.exit_code == 1 and "'pictures/20.png'" in result.output
    assert len(Gallery.open(gallery).view) == 16


def test_mistakes_are_one_clear_line(tmp_path: Path, model: Path, pictures: Path) -> None:
    gallery = tmp_path / "gallery"
    for arguments, message in (
        (("status", gallery), "no gallery at"),
        (("create", gallery, "--model", tmp_path), "not a model folder"),
        (("add", gallery, tmp_path / "nowhere", "--model", model), "does not exist"),
        (("add", gallery, pictures, "--model", model), "no gallery at"),
        (("add", gallery, tmp_path / ("x" * 300), "--model", model), "File name too long"),
        (("create", tmp_path / ("x" * 300), "--model", model), "File name too long"),
    ):
        result = partlens(*arguments)
        assert result.exit_code == 1 and result.output.startswith("Error: "), result.output
        assert message in result.output


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("", "SOURCE is empty"),
        ("file:///photos", "begins with rtsp://; for a local file, give"),
        ("https://user:secret@host/photos", "begins with rtsp://"),
    ],
)
def test_a_source_that_can_be_none_is_refused(source: str, message: str, tmp_path: Path) -> None:
    """An empty one, of a script's variable that is not set, would be the working folder."""
    result = partlens("add", tmp_path, source, "--model", tmp_path)
    assert result.exit_code == 2 and "secret" not in result.output
    assert message in " ".join(result.output.split())


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, model: Path, pictures: Path) -> None:
    gallery = tmp_path / "gallery"
    partlens("create", gallery, "--model", model)
    run = f"from partlens.indexer.cli import index; index(['add', {str(gallery)!r}, "
    run += f"{str(pictures)!r}, '--model', {str(model)!r}, '--batch', '2'])"
    with subprocess.Popen(
        [sys.executable, "-c", run], stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True
    ) as child:
        assert child.stderr is not None
        # The first commit is made at once, the next two seconds later.
        reported = json.loads(child.stderr.readline())["done"]
        os.kill(child.pid, signal.SIGKILL)
        child.wait(20)
    there = len(Gallery.open(gallery).view)
    assert 0 < reported <= there < COUNT
    result = partlens("add", gallery, pictures, "--model", model)
    assert f"{COUNT - there} added, 0 replaced, 0 updated, {there} unchanged" in result.stdout, (
        result.output
    )
