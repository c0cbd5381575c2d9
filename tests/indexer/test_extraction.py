"""Passes through the model are full whatever lies between usable images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.extraction import extract
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.holdings import Holdings
from partlens.indexer.indexing import index_images
from partlens.indexer.sources import ImageFile, read_source


@pytest.fixture(scope="module")
def model() -> MetricModel:
    return MetricModel.load(model_folder())


@pytest.fixture
def source(tmp_path: Path) -> list[ImageFile]:
    random = np.random.default_rng(0)
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(40):
        path = folder / f"{i:02}.png"
        Image.fromarray(random.integers(0, 256, (16, 8, 3), np.uint8)).save(path)
        if i % 3 == 0:
            path.write_bytes(b"no image")
    return [image for image in read_source(folder) if isinstance(image, ImageFile)]


def indexed(tmp_path: Path, model: MetricModel, images: list[ImageFile]) -> Holdings:
    """What a gallery holds after a run over these images."""
    with Gallery.create(tmp_path / "gallery", model.spec) as gallery:
        index_images(gallery, model, images)
        return gallery.view.holdings()


def test_bad_and_unchanged_images_take_no_place_in_a_batch(
    model: MetricModel, source: list[ImageFile], tmp_path: Path
) -> None:
    held = indexed(tmp_path, model, source[1:2])
    batches = list(extract(model, source, held, batch_size=4, threads=2))
    assert [len(batch.images) for batch in batches] == [4, 4, 4, 4, 4, 4, 1]
    usable = [one.id for i, one in enumerate(source) if i % 3 and i != 1]
    assert [image.id for batch in batches for image in batch.images] == usable
    assert [bad.id for batch in batches for bad in batch.bad] == [one.id for one in source[::3]]
    assert sum(batch.unchanged for batch in batches) == 1


def test_what_is_batched_together_is_as_if_alone(
    model: MetricModel, source: list[ImageFile]
) -> None:
    (together,) = extract(model, source[1:3], batch_size=8)
    for image, one in zip(together.images, source[1:3], strict=True):
        (alone,) = extract(model, [one])
        np.testing.assert_allclose(image.contributions, alone.images[0].contributions, atol=1e-4)
        assert (image.id, image.thumbnail) == (one.id, alone.images[0].thumbnail)


def test_a_long_stretch_without_usable_images_is_reported_on_the_way(
    model: MetricModel, source: list[ImageFile], tmp_path: Path
) -> None:
    held = indexed(tmp_path, model, source)
    batches = list(extract(model, source, held, batch_size=2))
    assert [batch.unchanged + len(batch.bad) for batch in batches] == [16, 16, 8]


def test_a_name_that_cannot_be_an_id_takes_none_from_another(
    model: MetricModel, tmp_path: Path
) -> None:
    """A line break is shown as a backslash and an n, which the other file's name has."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name in ("a\nb.png", "a\\nb.png"):
        Image.new("RGB", (8, 16)).save(folder / name)
    (batch,) = extract(model, read_source(folder))
    assert [image.id for image in batch.images] == ["pictures/a\\nb.png"]
    assert [one.reason for one in batch.bad if "line break" not in one.reason] == []
    assert len(batch.bad) == 1
