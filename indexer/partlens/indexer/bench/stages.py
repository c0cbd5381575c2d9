"""Processor time of each stage of indexing: each is run on its own, one after another."""

import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import lance
import numpy as np
import torch

from partlens.common.media_digest import media_digest
from partlens.common.metadata import Metadata
from partlens.common.pictures import DEFAULT_LIMITS, decode_at_least
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery, NewImage, checksums
from partlens.indexer.gallery.durability import files_below, sync_new
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.schema import packed, schema
from partlens.indexer.picture import DecodedPicture, thumbnail
from partlens.indexer.sources import SourceImage

STAGES = (
    *("read", "decode", "resize", "thumbnail", "backbone", "head"),
    *("hash", "quantise", "rows", "sync", "commit", "indexes"),
)
"""`commit` is all that a gallery does to add images, a segment included; `indexes` is merging the
segments, and indexing them if they are large enough."""
PARTS_OF_COMMIT = frozenset(("quantise", "rows", "sync"))


class _Times:
    def __init__(self) -> None:
        self.seconds = defaultdict[str, float](float)

    @contextmanager
    def of(self, stage: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.seconds[stage] += time.process_time() - start


def processor_time(
    model: MetricModel, images: Sequence[SourceImage], batch: int
) -> Mapping[str, float]:
    """Milliseconds of processor time per image of each of STAGES, all threads together.

    Args:
        images: usable ones; all are kept in memory.
        batch: images in a pass through the model, and in a commit.
    """
    times = _Times()
    new = [
        image
        for start in range(0, len(images), batch)
        for image in _extracted(model, images[start : start + batch], times)
    ]
    with tempfile.TemporaryDirectory(prefix="partlens-bench-") as folder:
        _write_rows(Path(folder), GallerySpec(model.spec), new, batch, times)
        with Gallery.create(Path(folder) / "gallery", model.spec) as gallery:
            with times.of("commit"):
                for start in range(0, len(new), batch):
                    gallery.add(new[start : start + batch])
            with times.of("indexes"):
                gallery.compact()
    return {stage: 1000 * times.seconds[stage] / len(images) for stage in STAGES}


def _extracted(
    model: MetricModel, images: Sequence[SourceImage], times: _Times
) -> Iterator[NewImage]:
    """One batch of images, from their files to what a gallery takes."""
    with times.of("read"):
        data = [one.read(DEFAULT_LIMITS) for one in images]
    with times.of("hash"):
        digests = [media_digest(one) for one in data]
    with times.of("decode"):
        decoded = [decode_at_least(one, model.spec.preprocessing.least) for one in data]
    with times.of("resize"):
        pixels = [model.spec.preprocessing.pixels(one) for one in decoded]
    with times.of("thumbnail"):
        thumbnails = [thumbnail(one) for one in decoded]
    with times.of("backbone"):
        feature = model.backbone(np.stack(pixels))
    with times.of("head"):
        seen = model.decompose_features(torch.from_numpy(feature))
    for i, one in enumerate(images):
        width, height = decoded[i].size
        picture = DecodedPicture(digests[i], pixels[i], width, height, thumbnails[i])
        yield picture.image(one.id, one.uri, Metadata(), seen.contributions[i], seen.bias[i])


def _write_rows(
    folder: Path, bound: GallerySpec, images: Sequence[NewImage], batch: int, times: _Times
) -> None:
    """Write rows of images below a folder as a gallery's truth does, step by step."""
    known, write = set[Path](), partial(lance.write_dataset, uri=str(folder / "rows.lance"))
    write(schema(bound).empty_table(), enable_stable_row_ids=True)
    for start in range(0, len(images), batch):
        with times.of("quantise"):
            table = packed(images[start : start + batch], 1, bound).table
        with times.of("rows"):
            write(table, mode="append")
        new = files_below(folder) - known
        with times.of("hash"):
            for file in new:
                checksums.digest(file)
        with times.of("sync"):
            sync_new(folder, known)
