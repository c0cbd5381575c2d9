"""Sees what other processes commit, soon after they do."""

import logging
import threading
from pathlib import Path

from partlens.indexer.gallery.committed import COMMITTED
from partlens.indexer.gallery.gallery import Gallery

_log = logging.getLogger(__name__)


class Follower:
    """Refreshes a gallery whenever another process has committed, until it is closed.

    It looks at one file's inode and time, which costs microseconds; reading what is new happens
    on its thread, and searches go on in the version before until that is done. Where the gallery
    was written to through its own object, it lets another process write after a while of rest.

    Args:
        gallery: to keep up to date.
        seconds: between two looks.
        rest: seconds without a change after which other processes may write.
    """

    def __init__(self, gallery: Gallery, seconds: float = 0.25, rest: float = 5.0) -> None:
        self._gallery, self._seconds, self._rest = gallery, seconds, rest
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
        seen: tuple[int, int] | None = None
        said = ""
        while True:
            told = self._awake.wait(self._seconds)
            self._awake.clear()
            if self._closed:
                return
            now = _identity(self._gallery.path / COMMITTED)
            try:
                self._gallery.close_if_idle(self._rest)
                if told or now != seen:
                    self._gallery.refresh()
                    seen, said = now, ""
            except Exception as error:
                # Whatever it is, what was read before goes on being served; the next look tries
                # again.
                if said != str(error):
                    _log.exception("gallery %s cannot be refreshed", self._gallery.path.name)
                    said = str(error)


def _identity(path: Path) -> tuple[int, int] | None:
    """Differs after every commit, which puts a new file in the place of the old one."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_ino, status.st_mtime_ns
