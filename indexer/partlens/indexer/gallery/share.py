"""Which rows of a gallery each of several shards holds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from partlens.indexer.gallery.codes import Mask

BLOCK_ROWS = 4096
"""Row ids of a block. Smaller blocks share a small gallery more evenly; a block is the least that
moves when the number of shards changes."""
# Of splitmix64, whose output is uniform whatever its input: blocks and shards are small numbers.
_STEP, _FIRST, _SECOND = 0x9E3779B97F4A7C15, 0xBF58476D1CE4E5B9, 0x94D049BB133111EB


@dataclass(frozen=True)
class Share:
    """The rows of one shard: blocks of row ids, each given to one shard by rendezvous hashing.

    Every process computes the same shares without asking the others. A row id never changes, so a
    row stays with its shard when the truth is compacted. Adding a shard to S moves about one block
    in S + 1, each of them to the new shard.

    Attributes:
        number: of the shard, from 0.
        count: S, how many shards there are.
        block_rows: row ids of a block; see BLOCK_ROWS.

    Raises:
        ValueError: there is no such shard, or a block would be empty.

    >>> [Share(number, 2, 10).holds(np.arange(0, 40, 10)).tolist() for number in range(2)]
    [[False, False, True, True], [True, True, False, False]]
    """

    number: int
    count: int
    block_rows: int = BLOCK_ROWS

    def __post_init__(self) -> None:
        if not 0 <= self.number < self.count:
            raise ValueError(f"shard {self.number} of {self.count}: shards are counted from 0")
        if self.block_rows < 1:
            raise ValueError(f"a block of {self.block_rows} rows; give it 1 or more")

    def holds(self, row_ids: NDArray[np.int64]) -> Mask:
        """Which of these rows belong to this shard, shape [M]."""
        if self.count == 1:
            return np.ones(len(row_ids), bool)
        blocks, which = np.unique(row_ids // self.block_rows, return_inverse=True)
        mine: Mask = owners(blocks, self.count) == self.number
        return mine[which]


def owners(blocks: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """The shard of each block, shape [B]: that of the largest hash of block and shard."""
    shards = np.arange(count, dtype=np.uint64)
    seeds = _mixed(blocks.astype(np.uint64))[:, None] + shards * np.uint64(_STEP)
    found: NDArray[np.int64] = np.argmax(_mixed(seeds), axis=1)
    return found


def _mixed(numbers: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Splitmix64 of each number; arithmetic wraps at 64 bits."""
    mixed = numbers + np.uint64(_STEP)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(_FIRST)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(_SECOND)
    return mixed ^ (mixed >> np.uint64(31))
