"""A gallery to fill, and processes that do."""

import multiprocessing
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import pytest
from gallery_images import SPEC, image

from partlens.common.bucket_address import BucketAddress, Place
from partlens.common.storage import Storage
from partlens.indexer.gallery import Gallery


@pytest.fixture(params=get_args(Storage))
def storage(request: pytest.FixtureRequest) -> Storage:
    """How a gallery keeps contributions: each in turn."""
    kept: Storage = request.param
    return kept


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Where the gallery is: a folder, or a bucket with `@in_a_folder_and_a_bucket`."""
    if getattr(request, "param", "folder") == "folder":
        return tmp_path / "gallery"
    bucket: BucketAddress = request.getfixturevalue("address")
    return bucket


@pytest.fixture
def gallery(place: Place, storage: Storage) -> Iterator[Gallery]:
    """An empty gallery, closed when the test ends."""
    with Gallery.create(place, SPEC, storage) as made:
        yield made


@pytest.fixture
def preloaded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Writers are forked from a process that has imported everything; it has its own path."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    multiprocessing.get_context("forkserver").set_forkserver_preload(["gallery_writer", "torch"])


@pytest.fixture(scope="module")
def gallery_of_twelve(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    """A gallery of twelve images, that no test changes."""
    with Gallery.create(tmp_path_factory.mktemp("twelve") / "gallery", SPEC) as made:
        made.add([image(str(number)) for number in range(12)])
        yield made
