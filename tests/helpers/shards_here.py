"""The shards of a gallery as objects in this process, with nothing between them and the server."""

import contextlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path

from partlens.common.waiting import RequireWaiting
from partlens.indexer.errors import ShardError
from partlens.indexer.gallery.fan_out import Question, ShardHits
from partlens.indexer.gallery.shard import Shard
from partlens.indexer.gallery.share import Share


class ShardsHere:
    """Shards of fan_out.Shards. `down` holds the numbers of those that cannot answer."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards, self.count, self.down = shards, len(shards), set[int]()

    def search(
        self,
        number: int,
        question: Question,
        require_waiting: RequireWaiting,
        without: Collection[int] = (),
        *,
        partial: bool = False,
    ) -> Mapping[int, ShardHits]:
        asked = {n: one for n, one in enumerate(self.shards) if n not in without}
        up = {n: one for n, one in asked.items() if n not in self.down}
        if not up or (len(up) < len(asked) and not partial):
            raise ShardError(f"shards {sorted(self.down)} do not answer")
        return {n: one.search(number, question, require_waiting) for n, one in up.items()}


@contextlib.contextmanager
def shards_of(
    gallery: Path, count: int, scratch: Path, block_rows: int = 4, seconds: float = 0.05
) -> Iterator[ShardsHere]:
    """The shards of the gallery at a path, closed after the block."""
    with contextlib.ExitStack() as stack:
        yield ShardsHere(
            [
                stack.enter_context(
                    Shard(gallery, Share(number, count, block_rows), scratch, seconds=seconds)
                )
                for number in range(count)
            ]
        )
