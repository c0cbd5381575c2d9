"""`partlens index build`: fill a gallery with the processors of a Ray cluster."""

from pathlib import Path

import click

from partlens.common.bucket_address import Place, in_bucket
from partlens.common.compute import Compute
from partlens.common.results import json_option
from partlens.common.terminal import say
from partlens.explainer.model import read_spec
from partlens.indexer.arguments import GALLERY, MODEL, clear_errors, compute_options
from partlens.indexer.cli import BATCH, reporting, say_progress, told_when_stopped, warn
from partlens.indexer.gallery import Gallery
from partlens.indexer.ray_build.blocks import BLOCK
from partlens.indexer.ray_build.environment import prepare
from partlens.indexer.sources import read_source
from partlens.indexer.workers import interruptible


@click.command()
@click.option(
    "--engine",
    required=True,
    type=click.Choice(["ray"]),
    help="What runs the workers. On one machine, `index add` needs none.",
)
@click.argument("source")
@GALLERY
@MODEL
@click.option(
    "--address", help="host:port of a Ray cluster; by default, one is started and ended here."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Processes with a model; by default as many as the cluster has room for.",
)
@click.option(
    "--worker-cores",
    type=click.IntRange(1),
    help="Processor cores of each; by default 8, or all of a smaller node.",
)
@click.option(
    "--block",
    default=BLOCK,
    show_default=True,
    type=click.IntRange(1, 65536),
    help="Images of a commit, which a worker has in memory.",
)
@click.option("--strict", is_flag=True, help="Stop at the first unusable image.")
@BATCH
@compute_options
@json_option
def build(
    engine: str,
    source: str,
    gallery: Place,
    model: Path,
    address: str | None,
    workers: int | None,
    worker_cores: int | None,
    block: int,
    strict: bool,
    batch_size: int,
    compute: Compute,
    as_json: bool,
) -> None:
    """Add the images of a folder, a manifest or s3://bucket/prefix on a Ray cluster.

    The rows are those of `index add`. Run it on a node of the cluster. The model folder, GALLERY
    and SOURCE must be at the same path on every node, unless they are in buckets. If a run is
    killed, run it again to resume.
    """
    _require_usable(source, address)
    with clear_errors(), told_when_stopped():
        spec = read_spec(model)
        images = interruptible(lambda: read_source(source))
        with Gallery.open(gallery, spec) as opened:
            with opened.writing():
                pass  # before Ray is started, which takes a while
            prepare(own_cluster=address is None)
            from partlens.indexer.ray_build.building import build_gallery
            from partlens.indexer.ray_build.cluster import cluster, pool

            with cluster(address), reporting(len(images)) as report:
                progress = build_gallery(
                    opened,
                    spec,
                    images,
                    model=model,
                    source=None if in_bucket(source) else Path(source),
                    pool=pool(compute.device, workers, worker_cores),
                    compute=compute,
                    strict=strict,
                    batch_size=batch_size,
                    block_size=block,
                    report=report,
                )
    warn(progress)
    if images.not_looked_at:
        say(f"ignored: {images.not_looked_at}", err=True)
    say_progress(progress, as_json=as_json)


def _require_usable(source: str, address: str | None) -> None:
    if not source:
        raise click.UsageError("SOURCE is empty; give a folder, a manifest or s3://bucket/prefix")
    if address is not None and "://" in address:
        raise click.UsageError(
            f"--address {address!r} is not host:port; run this on a node of the cluster"
        )
