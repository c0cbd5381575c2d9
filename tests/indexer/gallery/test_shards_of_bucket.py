"""Shards of a gallery in a bucket while its store cannot be reached."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from gallery_images import SPEC, image
from object_store import Fault, Proxy, Request

from partlens.common.bucket_address import BucketAddress
from partlens.indexer.gallery import Gallery
from partlens.indexer.gallery.shard import Shard
from partlens.indexer.gallery.share import Share

NEVER, SOON, REFUSED = 3600.0, 30.0, 12


@pytest.fixture
def proxy(object_store: str) -> Iterator[Proxy]:
    made = Proxy(object_store)
    yield made
    made.close()


def test_a_search_waits_for_a_commit_until_the_store_is_back(
    address: BucketAddress, proxy: Proxy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An outage after a commit that a server has seen and a shard has not costs no search."""
    with Gallery.create(address, SPEC) as gallery:
        gallery.add([image("a"), image("b")])
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        with (
            Shard(address, Share(0, 1, 4), tmp_path / "shard", seconds=NEVER) as shard,
            ThreadPoolExecutor() as threads,
        ):
            before, refused = shard.view.number, threading.Semaphore(0)

            def refuse(_: Request) -> Fault | None:
                refused.release()
                return "refuse"

            proxy.choose = refuse
            gallery.add([image("c")])
            newest = threads.submit(shard.view_at, gallery.view.number)
            # Its own retries of a request have failed by then.
            for _ in range(REFUSED):
                assert refused.acquire(timeout=SOON)
            assert len(shard.view_at(before)) == 2 and not newest.done()
            proxy.choose = lambda _: None
            assert len(newest.result(SOON)) == 3
            proxy.choose = refuse
            assert len(shard.view_at(before)) == 2
