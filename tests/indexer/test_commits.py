"""Batches reach the disk in order, few at a time at first and many together later."""

import threading
from collections.abc import Sequence
from itertools import chain

import pytest
from gallery_images import image

from partlens.indexer.commits import Commits
from partlens.indexer.extraction import Batch

DEADLINE = 30.0


def batch(number: int) -> Batch:
    """Recognised by how many images it left unchanged."""
    return Batch([], [], [], number)


class Written:
    """Keeps the numbers of the batches of each call."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.first = threading.Event()

    def __call__(self, batches: Sequence[Batch]) -> None:
        self.calls.append([one.unchanged for one in batches])
        self.first.set()


def test_the_first_batch_is_written_at_once_and_the_next_share_a_call() -> None:
    written = Written()
    with Commits(written) as commits:
        commits.put(batch(0))
        assert written.first.wait(DEADLINE)
        for number in range(1, 21):
            commits.put(batch(number))
    assert written.calls[0] == [0]
    assert [*chain(*written.calls)] == list(range(21))
    assert len(written.calls) < 10


def test_a_call_holds_few_images_more_than_are_enough() -> None:
    sizes = list[int]()

    def write(batches: Sequence[Batch]) -> None:
        sizes.append(sum(len(one.images) for one in batches))

    with Commits(write) as commits:
        for _ in range(12):
            commits.put(Batch([image("one", 0)] * 100, [], [], 0))
    assert sum(sizes) == 1200 and max(sizes) < 256 + 100


def test_a_failed_write_is_raised_and_nothing_more_is_written() -> None:
    calls = list[int]()

    def refuse(batches: Sequence[Batch]) -> None:
        calls.append(len(batches))
        raise OSError("full")

    with pytest.raises(OSError, match="full"), Commits(refuse) as commits:
        for number in range(100):
            commits.put(batch(number))
    assert len(calls) == 1
