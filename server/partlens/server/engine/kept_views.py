"""Views of the gallery that later pages of a search go on from."""

import secrets
import threading
import time
from collections import OrderedDict
from collections.abc import Callable

from partlens.indexer.gallery.view import GalleryView

KEPT, SECONDS = 8, 120.0
"""How many at most, and for how long after the last page. What was deleted is out of all pages at
once; the files that hold it are let go of when the view is."""


class KeptViews:
    """By the number that each gets; safe to use from threads.

    Not by version: compaction changes the segments of a version, and which candidates an index
    names with them.

    Args:
        clock: seconds, for tests.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._views: OrderedDict[int, tuple[float, GalleryView]] = OrderedDict()
        self._lock = threading.Lock()
        # Another process, or this one before it was started again, gave other numbers.
        self._next = secrets.randbits(48)

    def keep(self, view: GalleryView) -> int:
        """Keep a view for another while, as its last page is not the last; its number."""
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
        """The view of a number; None if it is not kept any more."""
        with self._lock:
            self._forget()
            _, view = self._views.get(number, (0.0, None))
            return view

    def _forget(self) -> None:
        now = self._clock()
        for number in [number for number, (end, _) in self._views.items() if end <= now]:
            del self._views[number]
