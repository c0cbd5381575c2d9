"""Passes through the model are full whatever lies between usable images."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from partlens.explainer.model import MetricModel
from partlens.explainer.starter import model_folder
from partlens.indexer.extraction import extract, media_digest
from partlens.indexer.sources import ImageFile, read_source


@pytest.fixture(scope="module")
def model() -> MetricModel:
    return MetricModel.load(model_folder())


@pytest.fixture
def source(tmp_path: Path) -> list[ImageFile]:
    random = np.random.default_rng(0)
    for i in range(40):
        path = tmp_path / f"{i:02}.png"
        Image.fromarray(random.integers(0, 256, (16, 8, 3), np.uint8)).save(path)
        if i % 3 == 0:
            path.write_bytes(b"no image")
    return [image for image in read_source(tmp_path) if isinstance(image, ImageFile)]


def test_bad_and_unchanged_images_take_no_place_in_a_batch(
    model: MetricModel, source: list[ImageFile]
) -> None:
    known = {"01.png": media_digest(source[1].path.read_bytes())}
    batches = list(extract(model, source, known, batch_size=4, threads=2))
    assert [len(batch.images) for batch in batches] == [4, 4, 4, 4, 4, 4, 1]
    usable = [f"{i:02}.png" for i in range(40) if i % 3 and i != 1]
    assert [image.id for batch in batches for image in batch.images] == usable
    assert [bad.id for batch in batches for bad in batch.bad] == [
        f"{i:02}.png" for i in range(0, 40, 3)
    ]
    assert sum(batch.unchanged for batch in batches) == 1


def test_what_is_batched_together_is_as_if_alone(
    model: MetricModel, source: list[ImageFile]
) -> None:
    (together,) = extract(model, source[1:3], {}, batch_size=8)
    for image, one in zip(together.images, source[1:3], strict=True):
        (alone,) = extract(model, [one], {})
        np.testing.assert_allclose(image.contributions, alone.images[0].contributions, atol=1e-4)
        assert (image.id, image.thumbnail) == (one.id, alone.images[0].thumbnail)


def test_a_long_stretch_without_usable_images_is_reported_on_the_way(
    model: MetricModel, source: list[ImageFile]
) -> None:
    known = {one.id: media_digest(one.path.read_bytes()) for one in source}
    batches = list(extract(model, source, known, batch_size=2))
    assert [batch.unchanged + len(batch.bad) for batch in batches] == [16, 16, 8]
