"""A worker of the cluster: extracts a block of images and writes the rows of the new ones."""

import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pyarrow as pa

from partlens.common.bucket_address import Place
from partlens.common.compute import Compute
from partlens.explainer.errors import ExplainerError
from partlens.explainer.model import MetricModel
from partlens.indexer.errors import ExtractionError, IndexerError
from partlens.indexer.extraction import Batch, extract
from partlens.indexer.gallery import NewImage
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.home import Home
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.records import require_storable
from partlens.indexer.gallery.schema import packed
from partlens.indexer.gallery.staging import Staged, stage
from partlens.indexer.ray_build.blocks import Block
from partlens.indexer.ray_build.cores import confine
from partlens.indexer.ray_build.outcome import Outcome

TRIES = 3
"""Of each block, if workers end while they have it; Ray itself would never give up."""


@dataclass(frozen=True)
class Job:
    """What all workers of a run have in common; paths are the same on every node.

    Attributes:
        gallery: where the gallery is. How to reach a bucket is for the worker's environment to say.
        model: path of the model folder.
        digest, dimensions: of the model.
        compute: what the model runs on.
        batch_size: images per model pass.
        cores: processor cores of each worker.
        source: what must be there on every node for images to be found; None for an object store.
        staging: place for the rows in the gallery.
        storage_version: of the truth's files.
        revision: of the first image of the source; each image has one of its own, and a block that
            of its first.
    """

    gallery: Place
    model: Path
    digest: str
    dimensions: int
    compute: Compute
    batch_size: int
    cores: int
    source: Path | None
    staging: str
    storage_version: str
    revision: int


class Worker:
    """Works on blocks, one after the other; loads the model with the first of them.

    Expected errors are part of the outcome: Ray would wrap them, and print where they came from.
    """

    def __init__(self, job: Job) -> None:
        self._job = job
        confine(job.cores)

    def __call__(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Extract the block of a row and write the rows of its new images; see Outcome."""
        block = Block.of(row)
        try:
            if self._tries(block) > TRIES:
                return Outcome(block.first, 0, None, [], given_up=True).row()
            return self._outcome(block).row()
        except (IndexerError, ExplainerError, OSError, MemoryError) as error:
            problem = f"{error or type(error).__name__} (on {socket.gethostname()})"
            return Outcome(block.first, 0, None, [], problem).row()

    @cached_property
    def _model(self) -> MetricModel:
        job = self._job
        if job.source is not None and not job.source.exists():
            raise ExtractionError(
                f"{job.source} is not on this node; all nodes need it at the same path"
            )
        model = MetricModel.load(job.model, job.compute)
        if model.spec.digest != job.digest:
            raise ExtractionError(f"{job.model} is another model on this node: {model.spec.digest}")
        return model

    @cached_property
    def _gallery(self) -> tuple[Home, GallerySpec]:
        home = home_of(self._job.gallery)
        return home, GallerySpec.read(home)

    def _tries(self, block: Block) -> int:
        """How often a worker has begun this block, this time included."""
        home, _ = self._gallery
        return home.mark(f"{self._job.staging}/{self._job.revision + block.first}.tries")

    def _outcome(self, block: Block) -> Outcome:
        job, tables, others = self._job, list[pa.Table](), list[Batch]()
        revision = job.revision + block.first
        for batch in extract(
            self._model, block.images, block.held, job.batch_size, threads=job.cores
        ):
            new = [image for image in batch.images if block.held.get(image.id) is None]
            if new:
                tables.append(self._rows(new, revision))
            known = [image for image in batch.images if block.held.get(image.id) is not None]
            others.append(replace(batch, images=known))
        return Outcome(block.first, revision, self._staged(tables), others)

    def _rows(self, images: Sequence[NewImage], revision: int) -> pa.Table:
        _, bound = self._gallery
        require_storable(images, bound.spec.positions, bound.spec.dimensions)
        return packed(images, revision, bound).table

    def _staged(self, tables: Sequence[pa.Table]) -> Staged | None:
        if not tables:
            return None
        home, _ = self._gallery
        return stage(home, self._job.staging, tables, self._job.storage_version)
