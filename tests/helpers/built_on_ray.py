"""Fill galleries on the Ray cluster that this process is connected to."""

from collections.abc import Callable
from pathlib import Path

import psutil
from listed_pictures import MODEL, SPEC

from partlens.common.compute import CPU
from partlens.indexer.gallery import Gallery
from partlens.indexer.indexing import Progress
from partlens.indexer.ray_build.pool import Pool
from partlens.indexer.sources import read_source

BATCH, BLOCK = 4, 8


def build(
    gallery: Gallery, manifest: Path, report: Callable[[Progress], None] = lambda _: None
) -> Progress:
    """Index a manifest with one worker."""
    # Loads Ray, whose environment the fixture ray_cluster has prepared.
    from partlens.indexer.ray_build.building import build_gallery

    return build_gallery(
        gallery,
        SPEC,
        read_source(manifest),
        model=MODEL,
        source=manifest,
        pool=Pool(1, 1, 0),
        compute=CPU,
        batch_size=BATCH,
        block_size=BLOCK,
        report=report,
    )


def workers() -> list[psutil.Process]:
    """The processes of the cluster that work on blocks."""
    children = psutil.Process().children(recursive=True)
    return [one for one in children if "MapWorker" in "".join(one.cmdline())]
