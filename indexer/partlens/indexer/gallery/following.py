"""Sees what other processes commit, soon after they do."""

import logging
import threading

from partlens.indexer.errors import StorageError
from partlens.indexer.gallery.committed import COMMITTED
from partlens.indexer.gallery.gallery import Gallery
from partlens.indexer.gallery.home.home import Home, State

_log = logging.getLogger(__name__)


class Follower:
    """Refreshes a gallery whenever another process has committed, until it is closed.

    It looks at one file's inode and time, which costs microseconds, or at one object's ETag. Its
    thread reads what is new, and searches go on in the version before until that is done. Where the
    gallery was written to through its own object, it lets another process write after a while of
    rest.

    Args:
        gallery: to keep up to date.
        seconds: between two looks; None for what suits the gallery's home.
        rest: seconds without a change after which other processes may write.
    """

    def __init__(self, gallery: Gallery, seconds: float | None = None, rest: float = 5.0) -> None:
        self._gallery, self._rest = gallery, rest
        self._seconds = gallery.home.seconds if seconds is None else seconds
        self._awake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._follow, name="partlens-follow", daemon=True)
        self._thread.start()

    def look(self) -> None:
        """Look at once, at the gallery itself: for who was told that it has changed."""
        self._awake.set()

    @property
    def alive(self) -> bool:
        """Whether its thread runs; it ends only by close, or by an error that was logged."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Ends the thread."""
        self._closed = True
        self._awake.set()
        self._thread.join()

    def _follow(self) -> None:
        seen: State | None = None
        said, owed = "", False
        while True:
            told = self._awake.wait(self._seconds)
            self._awake.clear()
            if self._closed:
                return
            now = _state(self._gallery.home)
            try:
                self._gallery.close_if_idle(self._rest)
                if told or now != seen or owed:
                    self._gallery.refresh()
                    owed = self._gallery.derive()
                    seen, said = now, ""
            except Exception as error:
                # Whatever it is, what was read before goes on being served; the next look tries
                # again.
                if said != str(error):
                    _log.exception("gallery %s cannot be refreshed", self._gallery.path.name)
                    said = str(error)


def _state(home: Home) -> State | None:
    """Differs after every commit, which replaces the record."""
    try:
        return home.state(COMMITTED)
    except (OSError, StorageError):
        return None
