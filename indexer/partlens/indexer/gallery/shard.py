"""A share of a gallery in one process, searched for servers elsewhere."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

from partlens.common.compute import Device
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.errors import DamagedError, ShardError, SupersededError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.compaction import Compaction
from partlens.indexer.gallery.fan_out import Question, ShardHits
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.indexes import INDEXES, Indexes
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.leftovers import remove_leftovers
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.loading import SEGMENTS, load
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.search import search
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.shard_folder import ShardFolder
from partlens.indexer.gallery.share import Share
from partlens.indexer.gallery.shrunk import Remainder
from partlens.indexer.gallery.view import GalleryView

_log = logging.getLogger(__name__)
_KEPT = 8
"""Views of earlier commits that stay; older ones are read from the truth again."""
_LOOK_SECONDS, _BEHIND_SECONDS = 0.05, 5.0
"""How long to wait for a commit that a server has seen and this node has not yet."""


class Shard(AbstractContextManager["Shard", None]):
    """Searches its share of a gallery's rows, of the newest commit or an earlier one.

    It never writes to the gallery. Its segments and indexes are in a folder of this node's disk,
    where it merges and trains them by itself. Thread-safe; ready to search when the constructor
    returns.

    Attributes:
        share: the rows that it holds.
        bound: what never changes about the gallery.

    Args:
        gallery: path of the gallery.
        scratch: folder for all shards on this node.
        seconds: time between two looks for new commits.

    Raises:
        NotFoundError, DamagedError, NewerFormatError: see Gallery.open.
        StorageError: the disk of the node refused a write.
    """

    def __init__(
        self,
        gallery: Path,
        share: Share,
        scratch: Path,
        device: Device = "cpu",
        seconds: float = 0.25,
    ) -> None:
        self.share, self.bound = share, GallerySpec.read(gallery)
        self._gallery, self._seconds, self._truth = gallery, seconds, LanceRows(gallery)
        self._loading, self._earlier = threading.RLock(), OrderedDict[int, GalleryView]()
        self._folder = ShardFolder(scratch, str(gallery.absolute()), share)
        try:
            self._open(device)
        except BaseException:
            self._folder.close()
            raise
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="partlens-shard", daemon=True)
        self._thread.start()

    def _open(self, device: Device) -> None:
        folder, newest = self._folder.path, self._truth.current
        self._folder.remove_foreign(newest, self.bound, self.share)
        self._indexes = Indexes(folder / INDEXES, self.bound.spec.dimensions, device)
        live = load(newest, folder, self.bound, lock=self._folder.lock, share=self.share)
        self._view = self._seen(newest, live)
        remove_leftovers(folder, live.segments)
        self._compaction = Compaction(
            folder / SEGMENTS,
            live=lambda: self._view.live,
            swap=self._swap,
            index=self._index,
            unindexed=lambda: self._indexes.missing(self._view.live.segments),
            lacks_index=lambda: self._indexes.lacks_files(self._view.live.segments),
            tidy=lambda _: None,
        )
        self._compaction.catch_up()
        self._view.prepare()

    @property
    def view(self) -> GalleryView:
        """The rows of this shard as of the newest commit that it has seen."""
        return self._view

    @property
    def alive(self) -> bool:
        """Whether it still looks for new commits."""
        return self._thread.is_alive()

    def search(
        self, number: int, question: Question, require_waiting: RequireWaiting = wait_always
    ) -> ShardHits:
        """The best images of this shard as of one commit.

        Args:
            require_waiting: called between chunks; if it raises, the search ends.

        Raises:
            SupersededError: the commit is no longer kept.
            ShardError: this node has not seen the commit yet.
            ShapeError: a part's dimension differs from the gallery's.
            DamagedError: files are damaged.
        """
        view = self.view_at(number, require_waiting)
        grid = self.bound.spec.grid
        found = search(
            view.live, question.parts, question.score, question.where, question.top, grid,
            self._indexes.of, require_waiting=require_waiting, by=question.by,
        )  # fmt: skip
        return ShardHits.of(found, grid)

    def view_at(self, number: int, require_waiting: RequireWaiting = wait_always) -> GalleryView:
        """The rows of this shard as of one commit; raises the errors of search."""
        view = self._view
        if view.number == number:
            return view
        deadline = time.monotonic() + _BEHIND_SECONDS
        while self._view.number < number:
            require_waiting()
            if not self.refresh() and self._view.number < number:
                # A shared file system may show a commit to one machine before another.
                if time.monotonic() > deadline:
                    raise ShardError(
                        f"commit {number} of the gallery has not reached this node, which sees"
                        f" {self._view.number}; retry, and look at how the gallery's folder is"
                        " shared"
                    )
                time.sleep(_LOOK_SECONDS)
        with self._loading:
            if self._view.number == number:
                return self._view
            if number not in self._earlier:
                self._keep(self._read_again(number))
            self._earlier.move_to_end(number)
            return self._earlier[number]

    def refresh(self) -> bool:
        """Load the newest commit; return whether there was a new one.

        Raises:
            DamagedError: it cannot be read; the current view stays.
        """
        with self._loading:
            while True:
                self._truth.refresh()
                newest = self._truth.current
                if newest.number == self._view.number:
                    return False
                known = self._view.live.segments
                try:
                    live = load(
                        newest, self._folder.path, self.bound, known, self._folder.lock, self.share
                    )
                    break
                except DamagedError:
                    # A writer may have cleaned it up meanwhile; then there is a newer one.
                    if not self._truth.refresh():
                        raise
            self._keep(self._view)
            self._view = self._seen(newest, live)
            self._compaction.after_commit()
            return True

    def close(self) -> None:
        """Stop following the gallery, and let another process use the folder."""
        self._closing.set()
        self._thread.join()
        self._compaction.stop()
        self._folder.close()

    def __exit__(self, *error: object) -> None:
        self.close()

    def _follow(self) -> None:
        said = ""
        while not self._closing.wait(self._seconds):
            try:
                self.refresh()
                said = ""
            except Exception as error:
                # Whatever it is, earlier commits are still served; the next look tries again.
                if said != str(error):
                    _log.exception("shard %s of %s cannot be refreshed", *self._name)
                    said = str(error)

    @property
    def _name(self) -> tuple[str, str]:
        return f"{self.share.number} of {self.share.count}", self._gallery.name

    def _read_again(self, number: int) -> GalleryView:
        """An earlier commit; what the segments no longer hold of it stays in memory."""
        try:
            version, known = self._truth.version(number), self._view.live.segments
            # Without the lock, so that nothing is written to disk that the next commit lacks.
            live = load(version, self._folder.path, self.bound, known, share=self.share)
        except DamagedError as error:
            raise SupersededError(f"commit {number} is no longer kept: {error}") from error
        return self._seen(version, live)

    def _keep(self, view: GalleryView) -> None:
        self._earlier[view.number] = view
        while len(self._earlier) > _KEPT:
            self._earlier.popitem(last=False)

    def _seen(self, version: RowsVersion, live: LiveRows) -> GalleryView:
        return GalleryView(self._gallery, self.bound.spec, version, live, self._indexes)

    def _swap(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Replace old segments by new ones; running searches keep the old ones."""
        if not old:
            return
        with self._loading:
            self._view = replace(self._view, live=self._view.live.replaced(old, new))
        segments.remove(segment.path for segment in old if segment.path)
        self._indexes.keep_only([*self._view.live.segments, *new])

    def _index(self, segment: Segment, of: Remainder | None = None) -> None:
        self._indexes.build(segment, len(self._view), of)
