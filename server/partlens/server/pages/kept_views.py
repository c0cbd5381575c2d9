"""Views of the gallery, kept for later pages of a search."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from partlens.indexer.gallery.view import GalleryView

KEPT, SECONDS = 8, 120.0
"""Most views kept, and seconds that a view is kept after its last page. Deleted images disappear
from all pages immediately; their files are released with the view."""


class KeptViews:
    """Views by number; safe to use from threads.

    They are not stored by version, because compaction changes the segments of a version, and with
    them the candidates that an index returns.

    Args:
        clock: returns the time in seconds; for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._views: OrderedDict[int, tuple[float, GalleryView]] = OrderedDict()
        self._lock = threading.Lock()
        # Starts at random, so that numbers of other processes or earlier runs do not match.
        self._next = secrets.randbits(48)

    def keep(self, view: GalleryView) -> int:
        """Keep a view, or extend its time, because more pages follow; return its number."""
        with self._lock:
            self._forget()
            number = next((n for n, (_, one) in self._views.items() if one is view), self._next)
            self._next += number == self._next
            self._views.pop(number, None)
            self._views[number] = self._clock() + SECONDS, view
            while len(self._views) > KEPT:
                self._views.popitem(last=False)
            return number

    def of(self, number: int) -> GalleryView | None:
        """The view with this number; None if it is no longer kept."""
        with self._lock:
            self._forget()
            _, view = self._views.get(number, (0.0, None))
            return view

    def _forget(self) -> None:
        now = self._clock()
        for number in [number for number, (end, _) in self._views.items() if end <= now]:
            del self._views[number]
