"""Puts small segments and files together and drops the dead, beside reading and writing."""

import logging
import math
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from partlens.indexer.errors import DamagedError, LockedError, StorageError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.durability import refusals
from partlens.indexer.gallery.image_columns import Rows
from partlens.indexer.gallery.inherited import Origin
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.segments import Segment

_log = logging.getLogger(__name__)
_FAN = 8
"""So many segments of about one size make one of the next, so that each row is rewritten about
log(rows) / log(8) times."""
_SMALLEST = 256
_SPARED_SHARE = 0.75
"""A segment that is more of the gallery than this is not written again for the sake of the rest."""
_DEAD_SHARE = 0.3
_DEAD_SHARE_OF_FILES = 0.1
# Lance makes a manifest and a file or two of each commit.
_COMMITS = 64
# Estimate, used to choose the number of rows per file of the truth.
_THUMBNAIL_BYTES = 8192


def groups(sizes: Sequence[tuple[int, int]], *, everything: bool = False) -> list[list[int]]:
    """Which segments to rewrite, each group as one.

    Args:
        sizes: (rows that count, all rows) of each segment; those of no row that counts are for
            dropping and in no group.
        everything: all as one, without one that is most of them, and none with a dead row is left.

    >>> groups([(9000, 9000), *[(32, 32)] * 8])
    [[1, 2, 3, 4, 5, 6, 7, 8]]
    >>> groups([(5000, 9000), (32, 32)])
    [[0]]
    """
    chosen = _every_small(sizes) if everything else _of_one_size(sizes)
    dead_share = 0 if everything else _DEAD_SHARE
    done = {number for group in chosen for number in group}
    thin = [
        [number]
        for number, (live, total) in enumerate(sizes)
        if live and total - live > dead_share * total and number not in done
    ]
    return [*chosen, *thin]


