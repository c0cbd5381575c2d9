"""The shards of a gallery as objects in this process, with nothing between them and the server."""

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from partlens.common.waiting import RequireWaiting
from partlens.indexer.errors import ShardError, SupersededError
from partlens.indexer.gallery.fan_out import Layouts, Question, ShardFigures, ShardHits
from partlens.indexer.gallery.search import EXACT_BYTES
from partlens.indexer.gallery.shard import Shard
from partlens.indexer.gallery.share import Share


class ShardsHere:
    """Shards of fan_out.Shards. `down` holds the numbers of those that cannot answer."""

    def __init__(self, shards: Sequence[Shard]) -> None:
        self.shards, self.count, self.down = shards, len(shards), set[int]()

    def report_to(self, figures: ShardFigures) -> None:
        pass

    def trouble(self) -> str | None:
        return f"{sorted(self.down)} are down" if self.down else None

    def search(
        self,
        number: int,
        question: Question,
        require_waiting: RequireWaiting,
        earlier: Layouts = (),
        *,
        partial: bool = False,
    ) -> Mapping[int, ShardHits]:
        if earlier and len(earlier) != self.count:
            raise SupersededError("the gallery has another number of shards than before")
        layouts = earlier or [""] * self.count
        asked = {n: one for n, one in enumerate(self.shards) if layouts[n] is not None}
        up = {n: one for n, one in asked.items() if n not in self.down}
        if not up or (len(up) < len(asked) and not partial):
            raise ShardError(f"shards {sorted(self.down)} do not answer")
        return {
            n: one.search(number, question, require_waiting, layouts[n] or "")
            for n, one in up.items()
        }


@contextlib.contextmanager
def shards_of(
    gallery: Path,
    count: int,
    scratch: Path,
    block_rows: int = 4,
    exact_bytes: int = EXACT_BYTES,
) -> Iterator[ShardsHere]:
    """The shards of the gallery at a path, which look often; closed after the block."""
    with contextlib.ExitStack() as stack:
        yield ShardsHere(
            [
                stack.enter_context(
                    Shard(
                        gallery,
                        Share(number, count, block_rows),
                        scratch,
                        seconds=0.05,
                        exact_bytes=exact_bytes,
                    )
                )
                for number in range(count)
            ]
        )
