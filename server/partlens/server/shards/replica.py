"""What runs in a replica of a shard: a Ray Serve deployment around a Shard.

Imported on the nodes of the cluster, so it needs no torch and no model.
"""

import asyncio
import logging
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from platformdirs import user_cache_path

from partlens.common.bucket_address import Place
from partlens.explainer.errors import ExplainerError
from partlens.explainer.scoring import warm
from partlens.indexer.errors import IndexerError
from partlens.indexer.gallery.fan_out import Question, ShardHits
from partlens.indexer.gallery.shard import Shard
from partlens.indexer.gallery.share import Share
from partlens.server.errors import CallerGoneError
from partlens.server.shards.refusals import Refusal, refusal

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ShardToServe:
    """What a replica loads.

    Attributes:
        gallery: where the gallery is, the same on every node.
        share: the rows that the shard holds.
        folder: for segments and indexes on the node's disk; None for the user's cache folder.
        workers: searches at the same time.
        poll_seconds: time between two looks for new commits.
    """

    gallery: Place
    share: Share
    folder: Path | None
    workers: int
    poll_seconds: float


class ShardReplica:
    """Answers searches of one shard. Ready as soon as the constructor returns."""

    def __init__(self, served: ShardToServe) -> None:
        folder = served.folder or user_cache_path("partlens") / "shards"
        warm()
        self._shard = Shard(served.gallery, served.share, folder, seconds=served.poll_seconds)
        self._threads = ThreadPoolExecutor(served.workers, "partlens-shard-search")
        self._used = time.monotonic()

    async def search(
        self, number: int, question: Question, layout: str, seconds: float
    ) -> ShardHits | Refusal:
        """See Shard.search; a Refusal in place of an error, so that only plain values are sent.

        Args:
            seconds: after which nobody waits for the answer.
        """
        self._used = time.monotonic()
        gone, end = threading.Event(), self._used + seconds

        def require_waiting() -> None:
            if gone.is_set() or time.monotonic() > end:
                raise CallerGoneError("the server no longer waits for this shard")

        work = partial(self._shard.search, number, question, require_waiting, layout)
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except asyncio.CancelledError:
            gone.set()
            raise
        except (IndexerError, ExplainerError, CallerGoneError) as error:
            return refusal(error)
        except Exception:
            _log.exception("a search of shard %s failed", self._shard.share)
            return Refusal("", "a search failed; see the log of the shard's replica")

    async def commit(self, seconds: float) -> int:
        """Number of the newest commit that it has loaded.

        Args:
            seconds: not needed, as it answers at once.
        """
        self._used = time.monotonic()
        return self._shard.view.number

    async def seconds_unused(self) -> float:
        """For how long no server has asked it anything else."""
        return time.monotonic() - self._used

    def check_health(self) -> None:
        """Raise RuntimeError if the shard no longer follows the gallery; Serve then replaces it."""
        if not self._shard.alive:
            raise RuntimeError("the shard no longer looks for new commits")

    def __del__(self) -> None:
        shard: Shard | None = getattr(self, "_shard", None)
        if shard is not None:
            shard.close()
