"""A share of a gallery in one process, searched for servers elsewhere."""

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from pathlib import Path

from partlens.common.bucket_address import Place
from partlens.common.compute import Device
from partlens.common.waiting import RequireWaiting, wait_always
from partlens.indexer.errors import DamagedError, ShardError, SupersededError, UnreachableError
from partlens.indexer.gallery import segments
from partlens.indexer.gallery.compaction import Compaction
from partlens.indexer.gallery.fan_out import Question, ShardHits
from partlens.indexer.gallery.gallery_spec import GallerySpec
from partlens.indexer.gallery.home.locate import home_of
from partlens.indexer.gallery.indexes import INDEXES, Indexes, read_choice
from partlens.indexer.gallery.inherited import Origin
from partlens.indexer.gallery.kept_layouts import KeptLayouts
from partlens.indexer.gallery.kept_rows import Kept
from partlens.indexer.gallery.lance_rows import LanceRows
from partlens.indexer.gallery.leftovers import remove_leftovers
from partlens.indexer.gallery.lineage import Lineage
from partlens.indexer.gallery.live_rows import LiveRows
from partlens.indexer.gallery.loading import SEGMENTS, load
from partlens.indexer.gallery.plan import IndexChoice
from partlens.indexer.gallery.rows_version import RowsVersion
from partlens.indexer.gallery.search import EXACT_BYTES, search
from partlens.indexer.gallery.segments import Segment
from partlens.indexer.gallery.shard_folder import ShardFolder
from partlens.indexer.gallery.share import Share
from partlens.indexer.gallery.view import GalleryView

_log = logging.getLogger(__name__)
_KEPT = 8
"""Views of earlier commits that stay; older ones are read from the truth again."""
_WATCHED_SECONDS = 240.0
"""For how long after a deletion to look whether it is an erasure."""
_LOOK_SECONDS, _BEHIND_SECONDS = 0.05, 5.0
"""How long to wait for a commit that a server has seen and this node has not yet."""
_UNREACHABLE_SECONDS = 20.0
"""The same while the store cannot be reached: longer than a short outage."""


