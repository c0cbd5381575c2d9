"""Shares of a gallery: each row in one, about as many in each, and few that move."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from partlens.indexer.gallery.share import Share, owners

BLOCKS = np.arange(20_000)
counts = st.integers(1, 40)


@given(counts, st.integers(1, 9), st.lists(st.integers(0, 2**62), max_size=50))
def test_every_row_is_in_exactly_one_share(count: int, block: int, rows: list[int]) -> None:
    row_ids = np.array(rows, np.int64)
    masks = [Share(number, count, block).holds(row_ids) for number in range(count)]
    assert np.sum(masks, axis=0).tolist() == [1] * len(rows)


@given(counts, st.integers(1, 9), st.integers(0, 2**40))
def test_rows_of_a_block_stay_together(count: int, block: int, first: int) -> None:
    rows = np.arange(first * block, (first + 1) * block)
    assert sum(Share(n, count, block).holds(rows).all() for n in range(count)) == 1


@pytest.mark.parametrize("count", [2, 3, 7, 16, 64])
def test_shares_are_about_equal(count: int) -> None:
    sizes = np.bincount(owners(BLOCKS, count), minlength=count)
    expected = len(BLOCKS) / count
    assert np.abs(sizes - expected).max() < 5 * np.sqrt(expected)


@pytest.mark.parametrize("count", [1, 2, 5, 15])
def test_another_shard_takes_its_part_of_all_and_nothing_else_moves(count: int) -> None:
    before, after = owners(BLOCKS, count), owners(BLOCKS, count + 1)
    moved = before != after
    assert (after[moved] == count).all()
    expected = len(BLOCKS) / (count + 1)
    assert abs(moved.sum() - expected) < 5 * np.sqrt(expected)


def test_shares_are_those_of_earlier_versions() -> None:
    """What shards keep on their disks is of use only while the shares stay as they are."""
    assert owners(np.arange(16), 4).tolist() == [1, 1, 2, 3, 2, 0, 3, 0, 2, 0, 3, 3, 0, 1, 0, 2]
    assert owners(np.array([2**40, 2**62]), 7).tolist() == [6, 4]


@pytest.mark.parametrize("given", [(2, 2, 1), (-1, 2, 1), (0, 0, 1), (0, 1, 0)])
def test_impossible_shares_are_refused(given: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"shard|block"):
        Share(*given)
