"""Fills a gallery on a Ray cluster: workers extract and write rows, this process commits them."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import ray
import ray.data
from ray.data import ActorPoolStrategy, Dataset
from ray.exceptions import RayError

from partlens.common.compute import Compute
from partlens.explainer.spec import ModelSpec
from partlens.indexer.errors import ExtractionError
from partlens.indexer.extraction import BadImage, Batch
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import Progress
from partlens.indexer.ray_build.blocks import BLOCK, Block, blocks
from partlens.indexer.ray_build.outcome import Outcome
from partlens.indexer.ray_build.pool import Pool
from partlens.indexer.ray_build.worker import TRIES, Job, Worker
from partlens.indexer.sources import Source

_GIVEN_UP_BLOCKS, _GIVEN_UP_IMAGES = 3, 16
"""Most that may be given up: with more, it is not a matter of single images."""
_MOST_SAID = 400


def build_gallery(
    gallery: Gallery,
    spec: ModelSpec,
    images: Source,
    *,
    model: Path,
    source: Path | None,
    pool: Pool,
    compute: Compute,
    strict: bool = False,
    batch_size: int = 32,
    block_size: int = BLOCK,
    report: Callable[[Progress], None] = lambda progress: None,
) -> Progress:
    """Add images to a gallery on the cluster that this process is connected to.

    The rows are those that indexing.index_images adds. This process is the only writer meanwhile;
    at the end, it merges segments and builds their indexes.

    Args:
        spec: of the model.
        model: its folder, which is at this path on every node; so are the images and the gallery,
            unless they are in buckets.
        source: path that must be there on every node for images to be found; None for none.
        pool: workers to start.
        strict: stop at the first image that cannot be used, instead of skipping it.
        block_size: images of a commit.
        report: called after each commit.

    Raises:
        SourceError: under strict, a bad image.
        ExtractionError: workers cannot do their work, or ended too often.
        GalleryError: the gallery cannot be written to.
    """
    progress, place = Progress(len(images)), gallery.home.place
    with gallery.staging() as folder:
        held = gallery.view.holdings()
        job = Job(
            gallery=place.absolute() if isinstance(place, Path) else place,
            model=model.absolute(),
            digest=spec.digest,
            dimensions=spec.dimensions,
            compute=compute,
            batch_size=batch_size,
            cores=pool.cores,
            source=None if source is None else source.absolute(),
            staging=folder,
            storage_version=gallery.storage_version,
            revision=gallery.next_revision,
        )

        def commit(outcome: Outcome) -> None:
            outcome.commit(gallery, progress, strict=strict)
            report(progress)

        given_up = _run(blocks(images, held, block_size), job, pool, _GIVEN_UP_BLOCKS, commit)
        singles = (one for block in given_up for one in block.singly())
        # Later than those of the blocks that were committed meanwhile.
        again = replace(job, revision=gallery.next_revision)
        for block in _run(singles, again, pool, _GIVEN_UP_IMAGES, commit):
            bad = BadImage(block.images[0].id, f"the process that had it ended, {TRIES} times")
            commit(Outcome(block.first, 0, None, [Batch([], [], [bad], 0)]))
    gallery.compact()
    return progress


def _run(
    given: Iterable[Block],
    job: Job,
    pool: Pool,
    most: int,
    commit: Callable[[Outcome], None],
) -> list[Block]:
    """Have workers work on blocks, and commit their outcomes in order.

    Args:
        most: blocks that may be given up, because the workers that had them ended.

    Returns:
        The blocks that were given up.

    Raises:
        ExtractionError: there are more of them, or Ray gave up.
    """
    waiting, given_up = {block.first: ray.put(_table(block)) for block in given}, list[Block]()
    if not waiting:
        return []
    rows = ray.data.from_arrow_refs(list[Any](waiting.values()))
    rows.context.enable_progress_bars = False
    # Revisions only grow from one commit to the next.
    rows.context.execution_options.preserve_order = True
    outcomes = rows.map(
        cast(Any, Worker),
        fn_constructor_args=(job,),
        compute=ActorPoolStrategy(size=min(pool.workers, len(waiting))),
        num_cpus=pool.cores,
        num_gpus=pool.gpus,
    )
    for outcome in _each(outcomes, job.dimensions):
        block = waiting.pop(outcome.first, None)
        if block is None:
            continue  # Ray does a task again if it has lost what came of it
        if outcome.given_up:
            given_up.append(Block.of(ray.get(block).to_pylist()[0]))
        else:
            commit(outcome)
        if len(given_up) > most:
            raise ExtractionError(
                "workers of the cluster end again and again, perhaps for lack of memory: see Ray's"
                " logs, or give a smaller --block or --batch"
            )
    return given_up


def _each(outcomes: Dataset, dimensions: int) -> Iterator[Outcome]:
    try:
        for row in outcomes.iter_rows():
            yield Outcome.of(row, dimensions)
    except RayError as error:
        said = " ".join(str(error).split())[:_MOST_SAID]
        raise ExtractionError(
            f"the cluster cannot do the work: {said}; start again to resume"
        ) from error


def _table(block: Block) -> pa.Table:
    return pa.Table.from_pylist([block.row()])