class Shard(AbstractContextManager["Shard", None]):
    """Searches its share of a gallery's rows, of the newest commit or an earlier one.

    It never writes to the gallery. Its segments and indexes are in a folder of this node's disk,
    where it merges and trains them by itself. Thread-safe; ready to search when the constructor
    returns.

    Attributes:
        share: the rows that it holds.
        bound: what never changes about the gallery.

    Args:
        place: of the gallery.
        scratch: folder for all shards on this node.
        seconds: time between two looks for new commits.
        exact_bytes: see search.search.

    Raises:
        NotFoundError, DamagedError, NewerFormatError: see Gallery.open.
        StorageError: the disk of the node refused a write.
    """

    def __init__(
        self,
        place: Place,
        share: Share,
        scratch: Path,
        device: Device = "cpu",
        seconds: float = 0.25,
        exact_bytes: int = EXACT_BYTES,
    ) -> None:
        self._home = home = home_of(place.absolute() if isinstance(place, Path) else place)
        self.share, self.bound = share, GallerySpec.read(home)
        self._exact_bytes = exact_bytes
        self._seconds, self._truth = seconds, LanceRows(home)
        self._loading, self._earlier = threading.RLock(), OrderedDict[int, GalleryView]()
        self._layouts, self._kept = KeptLayouts(), Kept()
        self._deleted: tuple[int, float] | None = None
        self._folder = ShardFolder(scratch, str(home), share)
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
        self._lineage = Lineage(self._home, folder, self.bound)
        self._lineage.see(newest)
        self._indexes = Indexes(folder / INDEXES, self.bound.spec.dimensions, device)
        wanted = self._choice()
        if wanted != self._indexes.choice:
            self._indexes.choose(wanted)
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
            require_room=lambda _: None,
        )
        self._compaction.catch_up()
        self._view.prepare()
        if sum(map(len, self._view.live.segments)) > self._view.live.count:
            # They may have been erased while no process of this shard ran.
            self._compaction.after_refresh(nullcontext, everything=True)

    def _choice(self) -> IndexChoice:
        """What the gallery's operator chose, with this shard's part of the memory."""
        chosen = read_choice(self._home.folder / INDEXES)
        if chosen.memory_bytes is None:
            return chosen
        return replace(chosen, memory_bytes=chosen.memory_bytes // self.share.count)

    @property
    def view(self) -> GalleryView:
        """The rows of this shard as of the newest commit that it has seen."""
        return self._view

    @property
    def alive(self) -> bool:
        """Whether it still looks for new commits."""
        return self._thread.is_alive()

    def search(
        self,
        number: int,
        question: Question,
        require_waiting: RequireWaiting = wait_always,
        layout: str = "",
    ) -> ShardHits:
        """The best images of this shard as of one commit.

        Args:
            require_waiting: called between chunks; if it raises, the search ends.
            layout: of the answer to the first page; "" for any. Other segments have other indexes,
                which may name other candidates, so that pages would not join.

        Raises:
            SupersededError: the commit is no longer kept, or this process has no such layout.
            ShardError: this node has not seen the commit yet.
            UnreachableError: nor has the store answered for a while.
            ShapeError: a part's dimension differs from the gallery's.
            DamagedError: files are damaged.
        """
        view = self._layouts.of(layout) if layout else self.view_at(number, require_waiting)
        grid = self.bound.spec.grid
        found = search(
            view.live, question.parts, question.score, question.where, question.top, grid,
            self._indexes.of, self._exact_bytes, require_waiting, question.by,
        )  # fmt: skip
        exact = len(view) * view.bytes_per_image <= self._exact_bytes
        return ShardHits.of(found, grid, "" if exact else self._layouts.name(view))

    def view_at(self, number: int, require_waiting: RequireWaiting = wait_always) -> GalleryView:
        """The rows of this shard as of one commit; raises the errors of search."""
        view = self._view
        if view.number == number:
            return view
        # Without the lock, which a refresh holds for long while the store fails.
        if (kept := self._earlier.get(number)) is not None:
            return kept
        self._wait_for(number, require_waiting)
        with self._loading:
            if self._view.number == number:
                return self._view
            if number not in self._earlier:
                # A gallery that was restored from a backup begins again at an earlier number.
                self.refresh()
                if self._view.number == number:
                    return self._view
                self._keep(self._read_again(number))
            self._earlier.move_to_end(number)
            return self._earlier[number]

    def _wait_for(self, number: int, require_waiting: RequireWaiting) -> None:
        """Load commits until this one is loaded; raises the errors of search."""
        begun = time.monotonic()
        while self._view.number < number:
            require_waiting()
            waited = time.monotonic() - begun
            try:
                if self.refresh() or self._view.number >= number:
                    continue
            except UnreachableError:
                if waited > _UNREACHABLE_SECONDS:
                    raise
            else:
                # A shared file system may show a commit to one machine before another.
                if waited > _BEHIND_SECONDS:
                    raise ShardError(
                        f"commit {number} of the gallery has not reached this node, which sees"
                        f" {self._view.number}; retry, and look at how the gallery's folder is"
                        " shared"
                    )
            time.sleep(_LOOK_SECONDS)

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
                try:
                    known = self._known(newest)
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
            self._watch_for_erasure()
            self._compaction.after_commit()
            return True

    def _known(self, newest: RowsVersion) -> Sequence[Segment]:
        """Its segments, unless the gallery was replaced or restored while it ran."""
        known = self._view.live.segments
        if self._lineage.see(newest, known):
            return known
        self._earlier.clear()
        self._layouts.clear()
        return ()

    def compact(self) -> None:
        """Merge its segments and drop deleted rows now; see Gallery.compact."""
        self._compaction.run()

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
                self._drop_erased()
                said = ""
            except Exception as error:
                # Whatever it is, earlier commits are still served; the next look tries again.
                if said != str(error):
                    _log.exception("shard %s of %s cannot be refreshed", *self._name)
                    said = str(error)

    def _watch_for_erasure(self) -> None:
        """Remember the commit if rows that are on this disk are no longer in the gallery."""
        if sum(map(len, self._view.live.segments)) > self._view.live.count:
            self._deleted = self._view.number, time.monotonic()

    def _drop_erased(self) -> None:
        """Drop deleted rows from this disk where the gallery has erased them.

        To erase images, a writer removes all versions but the newest at once (Gallery.purge).
        Otherwise it keeps those of the last minutes.
        """
        if self._deleted is None or self._compaction.is_running():
            return
        number, since = self._deleted
        if all(self._truth.has_version(one) for one in (number - 1, number)):
            if time.monotonic() > since + _WATCHED_SECONDS:
                self._deleted = None
            return
        self._deleted = None
        with self._loading:
            # Their segments stay on disk for as long as a view has them open.
            self._earlier.clear()
            self._layouts.clear()
        self._compaction.after_refresh(nullcontext, everything=True)

    @property
    def _name(self) -> tuple[str, str]:
        return f"{self.share.number} of {self.share.count}", self._home.name

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
        return GalleryView(self._home, self.bound.spec, version, live, self._indexes, self._kept)

    def _swap(self, old: Sequence[Segment], new: Sequence[Segment]) -> None:
        """Replace old segments by new ones; running searches keep the old ones."""
        if not old:
            return
        with self._loading:
            self._view = replace(self._view, live=self._view.live.replaced(old, new))
        segments.remove(segment.path for segment in old if segment.path)
        self._indexes.keep_only([*self._view.live.segments, *new])

    def _index(self, segment: Segment, origin: Origin | None = None) -> None:
        self._indexes.build(segment, len(self._view), origin)
