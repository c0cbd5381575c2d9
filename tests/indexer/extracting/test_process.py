"""Extraction in a child process gives what extraction in this one gives, and never outlives it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from served import picture

from partlens.explainer.model import MetricModel, read_spec
from partlens.explainer.starter import model_folder
from partlens.indexer.errors import ExtractionError
from partlens.indexer.extracting import ExtractionProcess
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import Progress, index_batches, index_images
from partlens.indexer.sources import read_source

DEADLINE = 60.0
MODEL = model_folder()
SPEC = read_spec(MODEL)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A manifest of twelve pictures with metadata, one of which is damaged."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    lines = ["path,camera,track,captured_at,colour"]
    for number in range(12):
        name = f"{number:02}.png"
        (folder / name).write_bytes(picture(number) if number != 5 else b"not a picture")
        lines.append(f"{name},c{number % 2},t{number},2026-05-01 12:00:{number:02}Z,grün {number}")
    (folder / "pictures.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / "pictures.csv"


def index(gallery: Gallery, source: Path) -> Progress:
    with ExtractionProcess(source, MODEL, gallery.path, SPEC, 4) as child:
        listed = child.listed()
        return index_batches(gallery, child.batches(), listed.total)


@pytest.fixture
def gallery(tmp_path: Path) -> Iterator[Gallery]:
    with Gallery.create(tmp_path / "gallery", SPEC) as made:
        yield made


def test_a_child_gives_what_this_process_gives(
    tmp_path: Path, source: Path, gallery: Gallery
) -> None:
    progress = index(gallery, source)
    with Gallery.create(tmp_path / "other", SPEC) as other:
        expected = index_images(other, MetricModel.load(MODEL), read_source(source), batch_size=4)
        assert progress.bad == expected.bad and len(progress.bad) == 1
        assert (progress.added, progress.total) == (expected.added, expected.total) == (11, 12)
        ids = sorted(other.view.digests())
        assert sorted(gallery.view.digests()) == ids
        ours, theirs = (
            # Revisions count commits, and those depend on what was ready together.
            [vars(replace(one, revision=0)) for one in each.view.stored(ids).values()]
            for each in (gallery, other)
        )
        assert ours == theirs
        assert gallery.view.thumbnails(ids) == other.view.thumbnails(ids)
        for mine, expected_one in zip(
            gallery.view.decompositions(ids), other.view.decompositions(ids), strict=True
        ):
            np.testing.assert_array_equal(mine, expected_one)


def test_only_new_and_changed_pictures_need_a_pass(source: Path, gallery: Gallery) -> None:
    index(gallery, source)
    (source.parent / "05.png").write_bytes(picture(5))
    (source.parent / "06.png").write_bytes(picture(100))
    source.write_text(source.read_text("utf-8").replace("grün 7", "blau"), encoding="utf-8")
    again = index(gallery, source)
    counts = (again.added, again.replaced, again.updated, again.unchanged, len(again.bad))
    assert counts == (1, 1, 1, 9, 0)


def test_what_a_source_lacks_is_said(tmp_path: Path, gallery: Gallery) -> None:
    with ExtractionProcess(tmp_path / "nothing", MODEL, gallery.path, SPEC) as child:
        with pytest.raises(ExtractionError, match="does not exist"):
            child.listed()


def test_a_killed_child_is_an_error_and_what_it_gave_stays(source: Path, gallery: Gallery) -> None:
    with ExtractionProcess(source, MODEL, gallery.path, SPEC, 4) as child:
        child.listed()
        batches = child.batches()
        gallery.add(next(batches).images)
        os.kill(child.pid, signal.SIGKILL)
        with pytest.raises(ExtractionError, match="SIGKILL"):
            for batch in batches:
                gallery.add(batch.images)
    assert len(gallery.view) >= 4
    assert index(gallery, source).unchanged >= 4


START = """
import sys, time
from pathlib import Path
from partlens.explainer.model import read_spec
from partlens.indexer.extracting import ExtractionProcess
source, model, gallery = map(Path, sys.argv[1:])
child = ExtractionProcess(source, model, gallery, read_spec(model), 4)
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_child_ends_with_its_parent(source: Path, gallery: Gallery) -> None:
    """The parent never reads, so the child cannot notice by a write that fails."""
    command = [sys.executable, "-c", START, str(source), str(MODEL), str(gallery.path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = psutil.Process(int(parent.stdout.readline()))
        parent.kill()
        end = time.monotonic() + DEADLINE
        while child.is_running() and child.status() != psutil.STATUS_ZOMBIE:
            assert time.monotonic() < end, "the child has outlived its parent"
            time.sleep(0.05)