def _of_one_size(sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    """Eight of a tier make one of the next; where that makes eight there, all become one."""
    found, carried = list[list[int]](), list[int]()
    largest, least, limit = max((live for live, _ in sizes), default=0), 1, _SMALLEST
    while least <= largest:
        tier = [number for number, (live, _) in enumerate(sizes) if least <= live < limit]
        if len(tier) + bool(carried) >= _FAN:
            carried += tier
        elif carried:
            found, carried = [*found, carried], []
        least, limit = limit, limit * _FAN
    return [*found, carried] if carried else found


def _every_small(sizes: Sequence[tuple[int, int]]) -> list[list[int]]:
    largest, total = max((live for live, _ in sizes), default=0), sum(live for live, _ in sizes)
    spared = max(largest, _SMALLEST) if largest > _SPARED_SHARE * total else math.inf
    below = [number for number, (live, _) in enumerate(sizes) if 0 < live < spared]
    return [below] if len(below) > 1 else []


class Compaction:
    """The upkeep of one gallery that this process writes to.

    It works on a thread that is there only while there is work, and never holds the writing lock
    while it copies.

    Attributes:
        running: held while there is work; taken before the writing lock, never after it.

    Args:
        folder: of the segments.
        live: gives the newest rows.
        swap: puts new segments in the place of others, which are removed.
        index: writes the index of a segment, if it is large enough to have one; by that of the
            segment that most of its rows come from, if there is one.
        unindexed: segments that lack an index they should have.
        lacks_index: whether files of such an index are not there.
        tidy: rewrites files of the truth with a larger share of deleted rows than it is given.
        require_room: raises StorageError if so many bytes more do not fit.
    """

    def __init__(
        self,
        folder: Path,
        live: Callable[[], LiveRows],
        swap: Callable[[Sequence[Segment], Sequence[Segment]], None],
        index: Callable[[Segment, Origin | None], None],
        unindexed: Callable[[], Sequence[Segment]],
        lacks_index: Callable[[], bool],
        tidy: Callable[[float], None],
        require_room: Callable[[int], None],
    ) -> None:
        self._folder, self._live, self._swap, self._tidy = folder, live, swap, tidy
        self._index, self._unindexed, self._lacks_index = index, unindexed, lacks_index
        self._require_room = require_room
        self.running, self._stop = threading.RLock(), threading.Event()
        self._thread: threading.Thread | None = None
        self._segments, self._commits = len(live().segments), 0

    def after_commit(self) -> None:
        """Start the thread if there is work for it; the caller holds the writing lock."""
        self._commits += 1
        grown = len(self._live().segments) - self._segments
        due = grown >= _FAN or self._commits >= _COMMITS
        # Once, since the disk may refuse it each time.
        if (due or (self._commits == 1 and self._lacks_index())) and not self.is_running():
            self._start(self._in_background)

    def after_refresh(
        self, guard: Callable[[], AbstractContextManager[object]], *, everything: bool
    ) -> bool:
        """Start the thread for segments only, in a process that does not write to the gallery.

        Args:
            guard: entered while segments are merged; LockedError if another process does that.
            everything: leave no dead row.

        Returns:
            Whether it was started; it is not while it runs, or if there is nothing to do.
        """

        def derive() -> None:
            with guard():
                self._merge(everything=everything)

        due = everything or groups(self._sizes()) or self._lacks_index()
        if self.is_running() or not due:
            return False
        self._start(lambda: self._guarded(derive))
        return True

    def _start(self, work: Callable[[], None]) -> None:
        self._stop.clear()
        self._thread = threading.Thread(target=work, name="partlens-compact")
        self._thread.start()

    def is_running(self) -> bool:
        """Whether the thread is at work."""
        return self._thread is not None and self._thread.is_alive()

    def stop(self) -> None:
        """Wait for the step that has begun; the caller must not hold the writing lock."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def run(self) -> None:
        """Do all that could be done, due or not.

        Raises:
            StorageError: the disk refused it; the gallery is as it was.
            DamagedError: a file is damaged, and a copy of it would look whole.
        """
        self._stop.clear()
        with self.running:
            self._merge(everything=True)
            self._tidy(0.0)

    def catch_up(self) -> None:
        """Do what is due, now: merge what is fragmented, and index what should have an index.

        Raises:
            StorageError, DamagedError: as run.
        """
        with self.running:
            self._merge(everything=False)

    def _in_background(self) -> None:
        def work() -> None:
            self._merge(everything=False)
            if self._commits >= _COMMITS and not self._stop.is_set():
                self._commits = 0
                self._tidy(_DEAD_SHARE_OF_FILES)

        self._guarded(work)

    def _guarded(self, work: Callable[[], None]) -> None:
        try:
            with self.running:
                work()
        except (LockedError, StorageError):
            pass  # whoever commits next meets it too, and starts this again
        except DamagedError as error:
            _log.error("gallery %s is not compacted: %s", self._folder.parent.name, error)

    def _merge(self, *, everything: bool) -> None:
        parts = list(self._live().matching())
        for group in groups(self._sizes(parts), everything=everything):
            if self._stop.is_set():
                return
            chosen = [parts[number] for number in group]
            for segment, _ in chosen:
                _require_whole(segment)
            self._require_room(sum(len(rows) * _bytes_of(segment) for segment, rows in chosen))
            with refusals(self._folder.parent.name):
                joined = segments.merge(self._folder, chosen)
                self._index(joined, Origin.of(chosen))
            self._swap([segment for segment, _ in chosen], [joined])
        self._swap([segment for segment, rows in parts if not len(rows)], [])
        for segment in self._unindexed():
            if self._stop.is_set():
                return
            with refusals(self._folder.parent.name):
                self._index(segment, None)
        self._segments = len(self._live().segments)

    def _sizes(self, parts: Iterable[tuple[Segment, Rows]] | None = None) -> list[tuple[int, int]]:
        some = self._live().matching() if parts is None else parts
        return [(len(rows), len(segment)) for segment, rows in some]


@contextmanager
def rewritten(
    truth: LanceRows, row_bytes: int, dead_share: float, writing: AbstractContextManager[object]
) -> Iterator[None]:
    """Rewrite files of the truth; the block then runs under the writing lock.

    Args:
        row_bytes: bytes of a row without its thumbnail.
        dead_share: files with a larger share of deleted rows are rewritten too.
        writing: the writing lock, which is taken only to commit.
    """
    size = row_bytes + _THUMBNAIL_BYTES
    made = truth.rewrite(size, dead_share)
    with writing:
        if not truth.replace(made):
            # Rows changed meanwhile. Rewrite under the lock, in case they always do.
            truth.replace(truth.rewrite(size, dead_share))
        yield


def _bytes_of(segment: Segment) -> int:
    """Bytes of an image of a segment, without its metadata."""
    return segment.contributions.bytes_per_image + 4 * segment.bias.shape[1]


def _require_whole(segment: Segment) -> None:
    """Raise DamagedError if a segment's files changed; one that was removed is still open."""
    try:
        if segment.path is not None:
            segments.require_whole(segment.path, contents=True)
    except FileNotFoundError:
        pass
    except DamagedError as error:
        raise DamagedError(f"{error}; `partlens index verify --repair` makes it again") from error
