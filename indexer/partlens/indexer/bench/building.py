"""`partlens bench index --engine ray`: indexing on a Ray cluster, compared with one process."""

import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from partlens.common.compute import Compute
from partlens.explainer.model import MetricModel
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import Progress, index_images
from partlens.indexer.ray_build.environment import prepare
from partlens.indexer.sources import Listing, SourceImage


@dataclass(frozen=True)
class Comparison:
    """Medians over interleaved rounds.

    Attributes:
        model: name of the model.
        images, batch, block: images in a round, in a model pass, and in a commit of the cluster.
        workers, cores: of the cluster, and of each worker.
        local: images per second of one process, from files to rows on disk.
        ray: the same of the cluster, with the start of its workers and merging at the end.
        ratio: ray / local.
        steady: images per second of the cluster from its first commit to its last.
        steady_ratio: steady / local.
        cluster_seconds: to start the cluster, once.
        first_seconds: from the start of the workers to the first commit.
    """

    model: str
    images: int
    batch: int
    block: int
    workers: int
    cores: int
    local: float
    ray: float
    ratio: float
    steady: float
    steady_ratio: float
    cluster_seconds: float
    first_seconds: float


@dataclass
class _Rounds:
    local: list[float] = field(default_factory=list)
    ray: list[float] = field(default_factory=list)
    steady: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)

    def ratio(self, of: Sequence[float]) -> float:
        return statistics.median(one / local for one, local in zip(of, self.local, strict=True))


def compare(
    folder: Path,
    images: Sequence[SourceImage],
    compute: Compute,
    *,
    batch: int,
    block: int,
    repeats: int,
) -> Comparison:
    """Index the images with one process and on a cluster of this machine, in turn.

    Args:
        folder: of the model.
        images: more than fit into a block.

    Raises:
        IndexerError: the images cannot be indexed, or Ray cannot start.
    """
    prepare(own_cluster=True)
    # Ray reads the environment as it is imported.
    from partlens.indexer.ray_build.building import build_gallery
    from partlens.indexer.ray_build.cluster import cluster, pool

    source, model, rounds = Listing(tuple(images)), MetricModel.load(folder, compute), _Rounds()

    def local(gallery: Gallery) -> float:
        begun = time.perf_counter()
        done = index_images(gallery, model, source, batch_size=batch).done
        return done / (time.perf_counter() - begun)

    def on_ray(gallery: Gallery) -> None:
        commits, begun = list[tuple[float, int]](), time.perf_counter()

        def report(progress: Progress) -> None:
            commits.append((time.perf_counter(), progress.done))

        build_gallery(
            gallery,
            model.spec,
            source,
            model=folder,
            source=None,
            pool=workers,
            compute=compute,
            batch_size=batch,
            block_size=block,
            report=report,
        )
        rounds.ray.append(len(source) / (time.perf_counter() - begun))
        (first, before), (last, done) = commits[0], commits[-1]
        rounds.first.append(first - begun)
        rounds.steady.append((done - before) / (last - first))

    begun = time.perf_counter()
    with cluster(None):
        cluster_seconds, workers = time.perf_counter() - begun, pool(compute.device, None, None)
        for _ in range(repeats):
            with tempfile.TemporaryDirectory(prefix="partlens-bench-") as place:
                with Gallery.create(Path(place) / "local", model.spec) as gallery:
                    rounds.local.append(local(gallery))
                with Gallery.create(Path(place) / "ray", model.spec) as gallery:
                    on_ray(gallery)
    return Comparison(
        model=model.spec.name,
        images=len(source),
        batch=batch,
        block=block,
        workers=workers.workers,
        cores=workers.cores,
        local=statistics.median(rounds.local),
        ray=statistics.median(rounds.ray),
        ratio=rounds.ratio(rounds.ray),
        steady=statistics.median(rounds.steady),
        steady_ratio=rounds.ratio(rounds.steady),
        cluster_seconds=cluster_seconds,
        first_seconds=statistics.median(rounds.first),
    )


def text(found: Comparison) -> str:
    """The comparison in one line."""
    return (
        f"{found.model}: one process {found.local:.1f} images/s; {found.workers} workers of"
        f" {found.cores} cores {found.ray:.1f} images/s, ratio {found.ratio:.3f}, and"
        f" {found.steady:.1f} images/s after the first commit, ratio {found.steady_ratio:.3f};"
        f" {found.cluster_seconds:.1f} s to start the cluster, {found.first_seconds:.1f} s from"
        " there to the first commit"
    )
