"""The uploads of `partlens bench upload` are on disk, and its figures fit together."""

import os

from tests.server.conftest import Running, picture

from partlens.indexer.gallery import Gallery
from partlens.server.bench.upload import measure, new_images


async def test_what_is_counted_was_committed(running: Running, gallery: Gallery) -> None:
    images = new_images([picture(0), picture(1)])
    found = await measure(running.address, os.getpid(), images, clients=3, seconds=0.5)
    assert found.clients == 3 and found.images == len(gallery.view) >= 3
    assert 1 <= found.commits <= found.images
    assert 0 < found.p50_ms <= found.p99_ms and found.cpu_ms > 0
    assert 0 < found.images_per_second <= 2 * found.images
